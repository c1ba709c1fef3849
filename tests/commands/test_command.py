"""What all commands share: options named as options, errors as JSON, files written together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quantline.api.outputs import check_outputs, write_together
from quantline.commands.command import with_options
from quantline.errors import CheckFailed, OutputNotWritten, QuantlineError
from quantline.tables import pairs, shortened, size, table

if TYPE_CHECKING:
    from pathlib import Path

SPOKEN = {
    "Correct `path`; a relative one starts from the working directory": "Check the path",
    "Set `path` to the float model it was made from": "Give the float model it was made from",
    "Use a smaller model or fewer samples, or raise `conversion_timeout_s`":
        "Use a smaller model or fewer samples",
    "Do not use the file; if you trust it, raise `config_mib`": "Do not use the file",
    "Set 'conversion.input_type: int8', or choose another scheme":
        "Give '--input-type int8', or choose another scheme",
    "Use a smaller input ('evaluation.edgetpu.search_delegate: true'), or raise "
        "'evaluation.edgetpu.compiler_timeout_s'":
        "Use a smaller input ('--search-delegate'), or raise '--compiler-timeout-s'",
    "Compile it again with '--min_runtime_version'": "Compile it again with '--runtime-version'",
    "Correct `transform`": "Correct what prepares the samples",
    "Record the ranges again from this model": "Record them again with 'quantline record'",
}  # fmt: skip


@pytest.mark.parametrize(("remedy", "spoken"), SPOKEN.items())
def test_a_remedy_names_options(remedy: str, spoken: str) -> None:
    error = CheckFailed("A", found="B", expected="C", remedy=remedy)
    said = with_options(error)
    assert said.remedy == spoken
    assert type(said) is CheckFailed
    assert said.exit_status == 1


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_together({one: b"1", two: b"2"}, force=False)
    write_together({one: b"1", two: b"2"}, force=False)  # the same again
    with pytest.raises(OutputNotWritten, match="holds something else"):
        write_together({one: b"1", two: b"3"}, force=False)
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    write_together({one: b"4", two: b"3"}, force=True)
    assert (one.read_bytes(), two.read_bytes()) == (b"4", b"3")
    with pytest.raises(OutputNotWritten):
        write_together({one: b"5", one / "three": b"6"}, force=True)
    assert one.read_bytes() == b"4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_what_is_interrupted_while_it_is_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_together({tmp_path / "one": b"1"}, force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_made_but_not_before_there_is_a_result(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "out.json"
    check_outputs([path], [None], suffix=".json")
    assert list(tmp_path.iterdir()) == []
    write_together({path: b"{}"}, force=False)
    assert path.read_bytes() == b"{}"


def test_a_link_to_an_input_is_the_input(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "out.json").symlink_to("in.json")
    with pytest.raises(QuantlineError, match="would replace"):
        check_outputs([tmp_path / "out.json"], [str(tmp_path / "in.json")], suffix=".json")


def test_tables() -> None:
    assert table(["a", "name"], [["1", "x"], ["-10", "long; names"]]) == (
        "  a  name\n  1  x\n-10  long; names"
    )
    assert pairs([("a", "1"), ("long", "2")]) == "a     1\nlong  2"
    assert shortened("block_1/conv/Relu;block_1/norm", 100) == "block_1/conv/Relu;block_1/norm"
    assert shortened("block_1/conv/Relu;block_1/norm", 20) == "block_1/conv/Relu;…"
    assert shortened("block_1/conv/Relu", 10) == "blo…v/Relu"
    assert [size(item) for item in (12, 2048, 95048, 3_500_000)] == [
        "12 bytes", "2 KiB", "92.8 KiB", "3.34 MiB"
    ]  # fmt: skip
