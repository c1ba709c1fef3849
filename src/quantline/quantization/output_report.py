"""Texts on a model's measured outputs, and the error where one is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.errors import CheckFailed, first_few

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 5


def lines(measured: Mapping[str, Any]) -> list[str]:
    """Return a line for each of the first measured outputs, or the reason for having none."""
    outputs = measured["outputs"]
    if outputs is None:
        return [measured["reason"]]
    found = [line(output) for output in outputs[:_SHOWN]]
    if len(outputs) > _SHOWN:
        found.append(f"and {len(outputs) - _SHOWN} more, in the recipe")
    count = measured["samples"]
    found[-1] += f"; measured on {count} sample{'s' * (count != 1)}, XNNPACK"
    return found


def line(output: Mapping[str, Any]) -> str:
    """Return the figures of one output."""
    heading = "" if output["verdict"] is None else f"{output['verdict'].upper()}: "
    text = f"{heading}'{output['name']}': {_error(output)}"
    before = output["before"]
    if before is not None:
        text += f", before {before['operator']} {_error(before)}"
    shown = output if before is None else before
    worst = shown["worst_channel"]
    if shown["channels"] > 1 and worst is not None:
        text += f"; worst of {shown['channels']} channels: {worst['channel']}, {_error(worst)}"
    return text


def _error(figures: Mapping[str, Any]) -> str:
    if figures["rms_error"] is None:
        return "no value"
    if not figures["largest_error"]:
        return "exact"
    relative, ratio = figures["relative_error"], figures["sqnr_db"]
    if relative is None:
        return f"error {figures['rms_error']:.3g} where float is 0"
    percent = f"{relative:.2%}" if relative < 0.1 else f"{relative:.0%}"
    return f"error {percent} ({ratio:.1f} dB)"


def failures(measured: Mapping[str, Any], verdict: str) -> list[str]:
    """Return a sentence for each output that is ``lost``, or ``noisy``: its loss or its noise."""
    return [
        f"the output '{output['name']}' {describe_loss(output)}{_because(output['cause'])}"
        for output in measured["outputs"] or ()
        if output["verdict"] == verdict
    ]


def remedies(measured: Mapping[str, Any], verdict: str) -> list[str]:
    """Return the remedies for the outputs with a verdict, each once."""
    causes = [
        output["cause"] for output in measured["outputs"] or () if output["verdict"] == verdict
    ]
    return list(dict.fromkeys(cause["remedy"] for cause in causes if cause is not None))


def _because(cause: Mapping[str, Any] | None) -> str:
    if cause is None:
        return ", and the two models have no layer in common to find the cause by"
    if cause["kind"] == "many":
        return f"; {cause['found']}"
    return f". {cause['share']:.0%} of that error comes from one place (measured): {cause['found']}"


def describe_loss(output: Mapping[str, Any]) -> str:
    """Return the loss of an output, as the rest of a sentence."""
    before = output["before"]
    verdicts = [part["loss"]["verdict"] for part in (output, before) if part is not None]
    if output["verdict"] == "noisy" or verdicts[0] != "lost":
        shown = output if before is None else before
    else:
        shown = output
    where = f" before its {shown['operator']}" if shown is not output else ""
    loss = shown["loss"]
    if output["verdict"] == "noisy":
        return _noise(shown, where)
    if loss["not_finite"]:
        return f"holds values{where} that are not finite, where the float model's are"
    if loss["constant"]:
        return f"is constant{where} in the quantized model, where the float model's varies"
    parts = [f"'{name.split(';')[0]}'" for name in loss["lost_parts"]]
    if parts:
        return (
            f"is constant{where}, or as far off as a constant would be, in what comes from "
            f"{first_few(parts, 3)}, where the float model's varies"
        )
    kinds = [
        f"{loss[f'{kind}_channels']} {kind}"
        for kind in ("constant", "saturated")
        if loss[f"{kind}_channels"]
    ]
    numbers = first_few([str(number) for number in loss["first_lost"]], 5)
    return (
        f"has {' and '.join(kinds)} of {loss['varying_channels']} channels{where} that vary in the "
        f"float model: {numbers}"
    )


def _noise(shown: Mapping[str, Any], where: str) -> str:
    loss, share = shown["loss"], shown["error_to_variation"]
    parts = [f"'{name.split(';')[0]}'" for name in loss["noisy_parts"]]
    if share is not None and share > 0.5:
        return f"has an error{where} of {share:.0%} of its standard deviation"
    if parts:
        return (
            f"has an error{where} of more than half of the standard deviation in what comes from "
            f"{first_few(parts, 3)}"
        )
    return (
        f"has an error{where} of more than half of the standard deviation in "
        f"{loss['noisy_channels']} of {loss['varying_channels']} channels"
    )


def lost_outputs(measured: Mapping[str, Any]) -> CheckFailed | None:
    """Return the error of a model with lost outputs; None where none is lost."""
    lost = failures(measured, "lost")
    if not lost:
        return None
    return CheckFailed(
        "The quantized model has lost an output",
        found=f"on {measured['samples']} calibration samples, {first_few(lost, 3)}",
        expected="outputs that vary as those of the float model do",
        remedy=". ".join(
            [
                *remedies(measured, "lost"),
                "Use `lost_outputs='warn'` to go on with this model all the same",
            ]
        ),
    )


def enforce_outputs(measured: Mapping[str, Any] | None) -> None:
    """Raise an error where an output is lost."""
    error = None if measured is None else lost_outputs(measured)
    if error is not None:
        raise error
