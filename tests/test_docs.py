"""Every code block of the documentation is run, checked, or marked as output.

A block's language marks it: ``python``, ``bash``, ``console`` (``$ command`` and its output),
``yaml``, ``json``, ``text`` (output, unchecked). Commands are parsed by the programs' own
parsers, and parameters are checked by their types; nothing that takes long is started.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
import yaml

from quantline import recipe
from quantline.contract.targets import load
from quantline.ranges import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Trained

PROJECT = Path(__file__).resolve().parents[1]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", re.MULTILINE)

# Programs that are not ours: only their names are checked.
OTHER_PROGRAMS = {
    ".", "airflow", "cat", "cd", "cp", "curl", "echo", "export", "git", "ls", "pip", "pre-commit",
    "pytest", "systemd-analyze", "tail", "uv",
}  # fmt: skip
COMMANDS_OF_KEDRO = {"registry", "catalog", "info", "new", "package", "ipython", "jupyter"}
OF_A_PLUGIN = {"viz"}  # of kedro-viz, which is not installed here

# Blocks that need a device, a compiler, a server or a finished run: they compile, and their
# imports are run.
IMPORTS_ONLY = {"edgetpu-device.md", "edgetpu.md", "reading-files.md", "serving.md"}
RUN_ELSEWHERE = {"python.md", "extending.md"}  # their own tests run these blocks


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def all_blocks() -> list[Block]:
    found = []
    for page in PAGES:
        content = page.read_text()
        for fence in FENCE.finditer(content):
            line = content.count("\n", 0, fence.start()) + 1
            text = "".join(row.removeprefix(fence[1]) for row in fence[3].splitlines(keepends=True))
            found.append(Block(page.name, line, fence[2].strip(), text))
    return found


def blocks(*languages: str) -> list[Any]:
    return [
        pytest.param(block, id=str(block)) for block in all_blocks() if block.language in languages
    ]


def test_every_block_is_marked() -> None:
    known = {"python", "bash", "console", "yaml", "json", "text", "html"}
    assert [str(block) for block in all_blocks() if block.language not in known] == []


def test_no_block_is_written_by_indentation_alone() -> None:
    found = []
    for page in PAGES:
        outside = FENCE.sub("", page.read_text())
        found += [
            f"{page.name}: {row[1]}" for row in re.finditer(r"\n\n((?: {4}|\t)\S.*)", outside)
        ]  # fmt: skip
    assert found == []


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command; comments, redirections and variables are left out."""
    text = block.text.replace("\\\n", " ")
    rows = text.splitlines()
    if block.language == "console":
        rows = [row.removeprefix("$ ") for row in rows if row.startswith("$ ")]
    for row in rows:
        lexer = shlex.shlex(row, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if word[0] not in "&|;<>":
                command.append(word)
                continue
            while command and re.match(r"[A-Z_]+=", command[0]):
                command.pop(0)
            if command:
                yield [part for part in command if part not in ("1", "2")]  # of 2>&1
            command = [] if word[0] not in "<>" else ["echo"]  # a file's name follows


@pytest.mark.parametrize("block", blocks("bash", "console"))
def test_commands_exist_with_their_options_and_parameters(block: Block) -> None:
    for program, *words in commands(block):
        if program in CHECKS:
            CHECKS[program](words)
        elif "/" in program:
            assert (PROJECT / program).is_file(), program
            if program == "schedules/retrain.sh":
                check_parameters(words)
        else:
            assert program in OTHER_PROGRAMS, program


def check_click(command: click.Command, words: list[str]) -> dict[str, Any]:
    """Hold the words against a click command, without running or converting anything."""
    if words and words[0] in ("--help", "--version", "-V", "-h"):
        return {}
    if isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"there is no command {words[0]}"
        return check_click(inner, words[1:])
    context = click.Context(command)
    given, extra, _ = command.make_parser(context).parse_args(list(words))
    assert extra == [], f"{command.name} does not take {extra}"
    return given


def check_quantline(words: list[str]) -> None:
    from quantline.commands import quantline
    from quantline.commands.group import KEDROS

    if words[0] in KEDROS:
        check_kedro(words)
    else:
        check_click(quantline, words)


def check_kedro(words: list[str]) -> None:
    from quantline.cli import cli

    if words[0] in OF_A_PLUGIN:
        return
    if words[0] != "run":
        assert words[0] in COMMANDS_OF_KEDRO, words[0]
        return
    given = check_click(cli, words)
    names, nodes = pipelines()
    assert set(split(given.get("pipelines"))) <= names
    for option in ("from_nodes", "to_nodes", "node_names"):
        assert set(split(given.get(option))) <= nodes
    check_parameters(split(given.get("params")))


def check_dvc(words: list[str]) -> None:
    from dvc.cli.parser import get_main_parser

    get_main_parser().parse_args(words)


def check_mlflow(words: list[str]) -> None:
    from mlflow.cli import cli

    check_click(cli, words)


def check_make(words: list[str]) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        name = words[1].replace(".", "/")
        assert any((PROJECT / name).with_suffix(s).exists() for s in ("", ".py")) or name == "venv"
    elif words[0] != "-c":
        assert (PROJECT / words[0]).is_file(), words[0]


CHECKS = {
    "quantline": check_quantline, "kedro": check_kedro, "dvc": check_dvc, "mlflow": check_mlflow,
    "make": check_make, "python": check_python, "python3": check_python,
}  # fmt: skip


def split(option: Any) -> list[str]:
    return [word for word in (option or "").split(",") if word]


@cache
def pipelines() -> tuple[set[str], set[str]]:
    from quantline.pipeline_registry import register_pipelines

    made = register_pipelines()
    return set(made), {node.name for pipeline in made.values() for node in pipeline.nodes}


@cache
def base_parameters() -> dict[str, Any]:
    files = (PROJECT / "conf/base").glob("parameters*.yml")
    return {key: value for file in files for key, value in yaml.safe_load(file.read_text()).items()}


def over(base: Any, given: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(given, dict)):
        return given
    return {**base, **{key: over(base.get(key), value) for key, value in given.items()}}


def check_parameters(words: list[str]) -> None:
    """Check ``KEY=VALUE`` words by the parameters' types, on top of those of conf/base."""
    given: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        nested: Any = yaml.safe_load(value)
        for name in reversed(key.split(".")):
            nested = {name: nested}
        given = over(given, nested)
    check_values(given)


def check_values(given: dict[str, Any]) -> None:
    for key, value in given.items():
        assert key in recipe.BLOCKS, key
        base = base_parameters().get(key, {})
        if key == "dataset":  # another source does not inherit the transform
            base = {name: inner for name, inner in base.items() if name != "transform"}
        recipe.check(recipe.BLOCKS[key], over(base, value), key)


def test_the_page_on_stages_names_every_node() -> None:
    from quantline.pipeline_registry import STAGES, register_pipelines

    page = (PROJECT / "docs/stages.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| ([^|]*)\|", page, re.MULTILINE))
    made = register_pipelines()
    for stage in STAGES:
        assert set(re.findall(r"`(\w+)`", rows[stage])) == {node.name for node in made[stage].nodes}


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_is_valid_where_it_belongs(block: Block, tmp_path: Path) -> None:
    content = yaml.safe_load(block.text)
    if set(content) <= set(recipe.BLOCKS):
        check_values(content)
    elif "operators" in content:
        (tmp_path / "target.yml").write_text(block.text)
        load(str(tmp_path / "target.yml"))
    else:
        from kedro.io import AbstractDataset

        for name, entry in content.items():
            AbstractDataset.from_config(name, entry)


