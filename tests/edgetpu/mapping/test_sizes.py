from __future__ import annotations

import pytest

from quantline.edgetpu import Placement, Provenance, Status, predict

BILINEAR, NEAREST = "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"


@pytest.mark.parametrize(
    ("kind", "source", "result", "target"),
    [
        (BILINEAR, (6, 6), (12, 12), Placement.EDGETPU),
        (BILINEAR, (24, 24), (48, 48), Placement.EDGETPU),
        (BILINEAR, (33, 33), (33, 33), Placement.EDGETPU),
        (BILINEAR, (1, 1), (33, 33), Placement.CPU),
        (BILINEAR, (33, 33), (513, 513), Placement.CPU),
        (BILINEAR, (64, 64), (128, 128), Placement.EDGETPU),
        (BILINEAR, (128, 128), (256, 256), Placement.UNKNOWN),
        (BILINEAR, (256, 256), (512, 512), Placement.CPU),
        (BILINEAR, (8, 8), (32, 32), Placement.UNKNOWN),
        (BILINEAR, (8, 8), (4, 4), Placement.UNKNOWN),
        (NEAREST, (7, 7), (14, 14), Placement.EDGETPU),
        (NEAREST, (22, 22), (44, 44), Placement.EDGETPU),
        (NEAREST, (3, 3), (5, 5), Placement.EDGETPU),
        (NEAREST, (40, 40), (80, 80), Placement.EDGETPU),
        (NEAREST, (256, 256), (512, 512), Placement.UNKNOWN),
        (NEAREST, (512, 512), (1024, 1024), Placement.CPU),
        (NEAREST, (1, 1), (33, 33), Placement.UNKNOWN),
        (NEAREST, (10, 80), (20, 160), Placement.UNKNOWN),
    ],
)
def test_resize(model, kind, source, result, target):
    output = model.tensor(1, *result, 16)
    model.add(kind, [model.tensor(1, *source, 16), model.integers(*result)], [output])
    verdict = predict(model.graph(output)).operators[0]
    assert verdict.target is target
    if target is Placement.UNKNOWN:
        assert (verdict.status, verdict.provenance) == (Status.UNSEEN, Provenance.PARSED)


@pytest.mark.parametrize(
    ("shape", "axes", "target"),
    [
        ((1, 64, 128, 3), (1, 2), Placement.EDGETPU),
        ((1, 256, 128, 3), (1, 2), Placement.CPU),
        ((1, 112, 112, 3), (1, 2), Placement.UNKNOWN),
        ((1, 256, 128, 4), (3,), Placement.EDGETPU),
    ],
)
def test_mean(model, shape, axes, target):
    output = model.tensor(1, 1, 1, 3)
    model.add("MEAN", [model.tensor(*shape), model.integers(*axes)], [output])
    verdict = predict(model.graph(output)).operators[0]
    assert verdict.target is target
    if target is Placement.CPU:
        assert verdict.provenance is Provenance.REPORTED


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((1, 22, 22, 144), Placement.EDGETPU),
        ((1, 26, 26, 144), Placement.UNKNOWN),
        ((1, 28, 28, 144), Placement.CPU),
        ((1, 1, 4, 4, 3), Placement.CPU),
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
        ((1, 1, 1, 128), (1, 33, 33, 128), Placement.EDGETPU),
        ((1, 1, 1, 128), (1, 65, 65, 128), Placement.UNKNOWN),
        ((1, 8, 8, 16), (1, 16, 16, 16), Placement.UNKNOWN),
    ],
)
def test_tile(model, source, result, target):
    output = model.tensor(*result)
    times = [new // old for old, new in zip(source, result, strict=True)]
    model.add("TILE", [model.tensor(*source), model.integers(*times)], [output], version=2)
    assert predict(model.graph(output)).operators[0].target is target
