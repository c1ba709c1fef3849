from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from quantline.error_output import write_details
from quantline.errors import ConversionError

LONG = "\n".join(f"error: 'tf.Thing{number}' op is neither custom nor flex" for number in range(40))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def failed(details: str) -> ConversionError:
    return ConversionError("No", found="this", expected="that", remedy="Do", details=details)


def test_the_message_names_a_file_with_the_whole_text(folder: Path) -> None:
    error = write_details(failed(LONG))
    path = Path(re.search(r"in '(.+)'", error.found)[1])
    assert path.parent == folder
    assert path.read_text() == f"{LONG}\n"
    assert str(write_details(failed(LONG))) == str(error)  # and no second file
    assert list(folder.iterdir()) == [path]


def test_a_short_text_makes_no_file(folder: Path) -> None:
    assert str(write_details(failed("one line"))) == str(failed("one line"))
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_leaves_the_error_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert "could not be written" in write_details(failed(LONG)).found
