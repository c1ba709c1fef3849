"""Passwords in texts: what is left out, and what stays as it is."""

from __future__ import annotations

import json
import logging

import pytest

from quantline.errors import TrackingFailed, first_line
from quantline.redaction import redact_logs, redacted, redacted_values, remember

# No part of another word here, so that none of it may be left.
PW = "s3cr3t"
SECRET_KEYS = """
    token access_token api_key apikey key password passwd pwd sig secret client_secret sslpassword
    X-Amz-Signature X-Amz-Credential X-Amz-Security-Token AWSAccessKeyId GoogleAccessId auth Token
    refresh-token
""".split()
ADDRESSES = {
    "http://user:{PW}@host:5000/a": "http://***@host:5000/a",
    "https://user:a/{PW}@host": "https://***@host",
    "https://user:{PW}/b@host": "https://***@host",
    "http://user:p@{PW}@host": "http://***@host",
    "http://user:{PW}@p@host/x": "http://***@host/x",
    "http://user:a:{PW}@host": "http://***@host",
    "http://user:a#{PW}@host": "http://***@host",
    "http://user:a?{PW}@host": "http://***@host",
    "http://user:5000/{PW}@host": "http://***@host",
    "http://user:%2F{PW}%40@host": "http://***@host",
    "http://us%40er:{PW}@host": "http://***@host",
    "http://{PW}@host": "http://***@host",
    "https://{PW}/+a==@host": "https://***@host",
    "https://{PW}:@host": "https://***@host",
    "https://{PW}:x-oauth-basic@host/o/r.git": "https://***@host/o/r.git",
    "https://dotted.name:{PW}@host.example.org": "https://***@host.example.org",
    "postgresql+psycopg://user:{PW}@host:5432/db": "postgresql+psycopg://***@host:5432/db",
    "postgresql://user:{PW}@a:5432,b:5432/db": "postgresql://***@a:5432,b:5432/db",
    "postgresql:///db?user=me&password={PW}": "postgresql:///db?user=me&password=***",
    "mysql+pymysql://user:{PW}@host/db?charset=utf8": "mysql+pymysql://***@host/db?charset=utf8",
    "sqlite+pysqlcipher://:{PW}@/my.db": "sqlite+pysqlcipher://***@/my.db",
    "redis://:{PW}@host:6379/0": "redis://***@host:6379/0",
    "databricks://token:{PW}@host?http_path=/a": "databricks://***@host?http_path=/a",
    "s3://KEY:{PW}/+@bucket/path": "s3://***@bucket/path",
    "mlflow-artifacts://me:{PW}@host:5000/1": "mlflow-artifacts://***@host:5000/1",
    "HTTP://USER:{PW}@HOST": "HTTP://***@HOST",
    "http://user:{PW}@[::1]:5000/x": "http://***@[::1]:5000/x",
    "http://user:{PW}'s@host": "http://***@host",
    "http:\\/\\/user:{PW}@host": "http:\\/\\/***@host",
    "http://host/?to=http%3A%2F%2Fme%3A{PW}%40there": "http://host/?to=http%3A%2F%2F***%40there",
    **{
        f"https://host/x?a=1&{key}={{PW}}&b=2": f"https://host/x?a=1&{key}=***&b=2"
        for key in SECRET_KEYS
    },
    "https://host/?token={PW}": "https://host/?token=***",
    "https://host/?token={PW}#top": "https://host/?token=***",
    "https://host/#access_token={PW}&state=1": "https://host/#access_token=***&state=1",
    "https://user:{PW}@host/?sig={PW}": "https://***@host/?sig=***",
}  # fmt: skip
TEXTS = {
    "first http://a:{PW}@h1/x, then http://b:{PW}@h2.": "first http://***@h1/x, then http://***@h2.",
    "http://a:{PW}@h1,http://b:{PW}@h2": "http://***@h1,http://***@h2",
    "open 'http://a:x {PW}@h1' (and more)": "open 'http://***@h1' (and more)",
    "at 'http://h1' and 'http://b:{PW}@h2'": "at 'http://h1' and 'http://***@h2'",
    '{{"uri":"http://h1","mail":"me@here.org"}}': '{{"uri":"http://h1","mail":"me@here.org"}}',
    # Of SQLAlchemy, urllib3 and psycopg.
    "Could not parse SQLAlchemy URL from string 'postgresql//me:x?password={PW}'":
        "Could not parse SQLAlchemy URL from string 'postgresql//me:x?password=***'",
    "Max retries exceeded with url: /api/2.0?token={PW} (Caused by X)":
        "Max retries exceeded with url: /api/2.0?token=*** (Caused by X)",
    "connection to 'host=h user=me password={PW} dbname=d' failed":
        "connection to 'host=h user=me password=*** dbname=d' failed",
    "password='a {PW}' host=h": "password=*** host=h",
    "DRIVER=x;UID=me;PWD={PW};": "DRIVER=x;UID=me;PWD=***;",
    "curl -H 'Authorization: Bearer {PW}' https://h": "curl -H 'Authorization: Bearer ***' https://h",
}  # fmt: skip
UNCHANGED = [
    "write to me@example.org or <you@example.org>",
    "file:///a@b/c",
    "sqlite:////srv/me@here/mlflow.db",
    "sqlite:///mlflow.db",
    "models:/name@champion",
    "mlflow-artifacts:/1/models/m-1/artifacts",
    "s3://bucket/path@v1/x",
    "https://example.org/@scope/package?x=1",
    "http://127.0.0.1:5000/#/models/name@champion",
    "https://example.org/?mail=me@example.org",
    r"C:\Users\me@work\model.keras and C://Users/me@work",
    "what is this? an '@' alone, a=b & c=d",
    "Did you mean 'top1' or 'top5'?",
    "See http://127.0.0.1:9 ('@champion')",
    "the key=value pairs; the token of a word",
    "1@2 images a second, 3 % of http://h:5000",
    "postgresql+psycopg://HOST/mlflow",
    "",
]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantline.redaction._remembered", set())


