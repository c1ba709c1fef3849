"""A stand-in for ``edgetpu_compiler``: it compiles nothing, and says what the real one said.

Google's compiler is closed and not on this machine. This program takes its options as documented,
writes files of its names, and prints texts that users of the real one published, from
``published_output``. What it writes as a compiled model are bytes that it was given. So the tests
that use it show that the compiler's words are understood; not what the compiler does to a model.

It is started as the real one is, by a shell script of a few lines, and told by a scenario, a JSON
file, what to do:

``version``           printed for ``--version``; ``answer`` in place of the whole line
``stdout, stderr``    printed; X and Y stand for the models' names without ending
``compiled``          files to give out, in the order of the outputs
``log``               the operator table of each log, in place of that in ``stdout``
``status, signal``    how it ends
``delay_s``           how long it waits before it writes its files
``child_file``        where it writes the number of a child process of its own, which only waits
``calls``             where it appends its arguments
"""

from __future__ import annotations

import getopt
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

LETTERS = "hi:m:n:o:sdk:t:va"
WORDS = [
    "help", "intermediate_tensors=", "min_runtime_version=", "num_segments=", "out_dir=",
    "show_operations", "search_delegate", "delegate_search_step=", "timeout_sec=", "version",
    "enable_multiple_subgraphs",
]  # fmt: skip


def install(folder: Path, **scenario: object) -> Path:
    """Write the script that starts the stand-in, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "scenario.json"
    told.write_text(json.dumps({"version": "16.0.384591198"} | scenario))
    script = folder / "edgetpu_compiler"
    # bash, and no exec: as with the real one, the shell stands between it and a signal.
    script.write_text(
        f'#!/bin/bash\n"{sys.executable}" -E -s -S "{Path(__file__).resolve()}" "{told}" "$@"\n'
        "exit $?\n"
    )
    script.chmod(0o755)
    return script


def main(scenario_file: str, *arguments: str) -> int:
    scenario = json.loads(Path(scenario_file).read_text())
    given, models = getopt.gnu_getopt(list(arguments), LETTERS, WORDS)
    options = dict(given)
    if {"-v", "--version"} & set(options):
        sys.stdout.write(scenario.get("answer", f"Edge TPU Compiler version {scenario['version']}"))
        return 0
    folder = options.get("--out_dir", options.get("-o", "."))
    if "calls" in scenario:
        with Path(scenario["calls"]).open("a") as calls:
            calls.write(json.dumps(arguments) + "\n")
    if "child_file" in scenario:
        child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")  # noqa: S606 - quick to start
        Path(scenario["child_file"]).write_text(str(child))
    stems = [Path(model).stem for model in models]
    said = scenario.get("stdout", "")
    for letter, stem in zip("XY", stems, strict=False):
        said = re.sub(rf"\b{letter}(?=[._])", stem, said)
    sys.stdout.write(
        re.sub(r"^(Output model|Operation log): ", rf"\g<0>{folder}/", said, flags=re.M)
    )
    sys.stderr.write(scenario.get("stderr", ""))
    sys.stdout.flush()
    time.sleep(scenario.get("delay_s", 0))
    if "signal" in scenario:
        os.kill(os.getpid(), scenario["signal"])
    count = int(options.get("--num_segments", options.get("-n", 1)))
    if count > 1:
        stems = [f"{stem}_segment_{index}_of_{count}" for stem in stems for index in range(count)]
    table = re.search(r"^Operator .*?(?=^Compilation child|\Z)", said, re.M | re.S)
    rows = scenario.get("log", table[0] if table else "")
    for stem, compiled in zip(stems, scenario.get("compiled", []), strict=False):
        output = f"{folder}/{stem}_edgetpu.tflite"
        shutil.copy(compiled, output)
        Path(output).with_suffix(".log").write_text(
            f"Edge TPU Compiler version {scenario['version']}\nInput: {stem}.tflite\n"
            f"Output: {output}\n\n{rows}"
        )
    return int(scenario.get("status", 0))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
