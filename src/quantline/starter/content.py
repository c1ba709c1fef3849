"""The files of a new project, as bytes.

Most are the repository's own, which ``setup.py`` copies into the wheel; in a checkout they are
taken from where they lie. The files of ``template/`` are filled in with the project's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from string import Template

from quantline import __version__
from quantline.errors import DependencyError

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parents[2]
_TEMPLATE_SUFFIX = "-tpl"  # so that no tool takes a template for Python
# A stage of DVC depends on the package's code; in a project that is the version it requires.
_CODE = "      - src/quantline/"
_INSTALLED = "      - requirements.txt"


@dataclass(frozen=True)
class File:
    """A file of a new project.

    Attributes:
        content: Its bytes.
        is_executable: Whether it can be run.
    """

    content: bytes
    is_executable: bool = False


def project_files(package: str) -> dict[str, File]:
    """Return the files of a new project, by their paths in it.

    Args:
        package: The name of the project's own Python package.

    Raises:
        DependencyError: The installed package lacks them.
    """
    files = {name: File(path.read_bytes(), _is_executable(path)) for name, path in _shared()}
    for name in ("dvc.yaml", "compare/dvc.yaml"):
        files[name] = File(_of_installed_code(files[name].content.decode()).encode())
    names = {"package": package, "version": __version__, "kedro_version": version("kedro")}
    template = _HERE / "template"
    for path in sorted(template.rglob(f"*{_TEMPLATE_SUFFIX}")):
        place = path.relative_to(template).as_posix().removesuffix(_TEMPLATE_SUFFIX)
        text = Template(path.read_text()).substitute(names)
        files[place.replace("src/package/", f"src/{package}/")] = File(text.encode())
    return files


def logging_settings() -> Path:
    """Return the file by which Kedro logs to stderr, for use outside of a project."""
    return _root() / "conf" / "logging.yml"


def _root() -> Path:
    """Return the folder of the files that the repository has too."""
    built = _HERE / "shared"
    return built if built.is_dir() else _CHECKOUT


def _shared() -> list[tuple[str, Path]]:
    """Return the files that the repository has too, by their paths in it."""
    root = _root()
    patterns = (_HERE / "shared.txt").read_text().split()
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    if root / "dvc.yaml" not in found:
        raise DependencyError(
            "The files of a new project are not installed",
            found=f"no 'dvc.yaml' in '{root}'",
            expected="a package that was installed from a wheel, or from a checkout",
            remedy="Install it again: pip install --force-reinstall quantline",
        )
    return [(path.relative_to(root).as_posix(), path) for path in sorted(found)]


def _of_installed_code(stages: str) -> str:
    """Return ``dvc.yaml`` with the required version in place of each stage's files of code."""
    lines = [f"# {_PURPOSE}"]
    for line in stages.splitlines()[1:]:  # the first says how the repository makes it
        kept = _INSTALLED if line.startswith(_CODE) else line
        if kept != _INSTALLED or lines[-1] != _INSTALLED:
            lines.append(kept)
    return "\n".join(lines) + "\n"


_PURPOSE = "One stage a pipeline. 'requirements.txt' has the version of Quantline's code."


def _is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