@pytest.mark.parametrize(
    "before", ["{}", "'{}'", "({})", '"{}".', "see {}, or not", "<{}>", "`{}`"]
)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_told_without_its_secrets(address: str, before: str) -> None:
    said = redacted(before.format(address.format(PW=PW)))
    assert PW not in said
    assert said == before.format(ADDRESSES[address])


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_told_without_the_secrets_in_it(text: str) -> None:
    assert redacted(text.format(PW=PW)) == TEXTS[text].format()


@pytest.mark.parametrize("text", UNCHANGED)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("text", [*ADDRESSES, *TEXTS])
def test_twice_is_once(text: str) -> None:
    once = redacted(text.format(PW=PW))
    assert redacted(once) == once


@pytest.mark.parametrize("name", ["PASSWORD", "TOKEN"])
def test_what_the_environment_holds_is_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "a+b/mlflow")
    assert redacted("login with a+b/mlflow, a%2Bb%2Fmlflow") == "login with ***, ***"
    monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "abc")
    assert redacted("abcdef") == "abcdef", "too short to be known"


def test_a_user_s_name_is_left_out_where_it_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "mlflow")
    assert (
        redacted("user 'mlflow': see conf/base/mlflow.yml")
        == "user '***': see conf/base/mlflow.yml"
    )


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (f"postgresql://me:p@{PW}@host/db", f'could not translate host name "{PW}@host"'),
        (f"http://me:a/{PW}@host", f"Failed to parse: me:a, /{PW}"),
        ("http://me:a/Q7@host", "no route to 'Q7@host'"),
        (f"http://me:{PW}@host", f"FATAL: no user {PW}"),
        ("http://me:%71u%40ck%21@host", "login qu@ck! failed"),
    ],
)
def test_parts_of_the_store_s_address_that_libraries_quote_alone(
    address: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    said = redacted(text)
    assert "***" in said
    for secret in (PW, "Q7", "me:a", "qu@ck!"):
        assert secret not in said


def test_a_password_that_is_an_everyday_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://mlflow:mlflow@host/mlflow")
    assert redacted("Check conf/base/mlflow.yml") == "Check conf/base/mlflow.yml"
    assert redacted("FATAL: password 'mlflow'") == "FATAL: password '***'"


def test_errors_have_no_secrets_in_any_part() -> None:
    text = f"http://me:{PW}@host"
    error = TrackingFailed(text, found=text, expected=text, remedy=text)
    assert PW not in str(error) + repr(error) + json.dumps(vars(error))
    again = error.__reduce__()
    assert PW not in str(again)


def test_a_secret_that_the_limit_would_cut_is_left_out() -> None:
    text = "x" * 280 + f" http://me:{PW}{'y' * 40}@host"
    assert PW not in first_line(ValueError(text))


def test_values_are_redacted_wherever_they_stand() -> None:
    address = f"http://me:{PW}@host"
    assert redacted_values({"a": [address, 1, None], "b": {"c": (address,)}}) == {
        "a": ["http://***@host", 1, None], "b": {"c": ["http://***@host"]},
    }  # fmt: skip


def test_an_address_that_is_not_in_the_environment_can_be_remembered() -> None:
    remember(f"http://me:{PW}@host")
    assert redacted(f"user {PW}") == "user ***"


def test_a_remembered_word_that_names_a_secret_elsewhere_does_not_keep_it_in() -> None:
    remember("http://me:secret@host")
    assert PW not in redacted(f"https://host/x?a=1&secret={PW}&b=2")


def test_logs_of_every_logger_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    try:
        redact_logs()
        redact_logs()
        other = logging.getLogger("someone.else")
        other.warning("at %s", f"http://me:{PW}@host")
        try:
            raise ValueError(f"http://me:{PW}@host")
        except ValueError:
            other.exception("failed")
        other.warning("%d of it", 3)
    finally:
        logging.setLogRecordFactory(before)
    assert PW not in caplog.text
    assert "ValueError: http://***@host" in caplog.text
    assert "at http://***@host" in caplog.text
    assert "3 of it" in caplog.text
