"""The reader of the compiler's output against texts that users published; no compiler is run."""

from __future__ import annotations

import pytest
from tests.edgetpu import published_output as published

from quantline.edgetpu.compiler.output import OperatorCount, parse_log, parse_output
from quantline.errors import CompilerError

KIB, MIB = 1024, 1024**2


def only(stdout):
    (record,) = parse_output(stdout).models
    return record


def test_every_figure_of_a_whole_output():
    output = parse_output(published.V16)
    assert (output.version, output.duration_ms) == ("16.0.384591198", 1524)
    assert output.unknown == ()
    (record,) = output.models
    assert (record.input_model, record.output_model) == ("X.tflite", "X_edgetpu.tflite")
    assert record.subgraphs == 1
    assert (record.operators_total, record.mapped_operators, record.cpu_operators) == (267, 264, 3)
    assert record.cached.size_bytes == round(4.21 * MIB)
    assert record.remaining.size_bytes == round(3.29 * MIB)
    assert (record.streamed.size_bytes, record.streamed.rounding_bytes) == (0, 0)
    assert (record.attempts, record.cut_at) == (0, ())
    assert OperatorCount("LOGISTIC", 57, "Mapped to Edge TPU") in record.operators
    assert (
        OperatorCount("LOGISTIC", 1, "More than one subgraph is not supported") in record.operators
    )
    assert sum(operator.count for operator in record.operators) == 267
    assert sum(operator.count for operator in record.operators if operator.is_mapped) == 264


@pytest.mark.parametrize(
    ("printed", "size", "rounding"),
    [("0.00B", 0, 0), ("512.00B", 512, 0), ("158.06KiB", round(158.06 * KIB), 11),
     ("4.21MiB", round(4.21 * MIB), 10486), ("1.50GiB", round(1.5 * KIB * MIB), 10737419)],
)  # fmt: skip
def test_a_size_is_bytes_and_how_far_it_may_be_off(printed, size, rounding):
    record = only(published.V16.replace("0.00B", printed))
    assert (record.streamed.size_bytes, record.streamed.rounding_bytes) == (size, rounding)
    assert record.to_dict()["streamed_rounding_bytes"] == rounding


def test_a_printed_size_holds_what_may_have_been_printed_so():
    cached = only(published.V16).cached
    assert cached.may_be(4_414_505)  # 4.2100 MiB
    assert cached.may_be(4_419_000)  # 4.2143 MiB
    assert not cached.may_be(4_440_000)  # 4.2343 MiB


def test_older_versions_print_what_is_available_instead_of_what_remains():
    record = only(published.V2_0)
    assert record.remaining.size_bytes == 0
    assert record.streamed.size_bytes == round(18.43 * MIB)
    roomy = only(published.V2_0.replace("parameters: 6.25MiB\nOn", "parameters: 7.62MiB\nOn"))
    assert roomy.remaining.size_bytes == pytest.approx((7.62 - 6.25) * MIB, abs=1)
    assert roomy.remaining.rounding_bytes == 2 * 10486


def test_without_counts_everything_is_mapped():
    record = only(published.V2_0)
    assert (record.mapped_operators, record.cpu_operators) == (77, 0)
    assert record.operators == ()


def test_without_memory_lines_memory_is_not_known():
    record = only(published.V15_WITHOUT_MEMORY)
    assert record.cached is record.remaining is record.streamed is None
    assert record.to_dict()["cached_bytes"] is None
    assert record.mapped_operators == 31


def test_nothing_mapped():
    record = only(published.NONE_MAPPED)
    assert (record.subgraphs, record.mapped_operators, record.cpu_operators) == (0, 0, 157)


def test_the_table_alone_tells_what_is_mapped():
    lines = [part for part in published.V16.splitlines() if "that will run on" not in part]
    assert only("\n".join(lines)).mapped_operators == 264


def test_co_compiled_models_are_in_the_order_of_printing():
    output = parse_output(published.CO_COMPILED)
    assert output.duration_ms == 3498
    assert [model.input_model for model in output.models] == ["X.tflite", "Y.tflite"]
    assert [model.operators_total for model in output.models] == [313, 78]
    assert output.models[1].streamed.size_bytes == round(158.06 * KIB)


def test_segments_add_up_their_durations():
    output = parse_output(published.TWO_SEGMENTS)
    assert output.duration_ms == 2 * 1857
    assert [model.output_model for model in output.models] == [
        "X_segment_0_of_2_edgetpu.tflite",
        "X_segment_1_of_2_edgetpu.tflite",
    ]


def test_a_search_says_how_often_it_tried_and_where_it_cut():
    record = only(published.SEARCHED)
    assert (record.attempts, record.cut_at) == (2, ("tfl.dequantize", "Sigmoid1"))


def test_a_search_that_succeeds_at_once_cuts_nowhere():
    text = published.V16.replace("Started", "Try to compile segment with 246 ops\nStarted", 1)
    assert (only(text).attempts, only(text).cut_at) == (1, ())


@pytest.mark.parametrize("end", ["\r\n", "\r", "   \n"], ids=["windows", "old mac", "spaces"])
def test_line_ends_of_any_kind(end):
    assert parse_output(published.V16.replace("\n", end)) == parse_output(published.V16)
    assert parse_log(published.V16_LOG.replace("\n", end)) == parse_log(published.V16_LOG)


def test_unknown_lines_are_kept_and_stop_nothing():
    text = published.V16.replace("Input size", "Something new: 3\nInput size")
    output = parse_output(f"A notice 7 first\n{text}Farewell.\n")
    assert output.unknown == ("A notice 7 first", "Something new: 3", "Farewell.")
    assert output.models == parse_output(published.V16).models


@pytest.mark.parametrize(
    "text",
    ["", "bash: edgetpu_compiler: command not found", "Edge TPU Compiler version 16.0.384591198\n",
     published.V16.replace("Edge TPU Compiler", "Other Compiler"),
     published.V16.replace("Number of Edge TPU subgraphs: 1\n", ""),
     published.V16.replace("Total number of operations: 267", "Total number of operations: many"),
     published.V16.replace("Output model: X_edgetpu.tflite\n", ""),
     published.V16.replace("4.21MiB", "4.21 megabytes")],
    ids=["empty", "other", "version only", "no version", "no subgraphs", "no number",
         "no output", "no unit"],
)  # fmt: skip
def test_an_output_of_no_known_format_is_quoted(text):
    with pytest.raises(CompilerError) as caught:
        parse_output(text)
    assert caught.value.exit_status == 2
    last = text.split("\n")[-2].strip() if text.endswith("\n") else text
    assert (last or "nothing") in caught.value.found


def test_a_log_has_the_operators_and_passes_over_other_lines():
    for text in (published.V16_LOG, f"{published.V16_LOG}And more\n"):
        operators = parse_log(text)
        assert [(row.type, row.count, row.is_mapped) for row in operators] == [
            ("QUANTIZE", 1, False),
            ("CONV_2D", 5, True),
        ]


@pytest.mark.parametrize("text", ["", published.V16_LOG.split("\n\n")[0], "Operator Count Status"])
def test_what_is_no_log_is_quoted(text):
    with pytest.raises(CompilerError, match="Operator Count Status"):
        parse_log(text)
