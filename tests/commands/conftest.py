"""Folders with a model, its samples and its ranges, and a way to give commands in them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from quantline.commands import quantline
from quantline.ranges import record

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Desk:
    """A folder with ``float.tflite``, ``samples.npz`` and ``ranges.json``."""

    folder: Path

    def give(self, *arguments: str) -> Done:
        result = CliRunner().invoke(quantline, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def files(self) -> dict[str, bytes]:
        return {path.relative_to(self.folder).as_posix(): path.read_bytes()
                for path in self.folder.rglob("*") if path.is_file()}  # fmt: skip

    def save(self, name: str, **arrays: np.ndarray) -> None:
        np.savez(self.folder / name, **arrays)


@pytest.fixture(scope="session")
def laid_out(plain: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "float.tflite").write_bytes(plain.float_tflite)
    np.savez(folder / "samples.npz", image=plain.samples)
    record(plain.float_tflite, plain.samples).save(folder / "ranges.json")
    return folder


@pytest.fixture
def desk(laid_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    folder = tmp_path / "desk"
    shutil.copytree(laid_out, folder)
    monkeypatch.chdir(folder)
    return Desk(folder)
