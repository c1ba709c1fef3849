"""Float against quantized, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from quantline.api.files import read_tflite
from quantline.api.given import check_choice, opened
from quantline.api.prepare import prepare
from quantline.child import run_in_child
from quantline.contract.layers import compare_layers
from quantline.files import plain, sha256
from quantline.quantization.layer_pairs import layer_outputs
from quantline.tables import html_table
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from quantline import recipe
    from quantline.api.given import ModelLike, Reading, SamplesLike
    from quantline.contract.layers import LayerError

By = Literal["effect", "total", "own"]
_RATIOS = {"total": "sqnr_db", "own": "own_sqnr_db"}
_TIMEOUT_S = 1800
HEADINGS = ("effect", "in all", "worst", "own", "constant", "saturated", "float min", "float max",
            "int min", "int max", "type", "tensor")  # fmt: skip


@dataclass(frozen=True)
class LayerComparison:
    """The layers of a quantized model compared with the float ones, measured, the worst first.

    Attributes:
        layers: The layers that both models have.
        float_layers: The number of layers of the float model.
        samples: The number of samples that both ran.
        float_model_sha256: The hash of the float ``.tflite``.
        model_sha256: The hash of the quantized one.
    """

    layers: tuple[LayerError, ...]
    float_layers: int
    samples: int
    float_model_sha256: str
    model_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values; what is not finite is None."""
        return plain(self, evidence="measured", compared_layers=len(self.layers))

    def __repr__(self) -> str:
        of = f"{len(self.layers)} of {self.float_layers} layers"
        return f"LayerComparison({of}, {self.samples} samples)"

    def _repr_html_(self) -> str:
        return html_table(HEADINGS, map(row, self.layers))


def layers(
    float_model: ModelLike,
    quantized: ModelLike,
    samples: SamplesLike,
    *,
    by: By = "effect",
    **reading: Unpack[Reading],
) -> LayerComparison:
    """Compare a float and a quantized model layer by layer, the worst first.

    Args:
        float_model: As :func:`quantline.quantize` takes it.
        quantized: The ``.tflite`` file that was made from it: its path, or its bytes.
        samples: Samples, as :func:`quantline.quantize` takes them.
        by: The order: by what the layer's own error alone does to the model's outputs
            (``effect``), the error that arrives at its output (``total``), or what it adds to that
            itself (``own``).
        **reading: The way the float model is read: :class:`quantline.Reading`.

    Raises:
        ModelUnreadable: ``quantized`` is not a ``.tflite`` file.
        MismatchError: The two models have no layers in common.
        DataError: The samples do not fit the model.
    """
    check_choice("by", by, get_args(By))
    name, content, _ = read_tflite(quantized)
    with opened(float_model, reading) as (source, limits):
        return compare_with(source, limits, content, samples, by, name)


def compare_with(
    source: recipe.Model,
    limits: recipe.Limits,
    content: bytes,
    samples: SamplesLike,
    by: By,
    name: str,
) -> LayerComparison:
    """Compare as :func:`layers` does, with how the float model is read in blocks."""
    prepared = prepare(source, limits, samples, "warn")
    assert prepared.samples is not None  # noqa: S101 - they were given
    original = prepared.model.content
    errors: Sequence[LayerError] = run_in_child(
        compare_layers, original, content, list(prepared.samples.each()),
        what=f"the comparison with {name}", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    if by in _RATIOS:
        errors = sorted(errors, key=lambda layer: getattr(layer, _RATIOS[by]))
    return LayerComparison(
        layers=tuple(errors),
        float_layers=len(layer_outputs(read(original))),
        samples=prepared.samples.count,
        float_model_sha256=sha256(original),
        model_sha256=sha256(content),
    )


def row(layer: LayerError) -> Sequence[str]:
    """Return a layer as texts, one for each of :data:`HEADINGS`."""
    ends: list[Any] = [layer.float_min, layer.float_max, layer.quantized_min, layer.quantized_max]
    ratios = (layer.sqnr_db, layer.worst_channel_sqnr_db, layer.own_sqnr_db)
    return [
        "-" if layer.effect is None else f"{layer.effect:.2%}",
        *("-" if ratio is None else "exact" if ratio == math.inf else f"{ratio:.1f}"
          for ratio in ratios),
        f"{layer.constant_channels}/{layer.channels}" if layer.constant_channels else "0",
        f"{100 * layer.saturated_share:.2f}%" if layer.saturated_share else "0",
        *("-" if end is None else f"{end:.4g}" for end in ends),
        layer.type,
        layer.name,
    ]  # fmt: skip
