"""A lock in the registry itself: whoever may write to a model there can hold it, from anywhere.

The registry's stores give one atomic step: of two requests to create a registered model of one
name, one fails. So a lock is an empty registered model; its tags say who holds it and until when.
An abandoned lock is renamed away, to a name that tells its holder: that works for one of several
that try at once, since of two equal names the second is refused too.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import RegistryBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE_S = 300
WAIT_S = 120
_PAUSE_S = 0.2


@dataclass(frozen=True)
class Lock:
    """A lock that is held.

    Attributes:
        client: The ``MlflowClient`` it is held with.
        name: The registered model that stands for it.
        owner: A name that no other holder has.
        expires_s: Until when it is held, seconds since 1970.
    """

    client: Any
    name: str
    owner: str
    expires_s: float

    def check(self) -> None:
        """Make sure, before something is written, that the lock is still held.

        Raises:
            RegistryBusy: It ran out, and another may hold it.
        """
        found = _holder(self.client, self.name)
        if found is None or found["owner"] != self.owner or time.time() > self.expires_s:
            raise RegistryBusy(
                f"The lock '{self.name}' was lost while the registry was changed",
                found=f"it ran out after {LEASE_S} s" if found is None else _told(found),
                expected="a registry that answers within the time that the lock is held for",
                remedy="Run the same command again: it completes what was begun",
            )


@contextmanager
def held(client: Any, model: str, wait_s: float = WAIT_S) -> Iterator[Lock]:
    """Hold the lock of a registered model.

    Args:
        client: An ``MlflowClient``.
        model: The registered model's name.
        wait_s: How long to wait for another holder, seconds.

    Raises:
        RegistryBusy: Another held it all the time.
    """
    name, owner = f"{model}.lock", uuid.uuid4().hex
    deadline = time.monotonic() + wait_s
    while (lock := _taken(client, name, owner)) is None:
        found = _holder(client, name)
        if found is not None and _is_abandoned(found):
            _move_away(client, name, found["owner"])
        elif time.monotonic() > deadline:
            raise RegistryBusy(
                f"The model '{model}' is being changed by another run",
                found="a lock that was just given back" if found is None else _told(found),
                expected=f"a lock that is free within {wait_s:g} s",
                remedy="Run the same command again when the other run has ended",
            )
        else:
            time.sleep(_PAUSE_S)
    try:
        yield lock
    finally:
        with suppress(RegistryBusy):
            lock.check()  # one that ran out may be another's by now
            _give_back(client, name)


def _taken(client: Any, name: str, owner: str) -> Lock | None:
    from mlflow.exceptions import MlflowException

    expires_s = time.time() + LEASE_S
    tags = {"owner": owner, "place": _place(), "pid": str(os.getpid()), "expires_s": str(expires_s)}
    try:
        client.create_registered_model(
            name, tags, "Held while an alias of the model of the same name is moved."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # A request that was repeated, because its first answer was lost, finds its own lock.
        found = _holder(client, name)
        if found is None or found["owner"] != owner:
            return None
    return Lock(client, name, owner, expires_s)


def _holder(client: Any, name: str) -> dict[str, str] | None:
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(name).tags)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _is_abandoned(found: dict[str, str]) -> bool:
    if time.time() > float(found["expires_s"]):
        return True
    # A process that was killed on this very machine need not be waited for.
    return found["place"] == _place() and not Path(f"/proc/{found['pid']}").exists()


def _move_away(client: Any, name: str, owner: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.rename_registered_model(name, f"{name}.expired.{owner}")
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}:
            raise


def _give_back(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # what cannot be given back runs out by itself
        client.delete_registered_model(name)
        for each in client.search_registered_models(f"name LIKE '{name}.expired.%'"):
            client.delete_registered_model(each.name)


def _place() -> str:
    """Return what tells one set of process numbers from another: the host and its namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = os.getpid()  # without /proc nothing can be told of another process
    return f"{socket.gethostname()}/{namespace}"


def _told(found: dict[str, str]) -> str:
    left_s = max(0, round(float(found["expires_s"]) - time.time()))
    host = found["place"].split("/", maxsplit=1)[0]
    return f"process {found['pid']} on '{host}' holds it, for at most {left_s} s more"
