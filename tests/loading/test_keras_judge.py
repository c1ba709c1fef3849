"""Keras files that want more than to compute are refused; those of honest people load."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from tests.loading import strange

from quantline.errors import ModelUnreadable, ModelUnsupported, UnsafeModel
from quantline.loading import load_keras
from quantline.loading.keras_allowed import is_tensor_function
from quantline.loading.keras_judge import refused
from quantline.recipe import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUFFIXES = pytest.mark.parametrize("suffix", [".h5", ".keras"])


@pytest.fixture(scope="module")
def keras2(tf: Any) -> Any:
    return pytest.importorskip("tf_keras")


def write(path: Path, config: Any, version: str) -> Path:
    return (strange.h5 if path.suffix == ".h5" else strange.keras)(path, config, version)


def dense(**settings: Any) -> dict[str, Any]:
    return strange.layer("Dense", "scores", units=2, **settings)


def of_keras3(kind: str, module: str, **settings: Any) -> dict[str, Any]:
    return {"module": module, "registered_name": kind, **strange.layer(kind, "odd", **settings)}


@pytest.mark.parametrize(
    ("symbol", "argument"),
    [
        ("io.gfile.rmtree", "{canary}"),
        ("io.write_file", "{canary}/ran"),
        ("io.gfile.copy", "{canary}/kept"),
        ("load_library", "{canary}/kept"),
        ("load_op_library", "{canary}/kept"),
        ("raw_ops.WriteFile", "{canary}/ran"),
        ("compat.v1.gfile.DeleteRecursively", "{canary}"),
        ("io.read_file", "{canary}/kept"),
        ("saved_model.load", "{canary}"),
        ("py_function", "{canary}"),
        ("numpy_function", "{canary}"),
        ("print", "{canary}"),
        ("debugging.enable_check_numerics", 1),
        ("data.TextLineDataset", "{canary}/kept"),
        ("keras.utils.get_file", "ran"),
        ("math.__class__", "x"),
        ("nn.experimental.general_dropout", "x"),
    ],
)
@SUFFIXES
def test_a_symbol_of_tensorflow_that_does_more_than_compute(
    symbol: str, argument: Any, suffix: str, keras2: Any, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "kept").write_text("kept")
    config = strange.functional(strange.call(symbol, str(argument).format(canary=canary)))
    path = write(tmp_path / f"m{suffix}", config, "2.15.0")
    with pytest.raises(UnsafeModel) as caught:
        load_keras(str(path), allow_lambda=False)
    assert caught.value.found == f"the layer 'call' (TFOpLambda), which calls 'tf.{symbol}'"
    assert "`allow_lambda=True`" in caught.value.remedy
    assert [other.name for other in canary.iterdir()] == ["kept"]


def test_without_the_judge_such_a_symbol_runs(keras2: Any, tmp_path: Path) -> None:
    """The danger is real: the library runs the function while it loads the file."""
    canary = tmp_path / "canary"
    canary.mkdir()
    config = strange.functional(strange.call("io.gfile.rmtree", str(canary)))
    path = strange.h5(tmp_path / "m.h5", config)
    with pytest.raises(ModelUnreadable):
        load_keras(str(path), allow_lambda=True)
    assert not canary.exists()


def test_functions_of_tensors_are_known() -> None:
    fine = (
        "math.multiply nn.relu math.reduce_mean concat reshape cast image.resize "
        "compat.v1.transpose "
        "__operators__.add __operators__.getitem linalg.matmul clip_by_value nn.softmax "
        "compat.v1.image.resize_nearest_neighbor split where one_hot"
    )
    assert all(is_tensor_function(part) for part in fine.split())


KERAS3 = {
    "Lambda": of_keras3("Lambda", "keras.layers", function={
        "class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None,
                                               "closure": None}}),
    "Lambda of another module's function": of_keras3("Lambda", "keras.layers", function={
        "class_name": "function", "config": "system", "module": "os",
        "registered_name": "system"}),
    "a class of another module that is called Lambda": of_keras3("Lambda", "subprocess", function={
        "class_name": "function", "config": "tanh", "module": "builtins",
        "registered_name": "function"}),
    "TFSMLayer": of_keras3("TFSMLayer", "keras.layers", filepath="folder"),
    "TorchModuleWrapper": of_keras3("TorchModuleWrapper", "keras.layers", name_of=""),
    "a function of Keras that loads files": of_keras3("Activation", "keras.layers", activation={
        "module": "keras.utils", "class_name": "function", "config": "get_file",
        "registered_name": "get_file"}),
    "a class of Keras that is no layer": of_keras3(
        "H5IOStore", "keras.src.saving.saving_lib", path="x"),
    "a module that is not loaded": of_keras3("Popen", "subprocess", args="true"),
    "a name with a package": {**of_keras3("Dense", "keras.layers", units=2),
                              "registered_name": "Other>Dense"},
    "a vocabulary in a file": of_keras3("StringLookup", "keras.layers", vocabulary="/etc/passwd"),
    "a type of another module": of_keras3("Dense", "keras.layers", units=2, bias_initializer={
        "class_name": "__typespec__", "module": "subprocess", "spec_name": "Popen",
        "registered_name": None, "config": []}),
    "a class deep inside": of_keras3("TimeDistributed", "keras.layers", layer=of_keras3(
        "Bidirectional", "keras.layers", layer=of_keras3("Run", "strangers.module"))),
    "a loss of a nested model": {**of_keras3("Sequential", "keras", layers=[]),
                                 "compile_config": {"loss": {
                                     "class_name": "function", "config": "call",
                                     "module": "subprocess", "registered_name": "call"}}},
}  # fmt: skip


@pytest.mark.parametrize("name", KERAS3)
@SUFFIXES
def test_what_keras_3_is_not_given(name: str, suffix: str, keras: Any, tmp_path: Path) -> None:
    path = write(tmp_path / f"m{suffix}", strange.functional(KERAS3[name]), "3.15.1")
    with pytest.raises(UnsafeModel, match=r"'odd'|subprocess"):
        load_keras(str(path), allow_lambda=False)


KERAS2 = {
    "SlicingOpLambda": strange.layer("SlicingOpLambda", "odd", function="io.read_file"),
    "ClassMethod": strange.layer("ClassMethod", "odd", cls_symbol="io.gfile.GFile",
                                 method_name="read"),
    "InstanceMethod": strange.layer("InstanceMethod", "odd", attr_name="_write"),
    "TensorFlowOpLayer": strange.layer("TensorFlowOpLayer", "odd", constants={},
                                       node_def={"name": "r", "op": "ReadFile"}),
    "Lambda of a named function": strange.layer("Lambda", "odd", function_type="function",
                                                function="system", module="os"),
    "Lambda": strange.layer("Lambda", "odd", function_type="lambda", function=["4wAA", None, None]),
    "DenseFeatures": strange.layer("DenseFeatures", "odd", feature_columns=[]),
    "an activation that is no function of Keras": strange.layer("Dense", "odd", units=2,
                                                                activation="tf"),
    "a wrapped layer": strange.layer("TimeDistributed", "odd", layer=strange.layer(
        "TFOpLambda", "odd", function="io.read_file")),
}  # fmt: skip


@pytest.mark.parametrize("name", KERAS2)
@SUFFIXES
def test_what_keras_2_is_not_given(name: str, suffix: str, keras2: Any, tmp_path: Path) -> None:
    path = write(tmp_path / f"m{suffix}", strange.functional(KERAS2[name]), "2.15.0")
    with pytest.raises(UnsafeModel, match="'odd'"):
        load_keras(str(path), allow_lambda=False)


def test_a_node_stored_as_text_is_read_as_keras_2_reads_it(keras2: Any, tf: Any) -> None:
    def judged(operator: str) -> list[str]:
        node = tf.compat.v1.NodeDef(name="n", op=operator).SerializeToString().decode()
        config = strange.functional(
            strange.layer("TensorFlowOpLayer", "odd", node_def=node, constants={})
        )
        return refused(config, keras2)

    assert judged("Mul") == []
    assert judged("WriteFile") == [
        "the layer 'odd' (TensorFlowOpLayer), which runs the operator 'WriteFile'"
    ]


@pytest.mark.parametrize("config", [3, "x", [], {}, {"class_name": 3}, {"config": []}, None])
@SUFFIXES
def test_a_configuration_that_is_none(config: Any, suffix: str, keras: Any, tmp_path: Path) -> None:
    path = write(tmp_path / f"m{suffix}", config, "3.15.1")
    with pytest.raises((ModelUnreadable, UnsafeModel)):
        load_keras(str(path), allow_lambda=False)


def test_a_configuration_nested_without_end(keras: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    strange.h5(path, {})
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = "[" * 20_000 + "]" * 20_000
    with pytest.raises(ModelUnreadable, match="RecursionError"):
        load_keras(str(path), allow_lambda=False)


@pytest.mark.parametrize("where", ["../out.json", "/tmp/out.json", "assets/../../out"])  # noqa: S108
def test_an_archive_with_parts_outside(where: str, keras: Any, tmp_path: Path) -> None:
    path = strange.keras(tmp_path / "m.keras", {}, **{where: b"x"})
    with pytest.raises(UnsafeModel, match="parts"):
        load_keras(str(path), allow_lambda=True)


def test_an_archive_with_a_part_twice(keras: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = strange.keras(tmp_path / "m.keras", {}, **{"config.json": b"{}"})
    with pytest.raises(UnsafeModel, match=r"'config\.json'"):
        load_keras(str(path), allow_lambda=True)


def test_an_archive_with_weights_that_numpy_would_unpickle(keras: Any, tmp_path: Path) -> None:
    path = strange.keras(tmp_path / "m.keras", {}, **{"model.weights.npz": b"x"})
    with pytest.raises(ModelUnsupported, match="numpy archive"):
        load_keras(str(path), allow_lambda=True)


def test_limits_of_size(keras: Any, tmp_path: Path) -> None:
    config = {"a": "0" * (3 << 20)}
    for path in (
        strange.keras(tmp_path / "m.keras", config), strange.h5(tmp_path / "m.h5", config)
    ):  # fmt: skip
        with pytest.raises(ModelUnreadable, match="at most 1 MiB") as caught:
            load_keras(str(path), allow_lambda=False, limits=Limits(config_mib=1))
        assert "`config_mib`" in caught.value.remedy
    path = strange.keras(tmp_path / "n.keras", {}, **{"assets/a": bytes(257 << 20)})
    with pytest.raises(ModelUnreadable, match="unpacks to far more"):
        load_keras(str(path), allow_lambda=False)


def external_link(file: h5py.File, other: Path) -> None:
    file["weights"] = h5py.ExternalLink(str(other), "/secret")


def external_values(file: h5py.File, other: Path) -> None:
    file.create_dataset("weights", (8,), "u1", external=[(str(other), 0, 8)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4,))
    file.create_virtual_dataset("weights", layout)


@pytest.mark.parametrize("attack", [external_link, external_values, virtual])
@SUFFIXES
def test_weights_that_lie_in_another_file(
    attack: Callable[[h5py.File, Path], None], suffix: str, keras: Any, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "other", "w") as file:
        file["secret"] = np.arange(4, dtype="f4")
    with h5py.File(tmp_path / "weights", "w") as file:
        attack(file.create_group("layers/dense"), tmp_path / "other")
    weights = (tmp_path / "weights").read_bytes()
    path = tmp_path / f"m{suffix}"
    if suffix == ".keras":
        strange.keras(path, {}, **{"model.weights.h5": weights})
    else:
        path.write_bytes(weights)
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = json.dumps({})
    with pytest.raises(UnsafeModel, match="other files"):
        load_keras(str(path), allow_lambda=True)


def operators(keras: Any) -> Any:
    image = keras.Input((8, 8, 3), name="image")
    values = (image * 2 - 1)[:, 1:-1, :, :3]
    if keras.__name__ == "keras":
        values = keras.ops.mean(keras.ops.relu(values), axis=-1, keepdims=True)
        values = keras.layers.Lambda(keras.activations.tanh)(values)
    else:
        from quantline.quiet import tensorflow

        tf = tensorflow()
        values = tf.reduce_mean(tf.nn.relu(values), axis=-1, keepdims=True)
        values = tf.image.resize(tf.concat([values, values], -1), (4, 4))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(values))


def sequence(keras: Any) -> Any:
    steps = keras.Input((6, 4), name="steps")
    layers = keras.layers
    values = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(steps)
    values = layers.TimeDistributed(layers.Dense(4, activation=keras.activations.tanh))(values)
    values = layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], return_sequences=True)(values)
    values = layers.GRU(3)(layers.MultiHeadAttention(2, 2)(values, values))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_regularizer="l2")])
    inner.compile("adam", "mse")
    model = keras.Model(steps, inner(values))
    model.compile(keras.optimizers.Adam(1e-3), loss=lambda true, found: found - true)
    return model


def prepared(keras: Any) -> Any:
    image = keras.Input((8, 8, 3), name="image")
    layers = keras.layers
    values = layers.Rescaling(1 / 255)(layers.Resizing(6, 6)(image))
    values = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 1.0, 2.0])(values)
    values = layers.SeparableConv2D(
        4, 3, activation="swish", pointwise_constraint="max_norm", bias_initializer="he_normal"
    )(layers.RandomFlip()(values))
    return keras.Model(image, layers.Dense(2, dtype="float32")(layers.Flatten()(values)))


def mobile(keras: Any) -> Any:
    """Build the first and the last layers of MobileNet, as ``keras.applications`` writes them."""
    image, layers = keras.Input((8, 8, 3), name="image"), keras.layers
    values = layers.Conv2D(8, 3, padding="same", use_bias=False, strides=(2, 2))(image)
    values = layers.ReLU(6.0)(layers.BatchNormalization(axis=-1)(values))
    values = layers.ZeroPadding2D(((0, 1), (0, 1)))(values)
    values = layers.DepthwiseConv2D(3, padding="valid", strides=(2, 2), use_bias=False)(values)
    values = layers.ReLU(6.0)(layers.BatchNormalization(axis=-1)(values))
    values = layers.Dropout(1e-3)(layers.GlobalAveragePooling2D(keepdims=True)(values))
    values = layers.Reshape((3,))(layers.Conv2D(3, 1, padding="same")(values))
    return keras.Model(image, layers.Activation(activation="softmax")(values))


@pytest.mark.parametrize("build", [operators, sequence, prepared, mobile])
@pytest.mark.parametrize("generation", [2, 3])
@SUFFIXES
def test_files_of_honest_people_load(
    build: Callable[[Any], Any], generation: int, suffix: str, keras: Any, keras2: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    if build is operators and generation == 3 and suffix == ".h5":
        pytest.skip("Keras 3 does not load operators from its own .h5 files")
    model = build(keras if generation == 3 else keras2)
    path = tmp_path / f"m{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    loaded, library = load_keras(str(path), allow_lambda=False)
    samples = np.random.default_rng(1).uniform(0, 1, (2, *model.inputs[0].shape[1:]))
    np.testing.assert_allclose(
        loaded(samples.astype("f4"), training=False),
        model(samples.astype("f4"), training=False), rtol=1e-4, atol=1e-5,
    )  # fmt: skip
    assert library == ("keras" if generation == 3 else library)


def test_the_judge_leaves_a_configuration_as_it_is(keras: Any) -> None:
    config = strange.functional(dense())
    before = copy.deepcopy(config)
    refused(config, keras)
    assert config == before
