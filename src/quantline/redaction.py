"""Redaction of passwords in messages, logs, tags and records.

Nothing is parsed strictly, since the addresses that fail are those that are not well written: a
password may hold ``/``, ``@``, ``:``, ``#`` or ``?``, unescaped. Where a text can be read in two
ways, too much is left out rather than too little.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "***"
# What a word must have to be looked for by itself; a shorter one occurs in any text.
_SHORTEST = 4
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "DATABRICKS_TOKEN",
    "PGPASSWORD",
)
_ADDRESS_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_remembered: set[str] = set()

# Of two letters or more: 'C:/' is a disk. JSON may escape the slashes.
_SCHEME = re.compile(r"(?P<name>[a-zA-Z][a-zA-Z0-9+.-]{1,30}):\\?/\\?/")
_ENCODED = re.compile(r"(%3A%2F%2F)[^\s&]*%40", re.IGNORECASE)  # in a parameter of another
_SPACE = re.compile(r"\s")
_QUOTES = "'\"`"
# Where a quoted address ends, and not a quote that its password holds.
_CLOSED = {quote_mark: re.compile(rf"{quote_mark}(?=[\s,;:.)\]}}>]|$)") for quote_mark in _QUOTES}
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-fA-F:.]+\])$")
# Of a dotted name with a number after it either may be meant, of these only a host and its port.
_HOST_AND_PORT = re.compile(r"(?:localhost|\d+(?:\.\d+){3}|\[[0-9a-fA-F:.]+\]):\d+$")
_NAMED_LIKE_ONE = (
    r"[\w.\-%\[\]]*(?:token|secret|passw|passphrase|pwd|signature|credential|accessid"
    r"|(?:api|access|account|private|shared|subscription)[-_]?key)[\w.\-%\[\]]*"
    r"|key|pass|pw|sig|sas|auth|authorization|jwt|code|odbc_connect"
)
_PARAMETER = re.compile(
    rf"(?P<before>[?&#;](?:{_NAMED_LIKE_ONE})=)(?P<value>[^\s&]+)", re.IGNORECASE
)
_WORDS = re.compile(
    r"(?P<before>(?<![\w-])(?:password|passwd|pwd)=)(?P<value>'[^']*'|\"[^\"]*\"|[^\s;&]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<before>\bauthorization['\"]?\s*[:=]\s*['\"]?"
    r"(?:(?:basic|bearer|token)\s+|(?=[^\s'\",]*\d))|\bbearer\s+(?=[^\s'\",]*\d))"
    r"(?P<value>[^\s'\",]+)",
    re.IGNORECASE,
)
_AFTER_VALUE = "'\"`)]}>.,;:!"  # of the sentence around it


def redacted(text: str) -> str:
    """Return a text without the passwords and tokens in it; ``***`` stands for each.

    Left out are the user and password of every address, the values of its parameters that are
    named like a secret, and what MLFLOW_TRACKING_PASSWORD and the like hold.
    """
    if ":/" in text or ":\\/" in text:
        text = "".join(_addresses(text))
    if "%40" in text:
        text = _ENCODED.sub(rf"\1{HIDDEN}%40", text)
    for pattern in (_PARAMETER, _WORDS, _HEADER):
        text = pattern.sub(_without_value, text)
    # Last: what is known may be the name of a parameter, by which its value is found.
    for secret, found_by in _known():
        if secret in text:
            text = re.sub(found_by, HIDDEN, text)
    return text


def redacted_values(values: Any) -> Any:
    """Return nested mappings and lists with every text in them redacted."""
    if isinstance(values, str):
        return redacted(values)
    if isinstance(values, Mapping):
        return {key: redacted_values(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [redacted_values(value) for value in values]
    return values


def remember(address: str) -> None:
    """Redact parts of this address too, where a library quotes them on their own.

    A library that splits an address at the wrong ``@`` or ``/`` calls the rest of the password a
    host, or a port.
    """
    _remembered.add(address)


def redact_logs() -> None:
    """Redact everything that this process logs from now on."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    # Not a filter: those of handlers are lost when logging is configured anew, as Kedro does.
    def redacting(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        _redact(record)
        return record

    redacting.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(redacting)


def _redact(record: logging.LogRecord) -> None:
    try:
        said = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return  # logging reports this itself
    if (without := redacted(said)) != said:
        record.msg, record.args = without, ()
    if record.exc_info:
        said = logging.Formatter().formatException(record.exc_info)
        if (without := redacted(said)) != said:
            # Handlers that draw a traceback of their own would draw it from the exception.
            record.exc_info, record.exc_text = None, without


def _addresses(text: str) -> Iterator[str]:
    """Yield a text in parts, its addresses without their users and passwords."""
    schemes = list(_SCHEME.finditer(text))
    if not schemes:
        yield text
        return
    yield text[: schemes[0].end()]
    ends = [*(scheme.end() for scheme in schemes[1:]), len(text)]
    for scheme, following in zip(schemes, ends, strict=True):
        part = text[scheme.end() : following]
        opened = text[scheme.start() - 1] if scheme.start() else ""
        address = part[: _length(part, opened)]
        yield _without_user(scheme["name"], address) + part[len(address) :]


def _length(part: str, opened: str) -> int:
    """Return the length of the address that a text begins with, perhaps after an opening quote."""
    closed = _CLOSED[opened].search(part) if opened in _CLOSED else None
    ended = closed or _SPACE.search(part)
    return ended.start() if ended else len(part)


def _without_user(scheme: str, address: str) -> str:
    """Return what follows a scheme without the user and the password."""
    user, found, rest = address.rpartition("@")
    if not found or user.startswith(("/", "?", "#")):  # no host at all, as in file:///a@b
        return address
    authority = re.split(r"[/?#]", user, maxsplit=1)[0]
    is_path = authority != user and (
        bool(_HOST.match(authority) or _HOST_AND_PORT.match(authority))
        # A bucket's name needs no dot; a token may hold a slash.
        or (":" not in authority and not scheme.lower().startswith("http"))
    )
    return address if is_path else f"{HIDDEN}@{rest}"


def _without_value(match: re.Match[str]) -> str:
    value = match["value"]
    kept = "" if value[0] in _QUOTES else value.rstrip(_AFTER_VALUE)
    return match["before"] + HIDDEN + (value[len(kept) :] if kept else "")


def _known() -> Iterator[tuple[str, str]]:
    """Yield known secrets, each with the pattern to find it by."""
    found = {os.environ.get(name, "") for name in _SECRET_VARIABLES}
    spelled = {form(text) for text in found for form in (str, quote, quote_plus)}
    addresses = {os.environ.get(name, "") for name in _ADDRESS_VARIABLES} | _remembered
    parts = {part for address in addresses for part in _parts(address)}
    for text in sorted(spelled | parts, key=len, reverse=True):
        if len(text) >= _SHORTEST:
            # A part of an address may be an everyday word, and then part of a path or a word.
            everyday = text.isalpha() and text not in spelled
            yield text, _alone(text) if everyday else re.escape(text)
    user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    if len(user) >= _SHORTEST:
        yield user, _alone(user)


def _alone(text: str) -> str:
    return rf"(?<![\w./-]){re.escape(text)}(?![\w/-]|\.\w)"


def _parts(address: str) -> Iterator[str]:
    """Yield the password of an address, and parts of it that a wrong split takes for a host."""
    scheme = _SCHEME.match(address)
    rest = address[scheme.end() :] if scheme else ""
    if scheme is None or _without_user(scheme["name"], rest) == rest:
        return
    userinfo, _, host = rest.rpartition("@")
    host = re.split(r"[/?#]", host, maxsplit=1)[0]
    user, colon, password = userinfo.partition(":")
    secret = password if colon else user
    yield from (userinfo, secret, unquote(secret), f"{secret}@{host}")
    for separator in re.finditer(r"[/@:?#]", secret):
        begun, left = secret[: separator.start()], secret[separator.end() :]
        # The short ones are known by what stands next to them.
        yield from (begun, f"{user}:{begun}", left, f"{left}@{host}")
    yield from re.split(r"[/@:?#]", secret)
