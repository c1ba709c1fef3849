"""One registered model: its versions, and the aliases 'champion' and 'challenger'.

Aliases only; MLflow's stages are deprecated. An alias names one version, and setting it is one step
of the store: there are never two champions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.errors import RegistryError
from quantline.redaction import redacted
from quantline.release.store_errors import EXISTS, MISSING, NO_ALIAS, ignored

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAMPION = "champion"
CHALLENGER = "challenger"
NONE = "none"

_DESCRIPTION = (
    "Quantized models that passed their gate. The alias `champion` names the version in use, "
    "`challenger` one that waits for approval."
)

# Tags of a version.
RELEASE = "quantline.release_id"
INT8_MODEL = "quantline.int8_model_sha256"
SOURCE_MODEL = "quantline.source_model_sha256"
ARTIFACTS = "quantline.artifacts_sha256"  # JSON: the SHA-256 of the artifacts of its run, by name
COMPARED_WITH = "quantline.compared_with"
PREVIOUS = "quantline.previous_champion"
PROMOTED = "quantline.promoted_at"
ROLLED_BACK = "quantline.rolled_back_at"
REASON = "quantline.rolled_back_because"


class Registry:
    """One registered model.

    Attributes:
        client: The ``MlflowClient`` it is reached with.
        name: Its name; it need not exist yet.
    """

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def make(self) -> None:
        """Make the registered model, unless it is there."""
        with ignored(EXISTS):
            self.client.create_registered_model(self.name, description=_DESCRIPTION)

    def version_of(self, alias: str) -> Any | None:
        """Return the model version that an alias names; None where it names none."""
        return self._or_none(self.client.get_model_version_by_alias, alias)

    def get(self, number: str | int) -> Any | None:
        """Return a model version by its number; None where there is none, or it was deleted."""
        return self._or_none(self.client.get_model_version, str(number))

    def with_tag(self, key: str, value: str) -> list[Any]:
        """Return the model versions that have a tag of this value, the oldest first."""
        wanted = f"name = '{self.name}' AND tags.`{key}` = '{value}'"
        found = self.client.search_model_versions(wanted)
        return sorted(found, key=lambda version: int(version.version))

    def tag(self, version: Any, tags: Mapping[str, str]) -> None:
        """Set tags of a model version; they hold no passwords."""
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, version.version, key, redacted(value))

    def lineage(self) -> list[Any]:
        """Return the champion and those it followed, the newest first.

        Raises:
            RegistryError: There is no champion.
        """
        version = self.version_of(CHAMPION)
        if version is None:
            raise self.not_found(CHAMPION)
        found: list[Any] = []
        while version is not None and version.version not in {earlier.version for earlier in found}:
            found.append(version)
            previous = version.tags.get(PREVIOUS, NONE)
            version = None if previous == NONE else self.get(previous)
        return found

    def not_found(self, alias: str) -> RegistryError:
        """Return the error of an alias that names no version."""
        return RegistryError(
            f"The model '{self.name}' has no {alias}",
            found=f"no version with the alias '{alias}'",
            expected="a version that a release registered",
            remedy="Run the whole pipeline, or check the model's name and MLFLOW_TRACKING_URI",
        )

    def _or_none(self, get: Any, key: str) -> Any | None:
        with ignored(MISSING, NO_ALIAS):
            return get(self.name, key)
        return None
