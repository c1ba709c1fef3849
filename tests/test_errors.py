from __future__ import annotations

import os
import pickle

import pytest

from quantline import errors
from quantline.errors import (
    CheckFailed,
    QuantlineError,
    RunInProgress,
    excerpt,
    first_few,
    suggest,
)

EVERY_CLASS = sorted(
    (
        var
        for var in vars(errors).values()
        if isinstance(var, type) and issubclass(var, QuantlineError)
    ),
    key=lambda item: item.__name__,
)


def make(cls: type[QuantlineError] = QuantlineError) -> QuantlineError:
    return cls("A thing is wrong", found="this", expected="that", remedy="Do something")


def test_message_says_what_found_expected_and_remedy_as_sentences() -> None:
    assert str(make()) == "A thing is wrong. Found: this. Expected: that. Do something."


@pytest.mark.parametrize("end", [".", "?", "!", ":"])
def test_a_sentence_that_ends_is_not_ended_twice(end: str) -> None:
    error = QuantlineError(f"What{end}", found=f"x{end}", expected=f"y{end}", remedy=f"Do{end} ")
    assert str(error) == f"What{end} Found: x{end} Expected: y{end} Do{end}"


def test_message_is_one_paragraph_without_line_breaks() -> None:
    assert "\n" not in str(make())


def test_an_excerpt_has_three_short_lines_at_most_those_that_matter_first() -> None:
    text = "\n".join(["a note", "", *(f"error {number}: {'x' * 500}" for number in range(9))])
    found = excerpt(text, lambda line: "error" in line)
    assert found.startswith("error 0: xxx")
    assert "error 2" in found
    assert "error 3" not in found
    assert found.endswith("and 6 more")
    assert len(found) < 700
    assert excerpt("one\n\ntwo", lambda line: "error" in line) == "one, two"


def test_details_are_kept_only_where_the_message_holds_an_excerpt() -> None:
    def details(text: str) -> str:
        return QuantlineError("x", found="x", expected="x", remedy="x", details=text).details

    assert details("one\ntwo\nthree\n") == ""
    assert details("one\ntwo\nthree\nfour") == "one\ntwo\nthree\nfour"
    assert details("x" * 1000) == "x" * 1000
    assert details("a\n" * 9 + "http://me:secret1@host/") == "a\n" * 9 + "http://***@host/"


@pytest.mark.parametrize("cls", EVERY_CLASS)
def test_errors_survive_the_way_between_processes(cls: type[QuantlineError]) -> None:
    error = make(cls)
    error.details = "said\nat\ngreat\nlength"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is cls
    assert (again.what, again.found, again.expected, again.remedy, again.details) == (
        error.what,
        error.found,
        error.expected,
        error.remedy,
        error.details,
    )
    assert str(again) == str(error)


def test_only_a_failed_check_of_a_model_has_exit_status_1() -> None:
    assert {cls for cls in EVERY_CLASS if cls.exit_status == 1} == {
        CheckFailed,
        CheckFailed,
        CheckFailed,
        CheckFailed,
        CheckFailed,
        CheckFailed,
        CheckFailed,
    }
    assert {cls for cls in EVERY_CLASS if cls.exit_status not in {1, 2}} == {RunInProgress}
    assert RunInProgress.exit_status == os.EX_TEMPFAIL


def test_suggest_names_close_matches_only() -> None:
    assert suggest("exmaples", ["examples", "split"]) == "Did you mean 'examples'?"
    assert suggest("zzz", ["examples", "split"]) == ""


def test_suggest_names_three_at_most() -> None:
    names = ["rate1", "rate2", "rate3", "rate4"]
    assert suggest("rate", names).count("'rate") == 3
    assert suggest("rate", names, limit=1).count("'rate") == 1


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more")]
)
def test_first_few_says_how_many_are_left_out(count: int, text: str) -> None:
    assert first_few(range(count), 3) == text


def test_no_address_in_memory_is_shown() -> None:
    error = QuantlineError("A", found=f"{object()!r} and 0x12", expected="B", remedy="C")
    assert error.found == "<object object> and 0x12"
