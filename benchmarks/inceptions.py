"""Inception networks as graphs of shapes: see benchmarks/networks.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.networks import Network

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph


def inception_v1() -> Graph:
    """Return Inception v1, GoogLeNet (arXiv 1409.4842, table 1)."""
    net = Network(224, 224)
    x = net.pool(net.conv(net.input, 64, 7, 2), 3, 2)
    x = net.pool(net.conv(net.conv(x, 64), 192, 3), 3, 2)
    blocks = (
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
        (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None,
        (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )  # fmt: skip
    for block in blocks:
        if block is None:
            x = net.pool(x, 3, 2)
            continue
        one, three_in, three, five_in, five, pooled = block
        x = net.concat(
            net.conv(x, one),
            net.conv(net.conv(x, three_in), three, 3),
            net.conv(net.conv(x, five_in), five, 3),
            net.conv(net.pool(x, 3, 1), pooled),
        )
    return net.classify(x)


def inception_v3() -> Graph:
    """Return Inception v3 (arXiv 1512.00567, as in TensorFlow's slim)."""
    net = Network(299, 299)
    x = net.pool(_start(net), 3, 2, valid=True)
    x = net.pool(net.conv(net.conv(x, 80), 192, 3, valid=True), 3, 2, valid=True)
    for pooled in (32, 64, 64):
        x = net.concat(
            net.conv(x, 64),
            _chain(net, x, (48, 1), (64, 5)),
            _chain(net, x, (64, 1), (96, 3), (96, 3)),
            net.conv(net.pool(x, 3, 1), pooled),
        )
    x = net.concat(
        _halved(net, x, 384), _halved(net, _chain(net, x, (64, 1), (96, 3)), 96), _pooled(net, x)
    )
    for inner in (128, 160, 160, 192):
        x = net.concat(
            net.conv(x, 192),
            _chain(net, x, (inner, 1), (inner, (1, 7)), (192, (7, 1))),
            _chain(
                net, x, (inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))
            ),
            net.conv(net.pool(x, 3, 1), 192),
        )
    x = net.concat(
        _halved(net, net.conv(x, 192), 320),
        _halved(net, _chain(net, x, (192, 1), (192, (1, 7)), (192, (7, 1))), 192),
        _pooled(net, x),
    )
    for _ in range(2):
        x = _split(net, x, 320, net.conv(x, 384), _chain(net, x, (448, 1), (384, 3)), 384, 192)
    return net.classify(x)


def inception_v4() -> Graph:
    """Return Inception v4 (arXiv 1602.07261, figures 3 to 9)."""
    net = Network(299, 299)
    x = _start(net)
    x = net.concat(_pooled(net, x), _halved(net, x, 96))
    x = net.concat(
        net.conv(net.conv(x, 64), 96, 3, valid=True),
        net.conv(_chain(net, x, (64, 1), (64, (1, 7)), (64, (7, 1))), 96, 3, valid=True),
    )
    x = net.concat(_halved(net, x, 192), _pooled(net, x))
    for _ in range(4):
        x = net.concat(
            net.conv(x, 96),
            _chain(net, x, (64, 1), (96, 3)),
            _chain(net, x, (64, 1), (96, 3), (96, 3)),
            net.conv(net.pool(x, 3, 1), 96),
        )
    x = net.concat(
        _pooled(net, x),
        _halved(net, x, 384),
        _halved(net, _chain(net, x, (192, 1), (224, 3)), 256),
    )
    for _ in range(7):
        x = net.concat(
            net.conv(x, 384),
            _chain(net, x, (192, 1), (224, (1, 7)), (256, (7, 1))),
            _chain(net, x, (192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
            net.conv(net.pool(x, 3, 1), 128),
        )
    x = net.concat(
        _pooled(net, x),
        _halved(net, net.conv(x, 192), 192),
        _halved(net, _chain(net, x, (256, 1), (256, (1, 7)), (320, (7, 1))), 320),
    )
    for _ in range(3):
        long = _chain(net, x, (384, 1), (448, (1, 3)), (512, (3, 1)))
        x = _split(net, x, 256, net.conv(x, 384), long, 256, 256)
    return net.classify(x)


def inception_resnet_v2() -> Graph:
    """Return Inception-ResNet v2 (arXiv 1602.07261, as in TensorFlow's slim)."""
    net = Network(299, 299)
    x = net.pool(_start(net), 3, 2, valid=True)
    x = net.pool(net.conv(net.conv(x, 80), 192, 3, valid=True), 3, 2, valid=True)
    x = net.concat(
        net.conv(x, 96),
        _chain(net, x, (48, 1), (64, 5)),
        _chain(net, x, (64, 1), (96, 3), (96, 3)),
        net.conv(net.pool(x, 3, 1), 64),
    )
    for _ in range(10):
        parts = (
            net.conv(x, 32),
            _chain(net, x, (32, 1), (32, 3)),
            _chain(net, x, (32, 1), (48, 3), (64, 3)),
        )
        x = net.add(x, net.conv(net.concat(*parts), 320))
    x = net.concat(
        _halved(net, x, 384), _halved(net, _chain(net, x, (256, 1), (256, 3)), 384), _pooled(net, x)
    )
    for _ in range(20):
        parts = net.conv(x, 192), _chain(net, x, (128, 1), (160, (1, 7)), (192, (7, 1)))
        x = net.add(x, net.conv(net.concat(*parts), 1088))
    x = net.concat(
        _halved(net, net.conv(x, 256), 384),
        _halved(net, net.conv(x, 256), 288),
        _halved(net, _chain(net, x, (256, 1), (288, 3)), 320),
        _pooled(net, x),
    )
    for _ in range(10):
        parts = net.conv(x, 192), _chain(net, x, (192, 1), (224, (1, 3)), (256, (3, 1)))
        x = net.add(x, net.conv(net.concat(*parts), 2080))
    return net.classify(net.conv(x, 1536))


def _start(net: Network) -> int:
    x = net.conv(net.conv(net.input, 32, 3, 2, valid=True), 32, 3, valid=True)
    return net.conv(x, 64, 3)


def _chain(net: Network, x: int, *layers: tuple) -> int:
    for outputs, kernel in layers:
        x = net.conv(x, outputs, kernel)
    return x


def _halved(net: Network, x: int, outputs: int) -> int:
    return net.conv(x, outputs, 3, 2, valid=True)


def _pooled(net: Network, x: int) -> int:
    return net.pool(x, 3, 2, valid=True)


def _split(net: Network, x: int, one: int, short: int, long: int, outputs: int, pooled: int) -> int:
    return net.concat(
        net.conv(x, one),
        *(net.conv(branch, outputs, side) for branch in (short, long) for side in ((1, 3), (3, 1))),
        net.conv(net.pool(x, 3, 1), pooled),
    )
