"""Loading of Keras files, after a check that nothing in them runs code.

Files of Keras 3 load with Keras 3. So do files of Keras 2 where Keras 3 takes them; the others
load with tf-keras, which is an optional package, and so do those with an LSTM where it is there.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import (
    DependencyError,
    ModelUnreadable,
    QuantlineError,
    UnsafeModel,
    first_few,
    first_line,
)
from quantline.loading.custom_objects import custom_objects
from quantline.loading.keras_allowed import mappings
from quantline.loading.keras_archive import KerasFile, is_hdf5, read_archive, read_h5
from quantline.loading.keras_judge import refused
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline import recipe

# The layers of TF-MOT's quantization aware training.
_SIMULATING = frozenset({"QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2"})
_TF_MOT = "tensorflow_model_optimization.python.core.quantization.keras.quantize"
# Layers that tf-keras loads better, or alone.
_BETTER = frozenset({"LSTM"}) | _SIMULATING
H5_SUFFIXES = frozenset({".h5", ".hdf5"})


def load_keras(
    path: str, *, allow_lambda: bool, limits: recipe.Limits | None = None, custom: str | None = None
) -> tuple[Any, str]:
    """Load a Keras model, uncompiled.

    Returns:
        The model, and the distribution that loaded it: ``keras`` or ``tf-keras``.

    Raises:
        ModelUnreadable: The file is damaged, holds weights only, or needs classes of its own.
        UnsafeModel: It holds or names more than layers and functions that compute.
        DependencyError: It needs tf-keras.
    """
    import keras

    file = read_keras(path, limits)
    if file.is_keras2 and find_spec("tf_keras") is not None and _has(file.config, _BETTER):
        # An LSTM of Keras 2 becomes one fused operator, one of Keras 3 a loop.
        return _load_keras2(path, file, "", allow_lambda, custom), "tf-keras"
    own = {} if custom is None else custom_objects(custom, keras)
    code = [] if allow_lambda else _refused_parts(path, file, keras, own)
    if code:
        if not file.is_keras2:
            _refuse(path, code)
        return _load_keras2(path, file, code[0], False, custom), "tf-keras"
    try:
        # Layers of other people may raise warnings.
        with warnings.catch_warnings(action="ignore"), _by_its_format(path) as readable:
            model = keras.models.load_model(
                readable, custom_objects=own, compile=False, safe_mode=not allow_lambda
            )
        return model, "keras"
    except Exception as error:  # Keras raises whatever a foreign file leads to
        if not allow_lambda and "safe_mode=False" in str(error):
            _refuse(path, [first_line(error)])
        if not file.is_keras2:
            raise _unreadable(path, 3, error) from error
        reason = _innermost(error)
        return _load_keras2(path, file, reason, allow_lambda, custom), "tf-keras"


def read_keras(path: str, limits: recipe.Limits | None = None) -> KerasFile:
    """Read the description in a ``.keras`` or ``.h5`` file; no code of it runs."""
    from quantline import recipe

    limits = limits or recipe.Limits()
    try:
        return read_h5(path, limits) if _is_h5(path) else read_archive(path, limits)
    except QuantlineError:
        raise
    except Exception as error:  # a damaged zip or HDF5 file leads to any error
        raise _unreadable(path, 3, error) from error


def _has(config: Any, names: frozenset[str]) -> bool:
    return any(part.get("class_name") in names for part, _ in mappings(config))


def _simulating(path: str, file: KerasFile) -> dict[str, Any]:
    """Return TF-MOT's own classes by their names, for a model that it trained."""
    if not _has(file.config, _SIMULATING):
        return {}
    try:
        quantize = import_module(_TF_MOT)
    except ImportError as error:
        raise DependencyError(
            f"'{path}' needs tensorflow-model-optimization, which is not installed",
            found="layers of its quantization aware training",
            expected="the package that defines them",
            remedy="Run: pip install tensorflow-model-optimization; or have the model exported as "
            "a SavedModel, which needs no package",
        ) from error
    return {
        name: entry
        for objects in quantize.quantize_scope().custom_objects
        for name, entry in objects.items()
    }


def _is_h5(path: str) -> bool:
    return not path.endswith(".keras") or is_hdf5(path)


@contextmanager
def _by_its_format(path: str) -> Iterator[str]:
    """Yield a path whose suffix fits the file's format: Keras goes by the suffix alone."""
    if not (path.endswith(".keras") and is_hdf5(path)):
        yield path
        return
    with temporary_folder() as folder:
        link = folder / "model.h5"
        link.symlink_to(Path(path).resolve())
        yield str(link)


def _refused_parts(path: str, file: KerasFile, library: Any, own: dict[str, Any]) -> list[str]:
    try:
        return refused(file.config, library, own)
    except Exception as error:  # a configuration of any shape leads to any error
        raise _unreadable(path, 3, error) from error


def _load_keras2(
    path: str, file: KerasFile, reason: str, allow_lambda: bool, custom: str | None
) -> Any:
    try:
        import tf_keras
        from tf_keras.src.saving.serialization_lib import SafeModeScope
    except ImportError as error:
        raise DependencyError(
            f"'{path}' needs tf-keras, which is not installed",
            found=f"a model of Keras {file.version or '2'}, which Keras 3 does not load ({reason})",
            expected="the package tf-keras, which loads models of Keras 2",
            remedy="Run: pip install 'quantline[keras2]'",
        ) from error
    own = {} if custom is None else custom_objects(custom, tf_keras)
    own |= _simulating(path, file)
    if not allow_lambda:
        _refuse(path, _refused_parts(path, file, tf_keras, own))
    try:
        # load_model's own safe mode is for .keras files only.
        with (
            SafeModeScope(safe_mode=not allow_lambda),
            warnings.catch_warnings(action="ignore"),
            _by_its_format(path) as readable,
        ):
            return tf_keras.models.load_model(
                readable, custom_objects=own, compile=False, safe_mode=not allow_lambda
            )
    except Exception as error:
        raise _unreadable(path, 2, error) from error


def _refuse(path: str, code: list[str]) -> None:
    if code:
        raise UnsafeModel(
            f"'{path}' holds or names code that a model which is not trusted must not run",
            found=first_few(code, 3),
            expected="layers of Keras and functions that only compute",
            remedy="If a class or function is your own, name its module with "
            "`custom_objects`. If you trust the file, use `allow_lambda=True`; else replace these "
            "layers, or have the model exported as a SavedModel with model.export('folder')",
        )


def _innermost(error: Exception) -> str:
    """Return the innermost cause of Keras's error, without the configurations that it quotes."""
    cause = str(error).rsplit("Exception encountered:", maxsplit=1)[-1]
    return first_line(error, cause.split("Full object config", maxsplit=1)[0])


def _unreadable(path: str, generation: int, error: Exception) -> ModelUnreadable:
    return ModelUnreadable(
        f"'{path}' cannot be loaded as a Keras {generation} model",
        found=_innermost(error),
        expected="a whole .keras or .h5 file, of layers that Keras knows",
        remedy="Save it again with model.save('name.keras'), export a SavedModel with "
        "model.export('folder'), or name the module of classes of your own with "
        "`custom_objects`",
    )
