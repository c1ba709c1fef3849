"""Kills spread over a run and over a release, and what is left after each was run again.

    python -m benchmarks.kills [--kills 60] [--folder FOLDER]

In a copy of this project, with 300 evaluation examples and a tracking store of its own. Each kill
is ``kill -9`` of the command at a chosen moment; then the same command is given again. The table
says what is left after that: MLflow runs that are open, logged models that are not ready, locks,
half-written files, child processes, a missing champion, another int8 model. No test runs it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from quantline.files import sha256

ROOT = Path(__file__).resolve().parents[1]
FAST = (
    "sampling.evaluation.examples=300,evaluation.latency.runs=5,evaluation.latency.warmup=1,"
    "baseline.latency.runs=5,baseline.latency.warmup=1,gate.against_float.top1_margin_points=10.0,"
    "gate.against_float.loss_margin=1.0,gate.against_champion.top1_margin_points=10.0,"
    "gate.against_champion.loss_margin=1.0,gate.against_champion.latency_growth=null"
)
RUN = ("--params", FAST)
RELEASE = ("--pipelines", "release", "--params", FAST)


def main() -> None:
    """Kill, run again, and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    folder = (asked.folder or Path(tempfile.mkdtemp(prefix="kills-"))) / "project"
    copy(folder)
    whole_s = timed(folder, RUN)
    release_s = timed(folder, RELEASE)
    reference = model(folder)
    print(f"a run takes {whole_s:.0f} s, a release {release_s:.0f} s; model {reference[:12]}")
    bad = 0
    for number in range(asked.kills):
        of_release = number % 2 == 1
        share = (number // 2 + 0.5) / (asked.kills / 2)
        at_s = share * (release_s if of_release else whole_s)
        if of_release:  # nothing of it may be recorded yet, or it would only be found complete
            timed(folder, ("--from-nodes", "fetch_champion", "--to-nodes", "write_summary", *RUN))
        arguments = RELEASE if of_release else RUN
        reached = killed(folder, arguments, at_s)
        status = run(folder, arguments)
        left = state(folder, reference)
        problems = [f"{name} {count}" for name, count in left.items() if count]
        bad += bool(problems) or status not in {0, 1}
        print(
            f"{number + 1:3} {'release' if of_release else 'run':8} killed after {at_s:5.1f} s "
            f"({reached}); again: exit {status}; {', '.join(problems) or 'nothing left'}",
            flush=True,
        )
    print(f"{asked.kills} kills, {bad} with something left")


def copy(folder: Path) -> None:
    """Copy the project without its results."""
    folder.mkdir(parents=True)
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "data/01_raw/fashion_mnist", folder / "data/01_raw/fashion_mnist")
    (folder / "data/06_models").mkdir()
    shutil.copy(ROOT / "data/06_models/fashion_mnist.keras", folder / "data/06_models")


def start(folder: Path, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start ``kedro run``; its log goes to a file."""
    environment = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    environment["PWD"] = str(folder)  # to distinguish its children from those of others
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", *arguments],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def run(folder: Path, arguments: tuple[str, ...]) -> int:
    """Run to the end and return the exit status."""
    return start(folder, arguments).wait()


def timed(folder: Path, arguments: tuple[str, ...]) -> float:
    """Run to the end and return the seconds it took."""
    begun = time.monotonic()
    status = run(folder, arguments)
    if status:
        sys.exit(f"exit status {status}:\n{(folder / 'log').read_text()}")
    return time.monotonic() - begun


def killed(folder: Path, arguments: tuple[str, ...], at_s: float) -> str:
    """Start, kill after some seconds, and return the last step that was announced."""
    process = start(folder, arguments)
    time.sleep(at_s)
    os.kill(process.pid, signal.SIGKILL)  # its children must end by themselves
    process.wait()
    lines = (folder / "log").read_text(errors="replace").splitlines()
    steps = [line.split(" ", 1)[1] for line in lines if line[2:3] == ":" and ": " in line]
    return steps[-1] if steps else "before the first step"


def model(folder: Path) -> str:
    """Return the SHA-256 of the int8 model."""
    return sha256((folder / "data/06_models/int8.tflite").read_bytes())


def state(folder: Path, reference: str) -> Counter[str]:
    """Return how many of each thing are left that should not be."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quantline").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    found: Counter[str] = Counter()
    found["open runs"] = sum(other.info.status in {"RUNNING", "SCHEDULED"} for other in runs)
    logged = client.search_logged_models([experiment], max_results=1000)
    found["unready models"] = sum(str(item.status) != "READY" for item in logged)
    registered = client.search_registered_models()
    found["locks"] = sum(".lock" in item.name for item in registered)
    champions = [item for item in registered if "champion" in item.aliases]
    found["champions missing"] = int(len(champions) != 1)
    found["other bytes"] = int(model(folder) != reference)
    found["partial files"] = len(list((folder / "data").rglob(".*.partial")))
    ours = (
        process
        for process in Path("/proc").glob("[0-9]*")
        if str(folder).encode() in content(process / "environ")
    )
    found["children alive"] = sum(
        b"quantline.child" in content(process / "cmdline") for process in ours
    )
    return found


def content(path: Path) -> bytes:
    """Return what is in a file; nothing if it is gone by now."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
