"""MLflow's errors: some are ignored, the others become a TrackingFailed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from quantline.errors import QuantlineError, TrackingFailed, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the store says of a request that finds its work done, because it was sent before and the
# answer was lost.
EXISTS = "RESOURCE_ALREADY_EXISTS"
MISSING = "RESOURCE_DOES_NOT_EXIST"
NO_ALIAS = "INVALID_PARAMETER_VALUE"  # said of an alias that a model does not have


@contextmanager
def tracking_errors(action: str) -> Iterator[None]:
    """Turn any exception of MLflow into a TrackingFailed.

    Args:
        action: What is tried, such as ``record the results``.

    Raises:
        TrackingFailed: It did not work.
    """
    try:
        yield
    except QuantlineError:
        raise
    except Exception as error:
        raise TrackingFailed(
            f"MLflow could not {action}",
            found=_reason(error),
            expected="the package that this kind of store needs"
            if isinstance(error, ImportError)
            else "a tracking store that answers",
            remedy="Check MLFLOW_TRACKING_URI and `tracking_uri`, then run the same again, or the "
            "pipeline with `pipelines=release`: what the stages wrote is on disk and is kept",
        ) from error


@contextmanager
def ignored(*codes: str) -> Iterator[None]:
    """Ignore MLflow errors with one of these codes, such as :data:`EXISTS`."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in codes:
            raise


def _reason(error: BaseException) -> str:
    """Return MLflow's message; for an unreachable server, only the reason."""
    from requests import RequestException

    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(isinstance(cause, RequestException) for cause in chain):
        return f"no answer from the server: {first_line(chain[-1])}"
    return first_line(error)
