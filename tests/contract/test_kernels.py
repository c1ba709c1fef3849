"""What the sets of kernels give, against interpreters that are asked one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tests.conftest import public_quantize

from quantline.contract.kernels import KERNELS, compare_kernels, difference, is_repeatable
from quantline.errors import DataError, ModelUnsupported
from quantline.tflite import Runtime, read
from quantline.tflite.edit import pack, with_isolated_operators
from quantline.tflite.graph import Quantization, Tensor, parse

RESOLVERS = {
    "xnnpack": OpResolverType.BUILTIN,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def outputs(model: bytes, kernels: str, samples: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=RESOLVERS[kernels])
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = taken["quantization"]
    rows = []
    for sample in samples:
        stored = np.clip(np.round(sample / np.float32(scale)) + zero_point, -128, 127)
        interpreter.set_tensor(taken["index"], stored[np.newaxis].astype(np.int8))
        interpreter.invoke()
        rows.append(interpreter.get_tensor(given["index"]))
    return np.stack(rows).astype(int)


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual"])
def test_differences_are_those_of_plain_interpreters(
    name: str, request: pytest.FixtureRequest
) -> None:
    trained = request.getfixturevalue(name)
    report = compare_kernels(trained.int8_tflite, list(trained.samples))
    assert (report.samples, report.failed, report.repeatable) == (16, {}, True)
    expected = {kernel: outputs(trained.int8_tflite, kernel, trained.samples) for kernel in KERNELS}
    assert [(comparison.first, comparison.second) for comparison in report.comparisons] == [
        ("xnnpack", "builtin"), ("xnnpack", "reference"), ("builtin", "reference"),
    ]  # fmt: skip
    graph = read(trained.int8_tflite)
    stored = graph.main.tensors[graph.main.outputs[0]].quantization
    assert stored is not None
    for comparison in report.comparisons:
        steps = np.abs(expected[comparison.first] - expected[comparison.second])
        (found,) = comparison.outputs
        assert found.differing_share == np.mean(steps > 0)
        assert found.largest_steps == steps.max()
        assert found.largest == steps.max() * stored.scales[0]
        assert comparison.exact == (steps.max() == 0)


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual"])
def test_an_operator_alone_differs_by_a_step_at_most(
    name: str, request: pytest.FixtureRequest
) -> None:
    """What the sets make of the same input; all else is errors that add up."""
    model = request.getfixturevalue(name).int8_tflite
    main = read(model).main
    given = [operator.outputs[0] for operator in main.operators]
    apart = with_isolated_operators(model, given, given)
    runtimes = {kernels: Runtime(apart, 1, kernels) for kernels in KERNELS}
    rng = np.random.default_rng(5)
    for _ in range(4):
        values = [
            rng.integers(-128, 128, model_input.shape).astype(np.int8)
            for model_input in runtimes["builtin"].inputs
        ]
        found = []
        for runtime in runtimes.values():
            runtime.set(*values)
            runtime.invoke()
            found.append([item.astype(int) for item in runtime.get()])
        for first, second, third in zip(*found, strict=True):
            assert max(np.abs(first - second).max(), np.abs(second - third).max()) <= 1


def softmax_alone(model: bytes, scale: float) -> bytes:
    """Return a model of its last operator, with logits of another scale."""
    edited = parse(model)
    edited.signatureDefs = None
    main = edited.subgraphs[0]
    main.operators = main.operators[-1:]
    main.inputs = main.operators[0].inputs
    main.tensors[main.inputs[0]].quantization.scale = np.array([scale], np.float32)
    return pack(edited, len(model))


def test_a_set_that_ends_its_process_is_told_and_the_others_are_compared(plain: Any) -> None:
    """The reference softmax aborts where its input's scale is 2^-26 or less."""
    model = softmax_alone(plain.int8_tflite, scale=2.0**-26)
    report = compare_kernels(model, [np.zeros((1, 4), np.float32)])
    assert report.failed == {"reference": "signal SIGABRT"}
    assert [(comparison.first, comparison.second) for comparison in report.comparisons] == [
        ("xnnpack", "builtin")
    ]
    assert report.to_dict()["failed"] == report.failed
    above = softmax_alone(plain.int8_tflite, scale=2.0**-25)
    assert compare_kernels(above, [np.zeros((1, 4), np.float32)]).failed == {}


def test_a_model_that_nothing_can_run(custom_operator: bytes) -> None:
    with pytest.raises(ModelUnsupported, match="No set of kernels") as caught:
        compare_kernels(custom_operator, [np.ones((1, 4), np.float32)])
    for kernels in KERNELS:
        assert f"{kernels}: " in caught.value.found


def test_samples_must_fit(plain: Any) -> None:
    with pytest.raises(DataError):
        compare_kernels(plain.int8_tflite, [np.ones((3, 3), np.float32)])


def test_a_float_model_has_no_steps(plain: Any) -> None:
    report = compare_kernels(plain.float_tflite, list(plain.samples[:2]))
    assert not report.repeatable
    for comparison in report.comparisons:
        assert comparison.outputs[0].largest_steps is None
        assert comparison.outputs[0].largest < 1e-5


def test_what_is_repeatable(plain: Any, sine: Any, custom_operator: bytes) -> None:
    assert is_repeatable(read(plain.int8_tflite))
    interface = public_quantize(plain.saved_model, plain.samples, "float32", "float32")
    assert is_repeatable(read(interface))
    for model in (plain.float_tflite, sine.int8_tflite, custom_operator):
        assert not is_repeatable(read(model))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kernels", KERNELS)
def test_threads_change_nothing(depthwise: Any, kernels: Any, threads: int) -> None:
    runtime = Runtime(depthwise.int8_tflite, threads, kernels)
    port = runtime.inputs[0]
    found = []
    for sample in depthwise.samples:
        runtime.set(port.quantize(sample[np.newaxis]))
        runtime.invoke()
        found.append(runtime.get()[0])
    expected = outputs(depthwise.int8_tflite, kernels, depthwise.samples)
    np.testing.assert_array_equal(np.stack(found), expected)


NAN = float("nan")
PAIRS: dict[str, Any] = {
    "equal": ([1.0, 2.0], [1.0, 2.0], 0.0, 0.0),
    "one of four": ([0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 1.0], 0.25, 3.0),
    "both NaN": ([NAN, 1.0], [NAN, 1.0], 0.0, 0.0),
    "both infinite": ([np.inf, 1.0], [np.inf, 3.0], 0.5, 2.0),
    "one NaN": ([NAN, 1.0], [2.0, 1.0], 0.5, None),
    "one infinite": ([np.inf, 1.0], [2.0, 1.0], 0.5, None),
    "empty": ([], [], 0.0, 0.0),
}


@pytest.mark.parametrize(("first", "second", "share", "largest"), PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("scale", [None, 0.5])
def test_a_difference(
    first: list[float],
    second: list[float],
    share: float,
    largest: float | None,
    scale: float | None,
) -> None:
    quantization = None if scale is None else Quantization((scale,), (3,), 0)
    tensor = Tensor(0, "y", "float32", (len(first),), None, False, quantization)
    found = difference(tensor, np.array(first, np.float32), np.array(second, np.float32))
    assert found.differing_share == share
    assert found.largest == (None if largest is None else largest * (scale or 1))
    assert found.largest_steps == (None if scale is None else largest)
