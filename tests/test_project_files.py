"""Files of configuration that are damaged or hostile, and those of this project, which are not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from omegaconf import OmegaConf
from tests.conftest import PROJECT

from quantline.errors import ParameterError
from quantline.interpolation import LARGEST, expanded_size
from quantline.project_files import check_catalog, check_datasets, check_files, read_mapping

if TYPE_CHECKING:
    from pathlib import Path

LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 10)}]\n" for level in range(9)
)
REFERENCES = "a0: x\n" + "".join(f'a{level + 1}: "{f"${{a{level}}}" * 10}"\n' for level in range(9))
BROKEN = {
    "bad YAML": (b"a: [1, 2", "line 2, column 1"),
    "tabs": (b"a:\n\tb: 1\n", "line 2, column 1"),
    "list": (b"- a\n- b\n", "a list at the top"),
    "number": (b"3\n", "a number at the top"),
    "text": (b"quantline\n", "a text at the top"),
    "key twice": (b"a: 1\nb: 2\na: 3\n", "line 3: the key 'a' a second time"),
    "not UTF-8": (b"a: \xff\xfe\n", "no UTF-8 text, at byte 3"),
    "binary": (bytes(range(256)), "UTF-8"),
    "control characters": (b"a: \x00\x01", "control characters"),
    "laughs": (LAUGHS.encode(), "more than 20,000 values"),
    "loop": (b"a: &a\n  b: *a\n", "inside of what it names"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "deep mapping": (b"{a: " * 60 + b"1" + b"}" * 60, "nested too deeply"),
    "large": (b"# " + b"x" * (1 << 20), "more than 1 MiB"),
    "an endless number": (b"a: " + b"9" * 5000, "a value that is none"),
    "a key that is a list": (b"? [a]\n: 1\n", "line 1"),
    "a Python object": (b"a: !!python/object/apply:os.getcwd []\n", "line 1"),
    "an unknown alias": (b"a: *b\n", "line 1"),
    "two documents": (b"a: 1\n---\nb: 2\n", "line 2"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mlflow.yml").write_bytes(content)
    with pytest.raises(ParameterError, match=r"mlflow\.yml") as wrong:
        check_files(tmp_path)
    assert said in wrong.value.found
    assert len(str(wrong.value)) < 1000


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "said"), [(pipe, "a pipe"), (loop, "a loop of"), (device, "a device")]
)
def test_what_is_no_file_is_never_opened(tmp_path: Path, make: Any, said: str) -> None:
    make(tmp_path / "parameters.yml")
    with pytest.raises(ParameterError) as wrong:
        check_files(tmp_path)
    assert said in wrong.value.found


def test_a_folder_and_nothing_are_no_mapping(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "a folder"), (tmp_path / "none.yml", "no such file")):
        with pytest.raises(ParameterError) as wrong:
            read_mapping(path)
        assert wrong.value.found == said


def test_the_files_of_this_project_pass() -> None:
    conf = PROJECT / "conf"
    check_files(*(path for path in conf.iterdir() if path.is_dir()))
    assert read_mapping(conf / "logging.yml")["version"] == 1


def test_other_files_are_nobody_s_business(tmp_path: Path) -> None:
    (tmp_path / "notes.yml").write_text("[")
    (tmp_path / "parameters.txt").write_text("[")
    (tmp_path / ".parameters.yml").write_text("")
    (tmp_path / "parameters.yml").write_text("")
    (tmp_path / "parameters").mkdir()
    (tmp_path / "parameters/one.yml").write_text("a: &a {b: 1}\nc: *a\n")
    check_files(tmp_path, tmp_path / "none")


def test_what_looks_like_a_date_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("day: 2026-01-02\nnone: 2026-13-45\n")
    assert read_mapping(tmp_path / "a.yml") == {"day": "2026-01-02", "none": "2026-13-45"}


def test_references_are_counted_as_what_they_become(tmp_path: Path) -> None:
    (tmp_path / "parameters.yml").write_text(REFERENCES)
    with pytest.raises(ParameterError, match="stand for too much"):
        check_files(tmp_path)


SOUND: list[dict[str, Any]] = [
    {"folder": "data/raw", "a": {"path": "${folder}/a"}, "b": ["${a.path}", "${a}"]},
    {"a": {"b": "${.c}", "c": "${..d}"}, "d": "end"},
    {"a": "${oc.env:HOME,none}", "b": "no ${ reference", "c": [1, {"d": None}]},
]


@pytest.mark.parametrize("values", SOUND)
def test_the_bound_of_sound_files_is_small_and_no_lower_than_what_they_become(
    values: dict[str, Any],
) -> None:
    resolved = values
    if "no ${" not in str(values):
        resolved = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
    bound = expanded_size([values])
    assert sum(map(len, texts(resolved))) <= bound < 300 < LARGEST


def texts(value: Any) -> list[str]:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return [text for part in inner for text in texts(part)]
    return [value] if isinstance(value, str) else []


def test_references_that_loop_are_left_to_what_resolves_them() -> None:
    assert expanded_size([{"a": "${b}", "b": "${a}"}]) < 100


@pytest.mark.parametrize("entry", [None, 3, [], {}, {"filepath": "a"}, {"type": 3}])
def test_an_entry_of_the_catalog_that_is_no_dataset_is_named(entry: Any) -> None:
    check_catalog({"_part": entry, "good": {"type": "a.B"}})
    with pytest.raises(ParameterError, match="'ranges'"):
        check_catalog({"good": {"type": "a.B"}, "ranges": entry})


def test_a_dataset_that_is_misspelt_in_the_catalog_is_found() -> None:
    check_datasets({"a", "b"}, {"a", "b", "c"})
    with pytest.raises(ParameterError, match="no dataset 'ranges'") as wrong:
        check_datasets({"a", "ranges"}, {"a", "rangse"})
    assert wrong.value.remedy == "Did you mean 'rangse'?"
