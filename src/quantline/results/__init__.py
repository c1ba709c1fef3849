"""Schemas of the stages' files, one for each kind, and one error for every file that differs.

A stage reads its inputs from files that a person, a program or a bad disk may have changed. Each is
checked as it is read, so that what follows it may rely on keys, types and finite numbers.
"""

from quantline.results.check import (
    SCHEMAS,
    check_kind,
    check_result,
    check_schema,
    load_result,
    read_result,
    remedy_of,
)
from quantline.results.parse import (
    Origin,
    check_finite,
    check_plain,
    parse_json,
    read_arrays,
    read_bytes,
)

__all__ = [
    "SCHEMAS", "Origin", "check_finite", "check_kind", "check_plain", "check_result",
    "check_schema", "load_result", "parse_json", "read_arrays", "read_bytes", "read_result",
    "remedy_of",
]  # fmt: skip
