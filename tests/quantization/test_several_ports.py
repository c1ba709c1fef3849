"""Models of several inputs, outputs and signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline import recipe
from quantline.errors import (
    DataError,
    MismatchError,
    ModelUnreadable,
    ModelUnsupported,
)
from quantline.quantization import float_import, import_float
from quantline.quantization.original_source import Source
from quantline.quantization.originals import Converted, run_and_convert
from quantline.quantization.parity import compare
from quantline.quantization.tensorflow_backend import freeze
from quantline.tflite import Graph, read

if TYPE_CHECKING:
    from pathlib import Path

PARITY = recipe.Parity(examples=3)
RNG = np.random.default_rng(8)
# Names whose order is not the alphabet's, and shapes that tell them apart.
SAMPLES = {
    "right": RNG.normal(size=(5, 6)).astype(np.float32),
    "left": RNG.normal(size=(5, 4)).astype(np.float32),
    "ids": RNG.integers(0, 9, (5, 2)).astype(np.int32),
}


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    """Three inputs of two dtypes; three outputs in a list."""
    keras.utils.set_random_seed(9)
    layers = keras.layers
    right, left = keras.Input((6,), name="right"), keras.Input((4,), name="left")
    ids = keras.Input((2,), dtype="int32", name="ids")
    words = layers.Flatten()(layers.Embedding(9, 3)(ids))
    joined = layers.Concatenate()([layers.Dense(3)(right), layers.Dense(3)(left), words])
    outputs = [layers.Dense(2)(joined), layers.Dense(5)(joined), layers.Dense(5)(words)]
    return keras.Model([right, left, ids], outputs)


@pytest.fixture(scope="module")
def saved(tf: Any, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signatures: one with the outputs named, one of another computation."""

    @tf.function(
        input_signature=[tf.TensorSpec((None, 6), tf.float32, "right"),
                         tf.TensorSpec((None, 4), tf.float32, "left"),
                         tf.TensorSpec((None, 2), tf.int32, "ids")]
    )  # fmt: skip
    def scores(right: Any, left: Any, ids: Any) -> dict[str, Any]:
        first, second, third = model([right, left, ids])
        return {"zebra": first, "apple": second, "mango": third}

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, "left")])
    def double(left: Any) -> dict[str, Any]:
        return {"doubled": left * 2.0}

    module = tf.Module()
    module.model = model
    path = tmp_path_factory.mktemp("several") / "saved_model"
    tf.saved_model.save(module, str(path), signatures={"scores": scores, "double": double})
    return path


