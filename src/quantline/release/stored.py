"""The saved model of a release as the store has it: its files, and the code that serves it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from quantline.errors import ResultMissing, first_line
from quantline.files import sha256
from quantline.release.answers import MISSING
from quantline.release.flavor import MLMODEL_SHA256, open_model


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

    with tempfile.TemporaryDirectory(prefix="quantline-") as temporary:
        try:
            got = download_artifacts(
                artifact_uri=source, dst_path=temporary, tracking_uri=client.tracking_uri
            )
            files = open_model(got)
            mlmodel = sha256(Path(got, "MLmodel").read_bytes())
            found = sha256(files.model.read_bytes())
        except ResultMissing as error:
            return error.found
        except OSError as error:
            return first_line(error, error.strerror)
        except MlflowException as error:
            if error.error_code != MISSING:
                raise
            return "its files are not there"
    tags = {} if model_id is None else client.get_logged_model(model_id).tags
    if mlmodel != tags.get(MLMODEL_SHA256, mlmodel):
        return f"'MLmodel' has the SHA-256 {mlmodel[:12]}, not {tags[MLMODEL_SHA256][:12]}"
    if found != int8_sha256:
        return f"its model has the SHA-256 {found[:12]}, not {int8_sha256[:12]}"
    return ""
