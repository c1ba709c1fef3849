from __future__ import annotations

import pytest

from quantline.edgetpu import Provenance, Status, Target, predict

BILINEAR, NEAREST = "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"


@pytest.mark.parametrize(
    ("kind", "source", "result", "target"),
    [
        (BILINEAR, (6, 6), (12, 12), Target.EDGETPU),
        (BILINEAR, (24, 24), (48, 48), Target.EDGETPU),
        (BILINEAR, (33, 33), (33, 33), Target.EDGETPU),
        (BILINEAR, (1, 1), (33, 33), Target.CPU),
        (BILINEAR, (33, 33), (513, 513), Target.CPU),
        (BILINEAR, (64, 64), (128, 128), Target.EDGETPU),
        (BILINEAR, (128, 128), (256, 256), Target.UNKNOWN),
        (BILINEAR, (256, 256), (512, 512), Target.CPU),
        (BILINEAR, (8, 8), (32, 32), Target.UNKNOWN),
        (BILINEAR, (8, 8), (4, 4), Target.UNKNOWN),
        (NEAREST, (7, 7), (14, 14), Target.EDGETPU),
        (NEAREST, (22, 22), (44, 44), Target.EDGETPU),
        (NEAREST, (3, 3), (5, 5), Target.EDGETPU),
        (NEAREST, (40, 40), (80, 80), Target.EDGETPU),
        (NEAREST, (256, 256), (512, 512), Target.UNKNOWN),
        (NEAREST, (512, 512), (1024, 1024), Target.CPU),
        (NEAREST, (1, 1), (33, 33), Target.UNKNOWN),
        (NEAREST, (10, 80), (20, 160), Target.UNKNOWN),
    ],
)
def test_resize(model, kind, source, result, target):
    output = model.tensor(1, *result, 16)
    model.add(kind, [model.tensor(1, *source, 16), model.integers(*result)], [output])
    verdict = predict(model.graph(output)).operators[0]
    assert verdict.target is target
    if target is Target.UNKNOWN:
        assert (verdict.status, verdict.provenance) == (Status.UNSEEN, Provenance.PARSED)


@pytest.mark.parametrize(
    ("shape", "axes", "target"),
    [
        ((1, 64, 128, 3), (1, 2), Target.EDGETPU),
        ((1, 256, 128, 3), (1, 2), Target.CPU),
        ((1, 112, 112, 3), (1, 2), Target.UNKNOWN),
        ((1, 256, 128, 4), (3,), Target.EDGETPU),
    ],
)
def test_mean(model, shape, axes, target):
    output = model.tensor(1, 1, 1, 3)
    model.add("MEAN", [model.tensor(*shape), model.integers(*axes)], [output])
    verdict = predict(model.graph(output)).operators[0]
    assert verdict.target is target
    if target is Target.CPU:
        assert verdict.provenance is Provenance.REPORTED


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((1, 22, 22, 144), Target.EDGETPU),
        ((1, 26, 26, 144), Target.UNKNOWN),
        ((1, 28, 28, 144), Target.CPU),
        ((1, 1, 4, 4, 3), Target.CPU),
    ],
)
def test_transpose(model, shape, target):
    order = (0, len(shape) - 1, *range(1, len(shape) - 1))
    output = model.tensor(*(shape[axis] for axis in order))
    model.add("TRANSPOSE", [model.tensor(*shape), model.integers(*order)], [output])
    assert predict(model.graph(output)).operators[0].target is target


@pytest.mark.parametrize(
    ("source", "result", "target"),
    [
        ((1, 1, 1, 128), (1, 33, 33, 128), Target.EDGETPU),
        ((1, 1, 1, 128), (1, 65, 65, 128), Target.UNKNOWN),
        ((1, 8, 8, 16), (1, 16, 16, 16), Target.UNKNOWN),
    ],
)
def test_tile(model, source, result, target):
    output = model.tensor(*result)
    times = [new // old for old, new in zip(source, result, strict=True)]
    model.add("TILE", [model.tensor(*source), model.integers(*times)], [output], version=2)
    assert predict(model.graph(output)).operators[0].target is target