@pytest.fixture(scope="module")
def tflite(tf: Any, saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same two signatures; their variables are frozen, which the converter needs."""
    loaded = tf.saved_model.load(str(saved))
    frozen = {}
    for key, function in loaded.signatures.items():
        specs = {
            name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, name)
            for name, spec in function.structured_input_signature[1].items()
        }
        call = tf.function(lambda function=function, **inputs: function(**inputs))
        frozen[key] = freeze(call.get_concrete_function(**specs), specs)
    folder = tmp_path_factory.mktemp("several")
    tf.saved_model.save(tf.Module(), str(folder), signatures=frozen)
    path = folder / "model.tflite"
    path.write_bytes(public_convert(folder))
    return path


def expected(model: Any) -> list[np.ndarray]:
    return [np.asarray(item) for item in model([SAMPLES[name] for name in SAMPLES])]


def run(content: bytes, samples: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Run the only signature of a model by name, with the runtime itself."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content).get_signature_runner()
    count = len(next(iter(samples.values())))
    return [runner(**{name: value[[i]] for name, value in samples.items()}) for i in range(count)]


def the_same(content: bytes, model: Any, names: list[str]) -> None:
    got = run(content, SAMPLES)
    for name, values in zip(names, expected(model), strict=True):
        found = np.concatenate([item[name] for item in got])
        np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-5)


def test_a_saved_model_keeps_its_names_and_values(saved: Path, model: Any) -> None:
    chosen = recipe.Model(path=str(saved), signature="scores")
    result = import_float(chosen, SAMPLES, PARITY)
    the_same(result.content, model, ["zebra", "apple", "mango"])
    (signature,) = read(result.content).signatures
    assert signature.key == "scores"
    assert {name: value["shape"] for name, value in result.about["inputs"].items()} == {
        "right": [1, 6], "left": [1, 4], "ids": [1, 2]
    }  # fmt: skip
    assert result.about["inputs"]["ids"]["dtype"] == "int32"
    assert set(result.about["parity"]["outputs"]) == {"zebra", "apple", "mango"}
    assert result.about["parity"]["examples"] == 3
    assert result.about["loaded_with"] == "tensorflow"


def test_a_keras_model_gets_the_names_that_export_gives(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.keras")
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), SAMPLES)
    names = ["output_0", "output_1", "output_2"]
    the_same(converted.content, model, names)
    for name, values in zip(names, expected(model), strict=True):
        outputs = np.concatenate([output[name] for output in converted.outputs])
        np.testing.assert_allclose(outputs, values, rtol=1e-4, atol=1e-5)


def test_inputs_and_outputs_in_mappings(keras: Any, tmp_path: Path) -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = {"sum": keras.layers.Add()([a, b]), "less": keras.layers.Subtract()([a, b])}
    keras.Model({"b": b, "a": a}, inner).save(tmp_path / "m.keras")
    samples = {"a": SAMPLES["left"], "b": SAMPLES["left"] * 3}
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), samples)
    for got, x in zip(run(converted.content, samples), SAMPLES["left"], strict=True):
        np.testing.assert_allclose(got["sum"][0], 4 * x, rtol=1e-6)
        np.testing.assert_allclose(got["less"][0], -2 * x, rtol=1e-6)


def test_a_tflite_of_several_inputs_and_signatures(tflite: Path, model: Any) -> None:
    chosen = recipe.Model(path=str(tflite), signature="scores")
    result = import_float(chosen, SAMPLES, PARITY)
    the_same(result.content, model, ["zebra", "apple", "mango"])
    assert len(read(result.content).subgraphs) == 1
    other = import_float(
        recipe.Model(path=str(tflite), signature="double"), SAMPLES["left"], PARITY
    )
    got = [item["doubled"][0] for item in run(other.content, {"left": SAMPLES["left"]})]
    np.testing.assert_allclose(got, 2 * SAMPLES["left"], rtol=1e-6)
    assert other.about["signatures"] == ["double"]


@pytest.mark.parametrize("kind", ["saved", "tflite"])
def test_several_signatures_are_listed_if_none_is_chosen(kind: str, request: Any) -> None:
    path = request.getfixturevalue(kind)
    with pytest.raises(ModelUnsupported, match="none was chosen") as caught:
        import_float(recipe.Model(path=str(path)), SAMPLES, PARITY)
    assert "double" in caught.value.found
    assert "scores" in caught.value.found
    assert "`signature=" in caught.value.remedy


def test_a_wrong_signature_of_a_tflite(tflite: Path, plain: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="no signature 'score'") as caught:
        import_float(recipe.Model(path=str(tflite), signature="score"), SAMPLES, PARITY)
    assert "Did you mean 'scores'" in caught.value.remedy
    (tmp_path / "m.tflite").write_bytes(plain.float_tflite)
    chosen = recipe.Model(path=str(tmp_path / "m.tflite"), signature="scores")
    with pytest.raises(ModelUnsupported, match="no signature 'scores'"):
        import_float(chosen, plain.samples, PARITY)


def test_weights_that_the_stock_converter_lost(saved: Path, tmp_path: Path) -> None:
    """The runtime gives NaN or nonsense for such a file, and no error."""
    path = tmp_path / "m.tflite"
    path.write_bytes(public_convert(saved))
    with pytest.raises(ModelUnreadable, match="weights that it does not hold") as caught:
        import_float(recipe.Model(path=str(path), signature="scores"), SAMPLES, PARITY)
    assert "variables that nothing assigns" in caught.value.found
    import_float(recipe.Model(path=str(path), signature="double"), SAMPLES["left"], PARITY)


def test_a_tflite_without_signatures_is_known_by_its_tensors(plain: Any, tmp_path: Path) -> None:
    from quantline.tflite import with_outputs

    path = tmp_path / "m.tflite"
    path.write_bytes(with_outputs(plain.float_tflite, read(plain.float_tflite).main.outputs))
    result = import_float(recipe.Model(path=str(path)), plain.samples, PARITY)
    assert result.about["signatures"] == []
    (name,) = result.about["inputs"]
    with pytest.raises(DataError, match="not those of the inputs"):
        import_float(recipe.Model(path=str(path)), {"other": plain.samples}, PARITY)
    import_float(recipe.Model(path=str(path)), {name: plain.samples}, PARITY)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s["left"], ModelUnsupported, ["exactly one input", "'left' (4,)", "mapping"]),
        (lambda s: {"left": s["left"]}, DataError, ["'right' (6,)", "samples for 'left'"]),
        (lambda s: {**s, "more": s["left"]}, DataError, ["'more'"]),
        (lambda s: {}, DataError, ["samples for nothing"]),
        (lambda s: {**s, "left": s["right"]}, DataError, ["left", "(6,)", "(4,)"]),
        (
            lambda s: {**s, "left": s["left"][:2]},
            DataError,
            ["2 samples in 'left'", "5 samples in 'right'"],
        ),
    ],
    ids=["one array", "missing", "unknown", "none", "shape", "count"],
)
def test_samples_that_do_not_fit(
    change: Any, error: type[Exception], words: list[str], saved: Path
) -> None:
    with pytest.raises(error) as caught:
        run_and_convert(Source("saved_model", str(saved), "scores"), change(SAMPLES))
    for word in words:
        assert word in str(caught.value)


def test_no_samples_compare_nothing(saved: Path) -> None:
    none = {name: values[:0] for name, values in SAMPLES.items()}
    with pytest.raises(DataError, match="0 samples"):
        import_float(recipe.Model(path=str(saved), signature="scores"), none, PARITY)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 2])
def test_what_is_no_number_on_one_sample_is_one_in_both_or_a_mismatch(
    value: float, where: int, tflite: Path, model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = recipe.Model(path=str(tflite), signature="double")
    content = import_float(chosen, SAMPLES["left"], PARITY).content
    samples = {"left": SAMPLES["left"][:3].copy()}
    samples["left"][where, 1] = value
    outputs = [{"doubled": 2 * samples["left"][[i]]} for i in range(3)]
    assert compare(content, samples, outputs, 1e-3, "m")["not_finite"] == [where]
    assert f"1 of 3 samples ({where}); first in the input 'double_left" in caplog.text
    for wrong in (1.0, -value):
        outputs[where]["doubled"][0, 1] = wrong
        if not np.isnan(wrong):
            with pytest.raises(MismatchError, match=r"nan|inf"):
                compare(content, samples, outputs, 1e-3, "m")


@pytest.mark.parametrize("spoiled", ["zebra", "apple", "mango"])
def test_each_output_is_compared(
    spoiled: str, saved: Path, tflite: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that answers one output wrongly, in place of TensorFlow."""
    content = import_float(
        recipe.Model(path=str(tflite), signature="scores"), SAMPLES, PARITY
    ).content
    right = [
        dict(zip(("zebra", "apple", "mango"), (item[[i]] for item in expected(model)), strict=True))
        for i in range(3)
    ]
    wrong = [{**item, spoiled: item[spoiled] + 0.1} for item in right]
    chosen = recipe.Model(path=str(saved), signature="scores")
    for outputs in (right, wrong):
        monkeypatch.setattr(
            float_import, "run_in_child",
            lambda *a, outputs=outputs, **k: Converted(content, outputs, "tensorflow"),
        )  # fmt: skip
        if outputs is right:
            import_float(chosen, SAMPLES, PARITY)
        else:
            with pytest.raises(MismatchError, match=f"'{spoiled}'"):
                import_float(chosen, SAMPLES, PARITY)


def test_the_signature_that_is_not_chosen_is_checked_too(
    plain: Any, tflite: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.tflite").write_bytes(plain.int8_tflite)
    key = read(plain.int8_tflite).signatures[0].key
    with pytest.raises(ModelUnsupported):
        import_float(
            recipe.Model(path=str(tmp_path / "m.tflite"), signature=key), plain.samples, PARITY
        )


@pytest.mark.parametrize("side", ["input", "output"])
def test_text_is_refused(tf: Any, tmp_path: Path, side: str) -> None:
    given = tf.string if side == "input" else tf.float32

    @tf.function(input_signature=[tf.TensorSpec((None, 4), given, "x")])
    def call(x: Any) -> dict[str, Any]:
        return {"y": tf.strings.to_number(x) if side == "input" else tf.strings.as_string(x)}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=call)
    with pytest.raises(ModelUnsupported, match="real numbers") as caught:
        run_and_convert(Source("saved_model", str(tmp_path)), SAMPLES["left"])
    assert "string" in caught.value.found


def test_an_input_that_nothing_uses_stays(tf: Any, tmp_path: Path) -> None:
    @tf.function(
        input_signature=[tf.TensorSpec((None, 4), tf.float32, "x"),
                         tf.TensorSpec((None, 3), tf.float32, "a")]
    )  # fmt: skip
    def call(x: Any, a: Any) -> dict[str, Any]:
        return {"y": x + 1.0}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=call)
    samples = {"x": SAMPLES["left"], "a": np.zeros((5, 3), np.float32)}
    graph: Graph = read(run_and_convert(Source("saved_model", str(tmp_path)), samples).content)
    assert set(graph.signatures[0].inputs) == {"x", "a"}


def test_a_classifier_of_several_outputs_has_to_name_one(tflite: Path) -> None:
    from quantline.evaluation.predict import check_labels

    chosen = recipe.Model(path=str(tflite), signature="scores")
    content = import_float(chosen, SAMPLES, PARITY).content
    with pytest.raises(ModelUnsupported, match="several outputs") as caught:
        check_labels(content, [])
    assert caught.value.found.startswith("the outputs '")
