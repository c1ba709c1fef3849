from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.tflite import tiny_model
from tests.tflite.tiny_model import GIVEN, TAKEN

from quantline.contract.trial import try_to_run
from quantline.errors import ModelError, ModelUnreadable, ModelUnsupported, ProcessError

if TYPE_CHECKING:
    from tests.conftest import Trained

pytestmark = pytest.mark.fresh_children


def beyond_int8(model: Any) -> None:
    """Quantize to int8 with a zero point that int8 does not have."""
    code = schema.BuiltinOperator.QUANTIZE
    tiny_model.with_operator(code, [TAKEN], [GIVEN])(model)
    tensors = model.subgraphs[0].tensors
    tensors[GIVEN].shape = tensors[TAKEN].shape
    tensors[GIVEN].quantization.zeroPoint = np.asarray([-276], np.int64)


def test_a_sound_model_runs(plain: Trained) -> None:
    try_to_run(plain.int8_tflite)


def test_a_model_that_crashes_the_runtime_is_an_error_with_its_name() -> None:
    with pytest.raises(ProcessError) as caught:
        try_to_run(tiny_model.file(beyond_int8), name="'strange.tflite'")
    assert caught.value.what == "A trial run of 'strange.tflite' crashed in its child process"
    assert signal.SIGSEGV.name in caught.value.found
    assert "loading" in caught.value.found
    assert "child process" in caught.value.remedy


def test_what_the_runtime_refuses_is_an_error_with_its_message(custom_operator: bytes) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        try_to_run(custom_operator, name="'strange.tflite'")
    assert caught.value.what == "The LiteRT runtime cannot run 'strange.tflite'"
    assert "Igamma" in caught.value.found


def test_a_model_that_takes_too_long_is_ended(plain: Trained) -> None:
    with pytest.raises(ProcessError) as caught:
        try_to_run(plain.int8_tflite, timeout_s=0.01)
    assert "took too long" in caught.value.what
    assert "conversion" not in str(caught.value)


@pytest.mark.parametrize(("model", "error"), [(b"", ModelError), (b"TFL3" * 9, ModelUnreadable)])
def test_what_cannot_be_read_is_not_run(model: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match="'strange"):
        try_to_run(model, name="'strange.tflite'")