@pytest.mark.parametrize("block", blocks("json"))
def test_json_parses(block: Block) -> None:
    text = block.text if block.text.lstrip().startswith(("{", "[")) else f"{{{block.text}}}"
    assert json.loads(text)


@pytest.fixture(scope="module")
def prepared(
    plain: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Files and variables that examples take: a small float model, samples, an int8 model."""
    from quantline.contract import golden
    from quantline.quantization import quantize

    folder = tmp_path_factory.mktemp("docs")
    model, samples = plain.float_tflite, list(plain.samples)
    made = quantize(model, record(model, samples), recipe.Conversion(), samples)
    (folder / "model.tflite").write_bytes(made.content)
    golden.make(made.content, samples).save(folder / "model.golden.npz")
    return folder, {"float_model": model, "samples": samples}


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(
    block: Block,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = ast.parse(block.text, str(block))
    if block.page in RUN_ELSEWHERE:
        pytest.skip("a test of its own runs it")
    if block.page in IMPORTS_ONLY or "(...)" in block.text:
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert imports
        tree = ast.Module(body=list(imports), type_ignores=[])
        names: dict[str, Any] = {}
    else:
        folder, names = request.getfixturevalue("prepared")
        monkeypatch.chdir(folder)
    exec(compile(tree, str(block), "exec"), dict(names))  # noqa: S102 - our own documentation
