"""What all commands share: options named as options, errors as JSON, files written together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from quantline.api.files import check_outputs, write_together
from quantline.commands.command import Command, Result
from quantline.errors import CheckFailed, OutputNotWritten, QuantlineError
from quantline.tables import pairs, shortened, size, table

if TYPE_CHECKING:
    from pathlib import Path

# What the library says, and what a command makes of it.
REMEDIES = {
    "Correct `path`; a relative one starts from the working directory":
        "Correct 'MODEL'; a relative one starts from the working directory",
    "If you trust it, use `allow_unsafe=True`": "If you trust it, use '--allow-unsafe'",
    "Use `input_type='int8'`, or correct `pinned`": "Use '--input-type int8', or correct '--pin'",
    "Use `keep_float=[]`": "Use no '--keep-float'",
    "Correct `transform`": "Correct the preparation of the samples",
    "Run the pipeline with `from_nodes=convert`":
        "Run the pipeline with 'kedro run --from-nodes convert'",
    "Raise `unknown`": "Raise `unknown`",
}  # fmt: skip


@click.command("fail", cls=Command)
@click.argument("model")
@click.option("--allow-unsafe", is_flag=True)
@click.option("--input-type")
@click.option("--keep-float", multiple=True)
@click.option("--pin", "pins", multiple=True)
def fail(model: str, **_: Any) -> Result:
    """Fail with the remedy that is given as the model."""
    raise CheckFailed("A", found="B", expected="C", remedy=model)


@pytest.mark.parametrize(("remedy", "translation"), REMEDIES.items())
def test_a_remedy_names_the_options_of_its_command(remedy: str, translation: str) -> None:
    done = CliRunner().invoke(fail, [remedy, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["remedy"] == translation
    assert f"Error: A. Found: B. Expected: C. {translation}." in done.stderr


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
