"""Arguments in messages are translated into options and parameters."""

from __future__ import annotations

import logging

import pytest

from quantline.arguments import (
    as_option,
    as_parameter,
    as_run,
    either,
    front_end,
    translate,
    translated,
)
from quantline.errors import UnsafeModel

OPTIONS = as_option(
    {"allow_unsafe": "--allow-unsafe", "method": "--method", "keep_float": "--keep-float"},
    frozenset({"--allow-unsafe"}),
)
PARAMETERS = as_parameter(
    {"allow_unsafe": "model.allow_unsafe", "method": "conversion.ranges.method"}
)


@pytest.mark.parametrize(
    ("text", "option", "parameter"),
    [
        ("use `allow_unsafe=True`", "use '--allow-unsafe'", "use 'model.allow_unsafe: true'"),
        ("`method='auto'`", "'--method auto'", "'conversion.ranges.method: auto'"),
        ("correct `method`", "correct '--method'", "correct 'conversion.ranges.method'"),
        ("use `keep_float=[]`", "use no '--keep-float'", "use `keep_float=[]`"),
        ("`keep_float=['a', 'b']`", "'--keep-float a --keep-float b'", "`keep_float=['a', 'b']`"),
        ("`unknown=1` and `Name`", "`unknown=1` and `Name`", "`unknown=1` and `Name`"),
    ],
)
def test_each_front_end_has_its_words(text: str, option: str, parameter: str) -> None:
    assert translate(text, OPTIONS) == option
    assert translate(text, PARAMETERS) == parameter


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (None, "Run the pipeline with 'kedro run --from-nodes a,b'"),
        ("mine", "Run the pipeline with 'kedro run --env mine --from-nodes a,b'"),
    ],
)
def test_a_part_of_the_pipeline_is_an_option_of_kedro_run(env: str | None, said: str) -> None:
    words = either(PARAMETERS, as_run(env))
    assert translate("Run the pipeline with `from_nodes=a,b`", words) == said
    assert translate("correct `method`", words) == "correct 'conversion.ranges.method'"


def test_texts_and_logs_are_translated_for_as_long_as_a_front_end_is_at_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, other = logging.getLogger("quantline.ranges"), logging.getLogger("elsewhere")
    with front_end(PARAMETERS):
        assert translate("correct `method`") == "correct 'conversion.ranges.method'"
        ours.warning("correct `%s`", "method")
        other.warning("correct `method`")
    ours.warning("correct `method`")
    assert translate("correct `method`") == "correct `method`"
    translated = "correct 'conversion.ranges.method'"
    assert caplog.messages == [translated, "correct `method`", "correct `method`"]


def test_an_error_keeps_its_kind_and_its_details() -> None:
    long = "\n".join(["a line"] * 9)
    error = UnsafeModel(
        "'m' is unsafe", found="x", expected="y", remedy="Use `allow_unsafe=True`", details=long
    )
    found = translated(error, OPTIONS)
    assert type(found) is UnsafeModel
    assert found.remedy == "Use '--allow-unsafe'"
    assert found.details == long
