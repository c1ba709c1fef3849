"""Recording in a child process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.quantization.architectures import architecture

from quantline.errors import DataError, ProcessError
from quantline.ranges import record, record_in_subprocess

pytestmark = pytest.mark.fresh_children


def test_it_is_the_same_recording(plain: Any) -> None:
    got = record_in_subprocess(
        plain.float_tflite, plain.samples, name="m", samples_sha256="ab", timeout_s=60
    )
    assert got == record(plain.float_tflite, plain.samples, samples_sha256="ab")


def test_samples_of_several_inputs_come_by_name() -> None:
    model = architecture("two_ports")
    names = model.samples[0]
    stacked = {name: np.stack([sample[name] for sample in model.samples]) for name in names}
    got = record_in_subprocess(model.float_tflite, stacked, name="m", timeout_s=60)
    assert got == record(model.float_tflite, model.samples)


def test_an_error_of_ours_passes_through(plain: Any) -> None:
    with pytest.raises(DataError, match="Sample 0"):
        record_in_subprocess(plain.float_tflite, plain.samples[:, 1:], name="m", timeout_s=60)


def test_what_takes_too_long_is_ended_and_named(plain: Any) -> None:
    with pytest.raises(ProcessError) as caught:
        record_in_subprocess(
            plain.float_tflite,
            plain.samples,
            name="'my.keras'",
            timeout_s=0.01,
            limit="calibration_timeout_s",
        )
    assert caught.value.what.startswith("Recording the ranges of 'my.keras' took too long")
    assert "peak memory" in caught.value.found
    assert "`calibration_timeout_s`" in caught.value.remedy
