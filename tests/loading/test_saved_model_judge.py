"""SavedModels that reach outside are refused before they are loaded; ordinary ones are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.errors import ConversionError, UnsafeModel
from quantline.loading import load_keras, parsed_saved_model, refused_operators
from quantline.loading.saved_model_operators import is_harmless
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Trained

SAMPLES = np.zeros((2, 4), np.float32)
# A folder with models of other people, to be read only.
CASES = os.environ.get("QUANTLINE_TEST_MODELS", "")


def save(tf: Any, folder: Path, body: Callable[[Any], Any], **members: Any) -> Path:
    """Save a model whose signature does something on the way from 'x' to 'y'."""
    module = tf.Module()
    for name, member in members.items():
        setattr(module, name, member)

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def serve(x: Any) -> Any:
        return {"y": body(x)}

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures=serve)
    return folder


def refused(folder: Path) -> list[str]:
    return refused_operators(parsed_saved_model(str(folder)), str(folder))


def attacks(tf: Any, canary: Path) -> dict[str, Callable[[Any], Any]]:
    """Bodies of a signature that do more than return its input, by the operator that does it."""
    name = str(canary / "ran")
    kept = str(canary / "kept")

    def after(make: Callable[[], Any]) -> Callable[[Any], Any]:
        def body(x: Any) -> Any:
            done = make()
            with tf.control_dependencies([done] if done is not None else []):
                return tf.identity(x)

        return body

    @tf.function
    def inner() -> Any:
        return tf.io.read_file(kept)

    def looped(x: Any) -> Any:
        return tf.while_loop(
            lambda i, _: i < 1,
            lambda i, y: (i + tf.strings.length(tf.io.read_file(kept)), y),
            (tf.constant(0), x),
        )[1]

    return {
        "WriteFile": after(lambda: tf.io.write_file(name, "x")),
        "ReadFile": after(lambda: tf.io.read_file(kept)),
        "ReadFile in an inner function": after(inner),
        "ReadFile in a loop": looped,
        "MatchingFiles": after(lambda: tf.io.matching_files("/*")),
        "EagerPyFunc": after(lambda: tf.py_function(lambda: 1, [], tf.int32)),
        "PyFunc": after(lambda: tf.numpy_function(lambda: 1, [], tf.int64)),
        "PrintV2": after(lambda: tf.print("x", output_stream=f"file://{name}")),
        "TextLineDataset": after(
            lambda: tf.data.TextLineDataset(kept).reduce(np.int64(0), lambda n, _: n + 1)
        ),
        "SaveV2": after(
            lambda: tf.raw_ops.SaveV2(
                prefix=name, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1)]
            )
        ),
        "MergeV2Checkpoints": after(
            lambda: tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=[kept], destination_prefix=name, delete_old_dirs=True
            )
        ),
        "RestoreV2": after(
            lambda: tf.raw_ops.RestoreV2(
                prefix=kept, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.int32]
            )[0]
        ),
        "DebugIdentityV2": after(
            lambda: tf.raw_ops.DebugIdentityV2(input=1, debug_urls=[f"file://{name}"])
        ),
        "ImmutableConst": after(
            lambda: tf.raw_ops.ImmutableConst(
                dtype=tf.int32, shape=[1], memory_region_name=kept
            )
        ),
    }  # fmt: skip


def test_operators_that_do_more_than_compute(tf: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "kept").write_text("kept")
    for name, body in attacks(tf, canary).items():
        variable = tf.Variable(tf.ones((4,)))

        def scaled(x: Any, body: Any = body, variable: Any = variable) -> Any:
            return body(x * variable)

        folder = save(tf, tmp_path / name, scaled, v=variable)
        with pytest.raises(UnsafeModel) as caught:
            run_and_convert(Source("saved_model", str(folder)), SAMPLES)
        assert name.split()[0] in caught.value.found, name
        assert "`allow_unsafe=True`" in caught.value.remedy
        assert [path.name for path in canary.iterdir()] == ["kept"], name


def test_they_run_where_they_are_allowed(tf: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    folder = save(tf, tmp_path / "m", attacks(tf, canary)["WriteFile"])
    with pytest.raises(ConversionError, match="WriteFile"):  # it was run before
        run_and_convert(Source("saved_model", str(folder), allow_unsafe=True), SAMPLES)
    assert (canary / "ran").read_text() == "x"


def test_what_runs_while_a_model_is_loaded(tf: Any, tmp_path: Path) -> None:
    """A resource is made at once, and by a function that the file itself holds."""

    class Own(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self) -> Any:
            tf.io.write_file(str(tmp_path / "ran"), "x")

    def body(x: Any) -> Any:
        size = tf.raw_ops.LookupTableSizeV2(table_handle=own.resource_handle)
        return x + 0 * tf.cast(size, tf.float32)

    own = Own()
    folder = save(tf, tmp_path / "m", body, own=own)
    (tmp_path / "ran").unlink(missing_ok=True)
    with pytest.raises(UnsafeModel, match="WriteFile in the function"):
        run_and_convert(Source("saved_model", str(folder)), SAMPLES)
    assert not (tmp_path / "ran").exists()


def with_table(tf: Any, folder: Path, vocabulary: Path) -> Path:
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ), -1,
    )  # fmt: skip
    return save(tf, folder, lambda x: x + tf.cast(table.lookup(tf.constant("b")), tf.float32),
                table=table)  # fmt: skip


def test_a_vocabulary_that_is_an_asset_is_fine(tf: Any, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\nb\n")
    assert refused(with_table(tf, tmp_path / "m", tmp_path / "words")) == []


def test_a_vocabulary_from_elsewhere_is_not(tf: Any, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\nb\n")
    folder = with_table(tf, tmp_path / "m", tmp_path / "words")
    message = parsed_saved_model(str(folder))
    message.meta_graphs[0].asset_file_def[0].filename = "../../words"
    assert refused_operators(message, str(folder)) == [
        "the asset '../../words', which is outside of the folder"
    ]
    message = parsed_saved_model(str(folder))
    for node in message.meta_graphs[0].object_graph_def.nodes:
        if node.HasField("asset"):
            node.constant.operation = "Const"
    found = refused_operators(message, str(folder))
    assert [name.split()[0] for name in found] == ["InitializeTableFromTextFileV2"]


def test_saving_under_another_name_is_no_saving(tf: Any, tmp_path: Path) -> None:
    """A file that calls its own output the one that saves gains nothing by it."""
    canary = tmp_path / "canary"
    canary.mkdir()
    folder = save(tf, tmp_path / "m", attacks(tf, canary)["SaveV2"])
    message = parsed_saved_model(str(folder))
    meta = message.meta_graphs[0]
    output = meta.signature_def["serving_default"].outputs["y"].name
    meta.saver_def.save_tensor_name = output
    assert refused_operators(message, str(folder))
    meta.saver_def.save_tensor_name = ""
    meta.saver_def.restore_op_name = output.partition(":")[0]
    assert refused_operators(message, str(folder))


def test_a_saved_model_of_tensorflow_1(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 4), name="x")
        weights = v1.get_variable("w", initializer=np.ones((4, 2), np.float32), use_resource=False)
        y = x @ weights
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x}, {"y": y})
        assert refused(tmp_path / "m") == []
        v1.io.write_file(str(tmp_path / "ran"), "x")
        v1.saved_model.simple_save(session, str(tmp_path / "n"), {"x": x}, {"y": y})
    assert refused(tmp_path / "n") == ["WriteFile in the main graph"]


def test_models_of_honest_people(plain: Trained, two_inputs: Path, tf: Any, tmp_path: Path) -> None:
    assert refused(plain.saved_model) == []
    assert refused(two_inputs) == []

    def body(x: Any) -> Any:
        tf.print("x", x)
        return tf.random.normal((1, 4)) + x

    assert refused(save(tf, tmp_path / "m", body)) == []


@pytest.mark.skipif(not CASES, reason="QUANTLINE_TEST_MODELS names no folder of models")
def test_models_of_other_people(tf: Any, keras: Any) -> None:
    folders = [path.parent for path in Path(CASES).rglob("saved_model.pb")]
    assert {str(folder): refused(folder) for folder in folders} == {
        str(folder): [] for folder in folders
    }
    files = [path for suffix in ("keras", "h5") for path in Path(CASES).rglob(f"*.{suffix}")]
    assert folders or files
    for file in files:
        load_keras(str(file), allow_lambda=False)


def test_the_mechanism_on_known_operators(tf: Any) -> None:
    harmless = (
        "Conv2D MatMul Relu FusedBatchNormV3 VarHandleOp ReadVariableOp AssignVariableOp While If "
        "StatefulPartitionedCall HashTableV2 LookupTableFindV2 RandomUniform TensorListReserve "
        "CudnnRNNBackpropV3 DecodeJpeg Print StridedSlice ResizeBilinear NoOp"
    )
    assert all(is_harmless(part) for part in harmless.split())
    harmful = (
        "ReadFile WriteFile MatchingFiles PyFunc EagerPyFunc PyFuncStateless TFRecordDatasetV2 "
        "TextLineDataset FixedLengthRecordDatasetV2 XlaCustomCall XlaCallModule RpcClient "
        "CollectiveReduceV2 DebugIdentity DebugIdentityV2 DatasetFromGraph WholeFileReaderV2 "
        "RemoteCall DecodeProtoV2 FixedUnigramCandidateSampler ImmutableConst SaveV2 "
        "GenerateVocabRemapping CreateSummaryFileWriter LoadAndRemapMatrix DataServiceDatasetV4 "
        "SnapshotDatasetV2 CacheDataset RegisterDatasetV2 DumpTensor MlirPassthroughOp Abort"
    )
    assert not any(is_harmless(part) for part in harmful.split())
