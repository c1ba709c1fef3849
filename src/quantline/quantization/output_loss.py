"""Parts of outputs that are constant, saturated or noisy where the float model's vary.

To vary means to be worth 16 of the 256 steps of int8. Behind a function whose scale the
specification fixes, such as SOFTMAX, these are the steps of that scale: a class that stays below
1/16 on all samples does not vary, though in float it is never twice the same. Elsewhere they are
the steps of a scale of the channel's own, from its values and zero. So a channel that does not vary
would be lost with any scale, and one that does is lost because it shares its scale with others, or
because of an earlier operator.

One channel of many may be too weak compared with the others without any harm, as in features of a
thousand channels. A twentieth of those that vary may not: of fewer than twenty, not one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.quantization.output_noise import NOWHERE, STEPS, Groups, OutputNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOST, _NOISY_CHANNELS = 0.05, 0.1  # the shares of the channels that vary that are too many
# Of the variance: 6 dB below it, which is one bit (Lin et al., see quantline.contract.noise). An
# output with more noise is right to less than a bit.
_NOISY = 0.25
_STILL = 2.0**-10  # of the largest magnitude: below the resolution of 10 bits
_FAINT = 2.0**-18  # likewise, of float32's 24 bits with a margin
_SATURATED = 0.5  # of the values, at an end of the range and more than a step off
_SHOWN = 20


@dataclass(frozen=True)
class Loss:
    """The loss of an output.

    Attributes:
        varying: array of shape (n_channels,), bool: the channels that vary in the float model.
        constant: Likewise, the varying channels that are one value in the quantized model.
        saturated: Likewise, the channels at an end of the range.
        noisy: Likewise, the channels with more noise than a quarter of their variance.
        is_constant: True if the whole output is one value a channel.
        is_broken: True if values are no longer finite.
        is_noisy: True if the output as a whole has more noise than a quarter of its variance.
        lost_parts: The parts that are constant, or as far off as their mean would be, by position.
        noisy_parts: The parts with such noise.
        offset: Likewise, the channels with such noise that do not vary only because they are far
            from zero.
        is_shifted: True if a constant of the model moves them far from zero.
    """

    varying: np.ndarray
    constant: np.ndarray
    saturated: np.ndarray
    noisy: np.ndarray
    is_constant: bool
    is_broken: bool
    is_noisy: bool
    lost_parts: tuple[int, ...]
    noisy_parts: tuple[int, ...]
    offset: np.ndarray
    is_shifted: bool = False

    @property
    def verdict(self) -> str | None:
        """``lost``, ``noisy``, or None where neither is so."""
        vary = max(int(self.varying.sum()), 1)
        lost, noisy = (int(channels.sum()) / vary for channels in (self.lost_channels, self.noisy))
        if self.is_constant or self.is_broken or self.lost_parts or lost >= _LOST:
            return "lost"
        if self.is_noisy or self.noisy_parts or noisy >= _NOISY_CHANNELS:
            return "noisy"
        if self.is_shifted and self.offset.mean() >= _NOISY_CHANNELS:
            return "noisy"
        return None

    @property
    def lost_channels(self) -> np.ndarray:
        """The channels that are constant or saturated."""
        found: np.ndarray = self.constant | self.saturated
        return found

    def bad(self, noise: OutputNoise) -> np.ndarray:
        """Return a mask of the groups that the verdict is about; all if it is about the whole."""
        if self.is_constant or self.is_broken:
            return np.ones(noise.parts.shape, bool)
        chosen = self.lost_channels if self.verdict == "lost" else self.noisy
        parts = self.lost_parts if self.verdict == "lost" else self.noisy_parts
        found: np.ndarray = chosen[noise.channel] | np.isin(noise.parts, parts)
        if self.verdict == "lost" and parts:
            found = np.isin(noise.parts, parts)
        return found if found.any() else np.ones(noise.parts.shape, bool)

    def to_dict(self, sources: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "verdict": self.verdict,
            "varying_channels": int(self.varying.sum()),
            "constant_channels": int(self.constant.sum()),
            "saturated_channels": int(self.saturated.sum()),
            "noisy_channels": int(self.noisy.sum()),
            "first_lost": np.flatnonzero(self.lost_channels).tolist()[:_SHOWN],
            "constant": self.is_constant,
            "not_finite": self.is_broken,
            "lost_parts": [sources[part] for part in self.lost_parts],
            "noisy_parts": [sources[part] for part in self.noisy_parts],
        }


def loss_of(
    noise: OutputNoise,
    steps: Sequence[float],
    *,
    is_shifted: bool = False,
    is_squashed: bool = False,
    is_picked: bool = False,
) -> Loss:
    """Judge the sums of an output.

    Args:
        noise: The sums.
        steps: The step of the scale that the specification fixes for each part; 0 for others.
        is_shifted: True if the model adds a constant last.
        is_squashed: True if the input of a squashing function says more about noise.
        is_picked: True if values may have changed places: noise then says nothing.
    """
    groups = noise.groups
    fixed = np.array([*steps, 0.0])[noise.parts]  # the last is NOWHERE's
    varies = _varies(groups, fixed)
    still = groups.quantized_low == groups.quantized_high
    at_end = groups.at_end > _SATURATED * np.maximum(groups.count, 1)
    noise_of = np.where(is_picked, 0.0, groups.noise)
    noisy = noise_of > _NOISY * groups.variance

    def channels(chosen: np.ndarray) -> np.ndarray:
        found = np.zeros(noise.channels, bool)
        found[noise.channel[chosen]] = True
        return found

    lost_parts, noisy_parts = [], []
    for part in np.unique(noise.parts[noise.parts != NOWHERE]).tolist():
        own = noise.parts == part
        whole = groups.together(np.where(own, 0, -1))
        if not _varies(whole, fixed[own][:1])[0]:
            continue
        share, most = noise_of[own].sum(), groups.variance[own].sum()
        is_still = (varies & own).any() and still[own].all()
        if is_still or (share >= most and not is_squashed):
            lost_parts.append(part)
        elif share > _NOISY * most:
            noisy_parts.append(part)
    width, size = groups.high - groups.low, np.maximum(np.abs(groups.high), np.abs(groups.low))
    moves = width > _STILL * size
    return Loss(
        varying=channels(varies),
        constant=channels(varies & still),
        saturated=channels(varies & ~still & at_end),
        noisy=channels(varies & noisy),
        is_constant=bool(still.all() and (moves & (fixed == 0) | varies).any()),
        is_broken=bool(groups.broken.any()),
        is_noisy=bool(varies.any() and noise_of.sum() > _NOISY * groups.variance.sum()),
        lost_parts=tuple(lost_parts),
        noisy_parts=tuple(noisy_parts),
        offset=channels(~varies & (width > _FAINT * size) & noisy & (fixed == 0)),
        is_shifted=is_shifted,
    )


def _varies(groups: Groups, fixed: np.ndarray) -> np.ndarray:
    """Return a mask of the groups worth 16 steps, of a fixed scale or of one of their own."""
    own = (np.maximum(groups.high, 0) - np.minimum(groups.low, 0)) / 255
    width = groups.high - groups.low
    found: np.ndarray = (width > 0) & (width >= STEPS * np.where(fixed > 0, fixed, own))
    return found
