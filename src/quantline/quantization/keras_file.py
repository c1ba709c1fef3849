"""Loading a Keras file: nothing that it holds runs before it was read and judged.

Files of Keras 3 load with Keras 3. So do files of Keras 2 where Keras 3 takes them; the others
load with tf-keras, which is an optional package.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import CodeNotAllowed, ModelUnreadable, PackageMissing, first_few, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

H5_SUFFIXES = frozenset({".h5", ".hdf5"})
# Of tf-keras' Lambda layer: how its function and what goes with it are stored.
_FUNCTION_TYPES = ("function_type", "output_shape_type", "mask_type")
_KERAS = frozenset({"keras", "tf_keras", "builtins"})


@dataclass(frozen=True)
class KerasFile:
    """What a Keras file says of itself.

    Attributes:
        config: The configuration of the model and of every layer.
        version: The version of Keras that wrote it; empty where it does not say.
    """

    config: Any
    version: str

    @property
    def is_keras2(self) -> bool:
        """Whether a Keras before 3 wrote it."""
        return self.version.split(".", maxsplit=1)[0] in {"", "1", "2"}


def load_keras(path: str, *, allow_lambda: bool) -> tuple[Any, str]:
    """Load a Keras model.

    Args:
        path: A ``.keras`` or ``.h5`` file.
        allow_lambda: Whether Python code that the file holds or names may run.

    Returns:
        The model, and the distribution that loaded it: ``keras`` or ``tf-keras``.

    Raises:
        ModelUnreadable: The file is damaged, holds weights only, or needs classes of its own.
        CodeNotAllowed: It holds Python code.
        PackageMissing: It needs tf-keras.
    """
    import keras

    file = read_keras(path)
    if not allow_lambda:
        _refuse(path, list(_functions(file.config)))
    try:
        with warnings.catch_warnings(action="ignore"):  # of how other people wrote their layers
            model = keras.models.load_model(path, compile=False, safe_mode=not allow_lambda)
        return model, "keras"
    except Exception as error:  # Keras raises whatever a foreign file leads to
        if not allow_lambda and "safe_mode=False" in str(error):
            _refuse(path, [first_line(error)])
        if not file.is_keras2:
            raise _unreadable(path, 3, error) from error
        return _load_keras2(path, file, error, allow_lambda=allow_lambda), "tf-keras"


def read_keras(path: str) -> KerasFile:
    """Read what a ``.keras`` or ``.h5`` file says of itself; no code of it runs.

    Raises:
        ModelUnreadable: It says nothing, or nothing that can be read.
    """
    try:
        return _read_archive(path) if path.endswith(".keras") else _read_h5(path)
    except ModelUnreadable:
        raise
    except Exception as error:  # a damaged zip or HDF5 file leads to any error
        raise _unreadable(path, 3, error) from error


def _read_archive(path: str) -> KerasFile:
    with open(path, "rb") as stream:
        if stream.read(4) == b"\x89HDF":
            raise ModelUnreadable(
                f"'{path}' cannot be loaded as a Keras 3 model",
                found="an HDF5 file, as Keras before 2.12 wrote under this suffix",
                expected="a zip archive",
                remedy="Rename the file so that it ends in '.h5'",
            )
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        return KerasFile(json.loads(archive.read("config.json")), str(metadata["keras_version"]))


def _read_h5(path: str) -> KerasFile:
    import h5py

    with h5py.File(path, "r") as file:
        config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
    if config is None:
        raise ModelUnreadable(
            f"'{path}' holds no model",
            found="weights without the layers they belong to",
            expected="a whole model",
            remedy="Save it with model.save('name.keras'), not with save_weights",
        )
    return KerasFile(
        json.loads(config), version.decode() if isinstance(version, bytes) else version
    )


def _load_keras2(path: str, file: KerasFile, refusal: Exception, *, allow_lambda: bool) -> Any:
    try:
        import tf_keras
        from tf_keras.src.saving.serialization_lib import SafeModeScope
    except ImportError as error:
        raise PackageMissing(
            f"'{path}' needs tf-keras, which is not installed",
            found=f"a model of Keras {file.version or '2'}, which Keras 3 does not load "
            f"({_innermost(refusal)})",
            expected="the package tf-keras, which loads models of Keras 2",
            remedy="Run: pip install 'quantline[keras2]'",
        ) from error
    if not allow_lambda:
        # Keras 3 finds only classes of its own; tf-keras imports any module that a file names.
        _refuse(path, list(_foreign(file.config)))
    try:
        # load_model's own safe mode is for .keras files only.
        with SafeModeScope(safe_mode=not allow_lambda), warnings.catch_warnings(action="ignore"):
            return tf_keras.models.load_model(path, compile=False, safe_mode=not allow_lambda)
    except Exception as error:
        raise _unreadable(path, 2, error) from error


def _refuse(path: str, code: list[str]) -> None:
    if code:
        raise CodeNotAllowed(
            f"'{path}' holds Python code, which a model that is not trusted must not run",
            found=first_few(list(dict.fromkeys(code)), 3),
            expected="layers of Keras alone",
            remedy="If you trust the file, set 'model.allow_lambda' to true; else replace these "
            "layers, or have the model exported as a SavedModel with model.export('folder')",
        )


def _functions(config: Any, layer: str = "") -> Iterator[str]:
    """Yield the layers with Python functions in a configuration."""
    for part, name in _parts(config, layer):
        kinds = [part.get(key) for key in _FUNCTION_TYPES]
        if part.get("class_name") == "__lambda__" or "lambda" in kinds:
            yield f"a Python function in the layer '{name}'"


def _foreign(config: Any) -> Iterator[str]:
    """Yield the classes and functions that a configuration names outside of Keras."""
    for part, _ in _parts(config, ""):
        module = part.get("module")
        if "class_name" in part and module and str(module).split(".")[0] not in _KERAS:
            yield f"'{module}.{part['class_name']}'"


def _parts(config: Any, layer: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every mapping in a configuration and the name of the layer that it belongs to."""
    if isinstance(config, dict):
        name = config.get("name")
        layer = name if isinstance(name, str) else layer
        yield config, layer
    values = config.values() if isinstance(config, dict) else config
    if isinstance(config, dict | list):
        for each in values:
            yield from _parts(each, layer)


def _innermost(error: Exception) -> str:
    """Return what Keras says last: it wraps the cause, and quotes whole configurations."""
    cause = str(error).rsplit("Exception encountered:", maxsplit=1)[-1]
    return first_line(error, cause.split("Full object config", maxsplit=1)[0])


def _unreadable(path: str, generation: int, error: Exception) -> ModelUnreadable:
    return ModelUnreadable(
        f"'{path}' cannot be loaded as a Keras {generation} model",
        found=_innermost(error),
        expected="a whole .keras or .h5 file, of layers that Keras knows",
        remedy="Save it again with model.save('name.keras'), or export a SavedModel with "
        "model.export('folder')",
    )
