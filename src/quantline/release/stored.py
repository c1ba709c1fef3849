"""The check of a saved model as it lies in the artifact store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantline.errors import ResultMissing, first_line
from quantline.files import sha256
from quantline.release.flavor import MLMODEL_SHA256, open_model
from quantline.release.store_errors import MISSING
from quantline.temporary import temporary_folder


def saved_model_damage(client: Any, source: str, model_id: str | None, int8_sha256: str) -> str:
    """Return what is wrong with a saved model in the store; nothing if it is whole.

    Args:
        client: The ``MlflowClient``.
        source: Where its files are.
        model_id: Its logged model, which knows the hash of MLmodel; None where it has none.
        int8_sha256: The SHA-256 that the ``.tflite`` file must have.

    Raises:
        MlflowException: The store does not answer.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with temporary_folder() as temporary:
        try:
            tags = {} if model_id is None else client.get_logged_model(model_id).tags
            folder = download_artifacts(
                artifact_uri=source, dst_path=str(temporary), tracking_uri=client.tracking_uri
            )
            return _damage(Path(folder), tags.get(MLMODEL_SHA256), int8_sha256)
        except ResultMissing as error:
            return error.found
        except OSError as error:
            return first_line(error, error.strerror)
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            return "its files are not there"


def _damage(folder: Path, mlmodel_sha256: str | None, int8_sha256: str) -> str:
    model = sha256(open_model(folder).model.read_bytes())
    mlmodel = sha256((folder / "MLmodel").read_bytes())
    compiled = sorted(path.name for path in folder.rglob("*.pyc"))
    if mlmodel_sha256 is not None and mlmodel != mlmodel_sha256:
        return f"'MLmodel' has the SHA-256 {mlmodel[:12]}, not {mlmodel_sha256[:12]}"
    if mlmodel_sha256 is not None and compiled:  # Python would run it in place of its source
        return f"compiled code that was not saved with it: {', '.join(compiled)}"
    if model != int8_sha256:
        return f"its model has the SHA-256 {model[:12]}, not {int8_sha256[:12]}"
    return ""
