"""YOLOv5 as a graph of shapes: see benchmarks/networks.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.networks import Network

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph


def yolov5n(height: int, width: int, classes: int = 80) -> Graph:
    """Return YOLOv5n 6.0 (github.com/ultralytics/yolov5, models/yolov5n.yaml), a scale a channel.

    The activations are left out: they have no weights.
    """
    net = Network(height, width, per_channel=True)
    block = partial(_block, net)
    x = net.conv(net.conv(net.input, 16, 6, 2), 32, 3, 2)
    small = block(net.conv(block(x, 32), 64, 3, 2), 64, 2)
    middle = block(net.conv(small, 128, 3, 2), 128, 3)
    x = net.conv(block(net.conv(middle, 256, 3, 2), 256), 128)
    pools = [x]
    for _ in range(3):
        pools.append(net.pool(pools[-1], 5, 1))
    large = net.conv(net.conv(net.concat(*pools), 256), 128)
    x = net.conv(block(net.concat(net.enlarge(large), middle), 128, shortcut=False), 64)
    first = block(net.concat(net.enlarge(x), small), 64, shortcut=False)
    second = block(net.concat(net.conv(first, 64, 3, 2), x), 128, shortcut=False)
    third = block(net.concat(net.conv(second, 128, 3, 2), large), 256, shortcut=False)
    return net.graph(*(net.conv(item, 3 * (classes + 5)) for item in (first, second, third)))


def _block(net: Network, x: int, outputs: int, repeats: int = 1, shortcut: bool = True) -> int:
    inner = net.conv(x, outputs // 2)
    for _ in range(repeats):
        y = net.conv(net.conv(inner, outputs // 2), outputs // 2, 3)
        inner = net.add(inner, y) if shortcut else y
    return net.conv(net.concat(inner, net.conv(x, outputs // 2)), outputs)
