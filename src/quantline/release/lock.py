"""A lock kept in the model registry itself, which processes on any machine can take.

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

from quantline.errors import RegistryError
from quantline.release.store_errors import EXISTS, MISSING, ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE_S = 300
WAIT_S = 120
_PAUSE_S = 0.2
_own_locks: set[str] = set()  # the owners of locks that this process holds


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds.

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
        """Check that the lock is still held, before something is written.

        Raises:
            RegistryError: It ran out, and another may hold it.
        """
        found = _holder(self.client, self.name)
        if found is None or found["owner"] != self.owner or time.time() > self.expires_s:
            raise RegistryError(
                f"The lock '{self.name}' was lost while the registry was changed",
                found="it was taken away" if found is None else _describe(found),
                expected="a registry that answers within the time that the lock is held for",
                remedy="Run the same command again: it completes what was begun",
            )


@contextmanager
def registry_lock(client: Any, model: str, wait_s: float = WAIT_S) -> Iterator[Lock]:
    """Take and hold the lock of a registered model.

    Args:
        client: An ``MlflowClient``.
        model: The registered model's name.
        wait_s: How long to wait for another holder, seconds.

    Raises:
        RegistryError: Another held it all the time.
    """
    from mlflow.exceptions import MlflowException

    name, owner = f"{model}.lock", uuid.uuid4().hex
    deadline = time.monotonic() + wait_s
    while (lock := _try_to_take(client, name, owner)) is None:
        found = _holder(client, name)
        if found is not None and _is_abandoned(found):
            _move_away(client, name, found["owner"])
        elif time.monotonic() > deadline:
            raise RegistryError(
                f"The model '{model}' is being changed by another run",
                found="a lock that was just given back" if found is None else _describe(found),
                expected=f"a lock that is free within {wait_s:g} s",
                remedy="Run the same command again when the other run has ended",
            )
        else:
            time.sleep(_PAUSE_S)
    _own_locks.add(owner)
    answers = True
    try:
        yield lock
    except MlflowException:
        answers = False  # to ask again would only take as long again
        raise
    finally:
        _own_locks.discard(owner)
        if answers:
            _release(lock)


def _try_to_take(client: Any, name: str, owner: str) -> Lock | None:
    from mlflow.exceptions import MlflowException

    expires_s = time.time() + LEASE_S
    tags = {"owner": owner, "place": _place(), "pid": str(os.getpid()), "expires_s": str(expires_s)}
    try:
        client.create_registered_model(
            name, tags, "Held while an alias of the model of the same name is moved."
        )
    except MlflowException as error:
        if error.error_code != EXISTS:
            raise
        # A request that was repeated, because its first answer was lost, finds its own lock.
        found = _holder(client, name)
        if found is None or found["owner"] != owner:
            return None
    return Lock(client, name, owner, expires_s)


def _holder(client: Any, name: str) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    with ignored(MISSING):
        tags = dict(client.get_registered_model(name).tags)
    # A database reads the tags after the model: of one that is deleted in between there are none.
    return tags or None


def _is_abandoned(found: dict[str, str]) -> bool:
    if time.time() > float(found["expires_s"]):
        return True
    if found["place"] != _place():
        return False
    # Of this very machine it is known whether the process is there, and still holds it.
    if int(found["pid"]) == os.getpid():
        return found["owner"] not in _own_locks
    return not Path(f"/proc/{found['pid']}").exists()


def _move_away(client: Any, name: str, owner: str) -> None:
    with ignored(EXISTS, MISSING):
        client.rename_registered_model(name, f"{name}.expired.{owner}")


def _release(lock: Lock) -> None:
    from mlflow.exceptions import MlflowException

    # A lock that cannot be released expires; an expired one may be held by another by now.
    with suppress(MlflowException, RegistryError):
        lock.check()
        _delete(lock.client, lock.name)
        for model in lock.client.search_registered_models(f"name LIKE '{lock.name}.expired.%'"):
            _delete(lock.client, model.name)


def _delete(client: Any, name: str) -> None:
    with ignored(MISSING):
        client.delete_registered_model(name)


def _place() -> str:
    """Return the host and its process namespace, within which process numbers are unique."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = os.getpid()  # without /proc nothing is known of another process
    return f"{socket.gethostname()}/{namespace}"


def _describe(found: dict[str, str]) -> str:
    left_s = max(0, round(float(found["expires_s"]) - time.time()))
    host = found["place"].split("/", maxsplit=1)[0]
    return f"process {found['pid']} on '{host}' holds it, for at most {left_s} s more"
