"""Reading untrusted input: regular files of a bounded size, YAML text, numpy archives.

Nothing here blocks, and nothing is allocated that a file only claims to hold.
"""

from quantline.reading.arrays import Arrays, ArraysUnreadable, Header
from quantline.reading.regular import Unreadable, check_regular, open_file, read_file, read_text
from quantline.reading.yaml_text import YamlUnreadable, check_yaml, load_yaml

__all__ = [
    "Arrays", "ArraysUnreadable", "Header", "Unreadable", "YamlUnreadable", "check_regular",
    "check_yaml", "load_yaml", "open_file", "read_file", "read_text",
]  # fmt: skip
