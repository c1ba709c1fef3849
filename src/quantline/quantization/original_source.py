"""The file or folder of an original model, and the conditions on which it is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelError, ModelUnreadable, first_few
from quantline.loading import H5_SUFFIXES, module_file
from quantline.reading import Unreadable, check_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline import recipe

_KINDS = "a .keras or .h5 file, a SavedModel folder or a .tflite file"


@dataclass(frozen=True)
class Source:
    """An original model, and the conditions on which it is loaded.

    Attributes:
        kind: ``keras``, ``saved_model`` or ``tflite``.
        path: The file or folder.
        signature: The signature to use; the only or default one if None.
        allow_lambda: True if a Keras file may hold or name code.
        allow_unsafe: True if a SavedModel may do more than compute.
        limits: The most that a Keras file's description of its layers may take.
        custom: The file of the module with the user's own layers; None without one.
        fuses_lstms: True if LSTMs of Keras 2 become one operator each, where they can.
    """

    kind: str
    path: str
    signature: str | None = None
    allow_lambda: bool = False
    allow_unsafe: bool = False
    limits: recipe.Limits | None = None
    custom: str | None = None
    fuses_lstms: bool = True

    @classmethod
    def of(cls, model: recipe.Model, limits: recipe.Limits | None = None) -> Source:
        """Return the source that parameters name."""
        kind = kind_of(Path(model.path))
        module = model.custom_objects if kind != "tflite" else None
        return cls(
            kind,
            model.path,
            model.signature,
            model.allow_lambda,
            model.allow_unsafe,
            limits,
            module_file(module) if module else None,
        )


def source_of(about: Mapping[str, Any], model: recipe.Model) -> recipe.Model:
    """Return the model that was imported; the parameters may name another one by now."""
    return model.model_copy(update={"path": about["source"]["path"]})


def kind_of(path: Path) -> str:
    """Return the kind of the model at a path: ``keras``, ``saved_model`` or ``tflite``."""
    if not os.path.exists(path):
        near = sorted(file.name for file in path.parent.glob("*") if file.is_file())
        raise ModelError(
            f"There is no model at '{path}'",
            found=f"in '{path.parent}': {first_few(near) or 'nothing'}",
            expected=_KINDS,
            remedy="Correct `path`; a relative one starts from the working directory",
        )
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise ModelUnreadable(
                f"The folder '{path}' is not a SavedModel",
                found="no file saved_model.pb in it",
                expected=_KINDS,
                remedy="Set `path` to the folder that holds saved_model.pb",
            )
        return "saved_model"
    try:
        size_bytes = check_regular(path)
    except Unreadable as error:
        raise ModelUnreadable(
            f"'{path}' is not a model that can be read",
            found=str(error),
            expected=_KINDS,
            remedy="Give the path of a file or of a SavedModel folder",
        ) from error
    if size_bytes == 0:
        raise ModelError(
            f"The model '{path}' is empty",
            found="0 bytes",
            expected=_KINDS,
            remedy="Write or copy the file again",
        )
    if path.suffix in {".keras", ".tflite"}:
        return path.suffix[1:]
    if path.suffix in H5_SUFFIXES:
        return "keras"
    remedy = "Save the model with Keras 3: model.save('name.keras')"
    if path.name == "saved_model.pb":
        remedy = f"Set `path` to its folder, '{path.parent}'"
    elif path.suffix in {".pb", ".pbtxt"}:
        remedy = (
            "A frozen graph does not say which tensors are its inputs and outputs: import it with "
            "tf.graph_util.import_graph_def in a tf.compat.v1.Session, and write a SavedModel with "
            "tf.compat.v1.saved_model.simple_save(session, folder, inputs={...}, outputs={...})"
        )
    raise ModelUnreadable(
        f"'{path}' is not a model that can be read",
        found=f"a file that ends in '{path.suffix}'",
        expected=_KINDS,
        remedy=remedy,
    )
