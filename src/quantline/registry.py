"""Registries: dictionaries of what the modules of a package declare, and their parameters.

Each module of such a package declares one thing, such as a method of choosing ranges, as a constant
at its top. Whatever lists these things (parameters, options, tables, documentation) reads the
dictionary, and whatever uses one of them looks it up there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Declaration(Protocol):
    """Anything that a module declares."""

    @property
    def name(self) -> str:
        """The name by which users choose it."""

    @property
    def order(self) -> int:
        """Its place in every list, lowest first; names decide between equals."""


D = TypeVar("D", bound=Declaration)


def declared(modules: str, path: Iterable[str], kind: type[D]) -> dict[str, D]:
    """Import each module of a package and return what they declare, by name.

    Modules whose name begins with an underscore declare nothing. Each other one declares exactly
    one value of ``kind``, under any name.

    Args:
        modules: The package's name and ``.*``, by which what follows imports knows the modules.
        path: The package's ``__path__``.
        kind: The class of the declarations.

    Raises:
        TypeError: A module declares none or several, or two declare the same name.
    """
    package, found = modules.removesuffix(".*"), list[D]()
    for info in iter_modules(path):
        if info.name.startswith("_"):
            continue
        module = import_module(f"{package}.{info.name}")
        values = [value for value in vars(module).values() if isinstance(value, kind)]
        if len(values) != 1:
            raise TypeError(f"{module.__name__} declares {len(values)} of {kind.__name__}, not 1")
        found += values
    found.sort(key=lambda item: (item.order, item.name))
    registry = {item.name: item for item in found}
    if len(registry) < len(found):
        raise TypeError(f"two modules of {package} declare the same name")
    return registry


@dataclass(frozen=True)
class Parameter:
    """A value that users can set: a key of the configuration and an option of the commands.

    Attributes:
        name: Its name.
        default: Its value where none is given; None switches off what it is for.
        meaning: The help of the option and the row in the documentation: a phrase without a period.
        type: ``float``, ``int`` or ``str``.
        above: The value has to be greater than this; no limit if None.
        at_least: The value has to be this or greater; likewise.
        at_most: The value has to be this or less; likewise.
    """

    name: str
    default: Any
    meaning: str
    type: type[float] | type[int] | type[str] = float
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def annotation(self, *, optional: bool = False) -> Any:
        """Return the type by which pydantic checks a value; None is allowed too if ``optional``."""
        from pydantic import Field

        limits = {"gt": self.above, "ge": self.at_least, "le": self.at_most}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        limited: Any = Field(**given)  # type: ignore[call-overload]
        kind: Any = Annotated[self.type, limited]
        return kind | None if optional else kind
