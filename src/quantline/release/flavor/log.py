"""Recording a saved model in MLflow as the logged model of a run, and checking it in the store."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import ResultMissing, first_line
from quantline.files import sha256
from quantline.release.flavor.model_files import MODEL, read_files
from quantline.release.flavor.save import open_model, write_model
from quantline.release.registry import INT8_MODEL
from quantline.release.store_errors import MISSING, tracking_errors
from quantline.release.tracking import READY, delete_unfinished, logged_models
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from quantline.release.flavor.model_files import Contents, ModelFiles


# A tag of the logged model: MLmodel has the hashes of the other files, and this is its own.
MLMODEL_SHA256 = "quantline.mlmodel_sha256"


def log_model(client: Any, run_id: str, files: ModelFiles, name: str = "model") -> str:
    """Save a quantized model and record it as a logged model of a run.

    MLflow's own ``log_model`` writes to the store that is set for the process; this one writes to
    the client's, and changes nothing else. In this order: a logged model that is pending, its
    files, that it is ready, and at last the run's output that names it. Whatever ends it in
    between leaves a model that is pending or failed, never one that is ready without its files;
    run again, it takes the one that is ready, or records another, and deletes those that are not.

    Args:
        client: The ``MlflowClient`` of any tracking store, embedded or a server.
        run_id: The run that the model came from.
        files: The model's files.
        name: The logged model's name.

    Returns:
        The logged model's id; ``models:/ID`` is its URI, by which it is loaded and served.

    Raises:
        TrackingFailed: The store does not take it.
        QuantlineError: The model cannot be saved; see ``save_model``.
    """
    contents = read_files(files)  # before the store hears of it
    with tracking_errors("record the model"):
        run = client.get_run(run_id)
        model_id = _ready(client, run, contents) or _log(client, run, contents, name)
        _name_output(client, run_id, model_id)
        delete_unfinished(client, run)
    return model_id


def _ready(client: Any, run: Any, contents: Contents) -> str | None:
    for model in logged_models(client, run):
        if model.status == READY and model.tags.get(INT8_MODEL) == contents.sha256[MODEL]:
            return str(model.model_id)
    return None


def _log(client: Any, run: Any, contents: Contents, name: str) -> str:
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    logged = client.create_logged_model(
        run.info.experiment_id,
        name,
        source_run_id=run.info.run_id,
        tags={INT8_MODEL: contents.sha256[MODEL]},
    )
    try:
        model = Model(
            artifact_path=logged.artifact_location,
            run_id=run.info.run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with temporary_folder() as temporary:
            folder = temporary / "model"
            write_model(folder, contents, model)
            hashed = {MLMODEL_SHA256: sha256((folder / "MLmodel").read_bytes())}
            client.set_logged_model_tags(logged.model_id, hashed)
            client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, READY)
    except MlflowException:  # a store that does not answer would only be waited for once more
        raise
    except BaseException:
        with suppress(Exception):  # the reason that matters is the first one
            client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    return str(logged.model_id)


def _name_output(client: Any, run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    try:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    except MlflowException:
        # A request that was sent again, because its answer was lost, breaks a key of the database.
        if all(
            output.model_id != model_id for output in client.get_run(run_id).outputs.model_outputs
        ):
            raise


def link_version(client: Any, model_id: str, version: Any) -> None:
    """Name a model version on its logged model, whose page links to it; links to others stay.

    A server does this itself when it makes a version, and twice if it was asked twice; where a
    database is used directly, nobody does.

    Args:
        client: The ``MlflowClient``.
        model_id: The logged model.
        version: The model version.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    said = client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS)
    links = [{"name": version.name, "version": int(version.version)}]
    with suppress(ValueError, TypeError, LookupError):  # what somebody wrote there by hand
        found = json.loads(said or "[]")
        links = [*(entry for entry in found if entry["name"] != version.name), *links]
    if said != json.dumps(links):
        client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(links)})


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
