"""Published networks as graphs of shapes, put together layer by layer.

Predicting the Edge TPU's memory and latency needs no weights; these have the shapes of the models
that Coral publishes, 8-bit with one scale for all of a tensor, if not said otherwise.
"""

from __future__ import annotations

import math

import numpy as np

from quantline.tflite.graph import Graph, Operator, Quantization, Subgraph, Tensor

_SCALE = Quantization((0.5,), (0,), 0)
_SCALES = Quantization((0.5, 0.25), (0, 0), 0)  # several are several: how many does not matter
_CLASSES = 1001


class Network:
    """A network that grows by calls; each returns the index of its output tensor."""

    def __init__(self, height: int, width: int, per_channel: bool = False) -> None:
        self._scales = _SCALES if per_channel else _SCALE
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.input = self._tensor((1, height, width, 3))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape: (1, height, width, channels)."""
        return self.tensors[tensor].shape

    def conv(self, x: int, outputs: int, kernel=1, stride: int = 1, valid: bool = False) -> int:
        """Add a CONV_2D; the kernel is a side or (height, width)."""
        height, width = _pair(kernel)
        weights = self._tensor((outputs, height, width, self.shape(x)[3]), constant=True)
        size = self._size(x, kernel, stride, valid)
        return self._add("CONV_2D", [x, weights, self._biases(outputs)], (1, *size, outputs))

    def depthwise(self, x: int, kernel: int = 3, stride: int = 1) -> int:
        """Add a DEPTHWISE_CONV_2D."""
        channels = self.shape(x)[3]
        weights = self._tensor((1, kernel, kernel, channels), constant=True)
        size = self._size(x, kernel, stride, valid=False)
        inputs = [x, weights, self._biases(channels)]
        return self._add("DEPTHWISE_CONV_2D", inputs, (1, *size, channels))

    def dense(self, x: int, units: int) -> int:
        """Add a FULLY_CONNECTED."""
        weights = self._tensor((units, math.prod(self.shape(x))), constant=True)
        return self._add("FULLY_CONNECTED", [x, weights, self._biases(units)], (1, units))

    def pool(self, x: int, kernel: int, stride: int, valid: bool = False) -> int:
        """Add a MAX_POOL_2D."""
        size = self._size(x, kernel, stride, valid)
        return self._add("MAX_POOL_2D", [x], (1, *size, self.shape(x)[3]))

    def mean(self, x: int) -> int:
        """Add an AVERAGE_POOL_2D of the whole map."""
        return self._add("AVERAGE_POOL_2D", [x], (1, 1, 1, self.shape(x)[3]))

    def add(self, x: int, y: int) -> int:
        """Add an ADD."""
        return self._add("ADD", [x, y], self.shape(x))

    def concat(self, *parts: int) -> int:
        """Add a CONCATENATION of channels."""
        channels = sum(self.shape(part)[3] for part in parts)
        return self._add("CONCATENATION", list(parts), (*self.shape(parts[0])[:3], channels))

    def enlarge(self, x: int) -> int:
        """Add a RESIZE_NEAREST_NEIGHBOR to twice the size."""
        _, height, width, channels = self.shape(x)
        return self._add("RESIZE_NEAREST_NEIGHBOR", [x], (1, 2 * height, 2 * width, channels))

    def normalize(self, x: int) -> int:
        """Add a MUL and an ADD: a batch normalization that no convolution takes in."""
        for kind in ("MUL", "ADD"):
            constant = self._tensor(self.shape(x)[3:], constant=True)
            x = self._add(kind, [x, constant], self.shape(x))
        return x

    def classify(self, x: int) -> Graph:
        """Return the network, ended by a mean and a convolution to 1,001 classes."""
        return self.graph(self.conv(self.mean(x), _CLASSES))

    def graph(self, *outputs: int) -> Graph:
        """Return the network."""
        main = Subgraph(
            0, "main", tuple(self.tensors), tuple(self.operators), (self.input,), outputs
        )
        return Graph((main,), (), 3, "")

    def _tensor(self, shape: tuple[int, ...], constant: bool = False) -> int:
        # One zero for all: what a weight holds does not matter, and VGG has 138 million.
        zeros = np.broadcast_to(np.uint8(0), math.prod(shape)) if constant else None
        index = len(self.tensors)
        scales = self._scales if constant else _SCALE
        self.tensors.append(Tensor(index, f"t{index}", "uint8", shape, zeros, False, scales))
        return index

    def _biases(self, outputs: int) -> int:
        ones = np.ones(outputs, np.int32).view(np.uint8)  # biases of zero may be left out
        index = len(self.tensors)
        self.tensors.append(Tensor(index, f"t{index}", "int32", (outputs,), ones, False, _SCALE))
        return index

    def _add(self, kind: str, inputs: list[int], shape: tuple[int, ...]) -> int:
        output = self._tensor(shape)
        index = len(self.operators)
        self.operators.append(Operator(index, kind, False, 1, tuple(inputs), (output,), {}))
        return output

    def _size(self, x: int, kernel, stride: int, valid: bool) -> tuple[int, int]:
        sides = zip(self.shape(x)[1:3], _pair(kernel), strict=True)
        height, width = (
            (side - taps) // stride + 1 if valid else -(-side // stride) for side, taps in sides
        )
        return height, width


def mobilenet_v1(side: int, alpha: float) -> Graph:
    """Return MobileNet v1 (arXiv 1704.04861, table 1)."""
    net = Network(side, side)
    last = _separable(net, alpha, _MOBILENET_V1)
    return net.classify(last)


def posenet(height: int, width: int) -> Graph:
    """Return Coral's PoseNet: MobileNet v1 0.75 of output stride 16, and three heads."""
    net = Network(height, width)
    last = _separable(net, 0.75, [*_MOBILENET_V1[:11], (512, 1), (512, 1)])
    return net.graph(*(net.conv(last, outputs) for outputs in (17, 34, 64)))


_MOBILENET_V1 = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
]  # fmt: skip


def _separable(net: Network, alpha: float, layers: list[tuple[int, int]]) -> int:
    x = net.conv(net.input, int(32 * alpha), 3, 2)
    for outputs, stride in layers:
        x = net.conv(net.depthwise(x, 3, stride), int(outputs * alpha))
    return x


def mobilenet_v2() -> Graph:
    """Return MobileNet v2 (arXiv 1801.04381, table 2)."""
    net = Network(224, 224)
    x = net.conv(net.input, 32, 3, 2)
    layers = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    for expansion, outputs, repeats, stride in layers:
        for repeat in range(repeats):
            y = net.conv(x, expansion * net.shape(x)[3]) if expansion > 1 else x
            y = net.conv(net.depthwise(y, 3, 1 if repeat else stride), outputs)
            x = net.add(x, y) if repeat else y
    return net.classify(net.conv(x, 1280))


def efficientnet_edgetpu(side: int, wider: float, deeper: float) -> Graph:
    """Return EfficientNet-EdgeTpu (tensorflow/tpu, efficientnet/edgetpu): 'fused' blocks first."""
    net = Network(side, side)
    x = net.conv(net.input, _eighth(32 * wider), 3, 2)
    blocks = (
        (1, 3, 1, 4, 24, True), (2, 3, 2, 8, 32, True), (4, 3, 2, 8, 48, True),
        (5, 5, 2, 8, 96, False), (4, 5, 1, 8, 144, False), (2, 5, 2, 8, 192, False),
    )  # fmt: skip
    for repeats, kernel, first, expansion, outputs, fused in blocks:
        for repeat in range(math.ceil(repeats * deeper)):
            stride, inner = 1 if repeat else first, expansion * net.shape(x)[3]
            if fused:
                y = net.conv(x, inner, kernel, stride)
            else:
                y = net.depthwise(net.conv(x, inner), kernel, stride)
            y = net.conv(y, _eighth(outputs * wider))
            x = net.add(x, y) if repeat else y
    return net.graph(net.dense(net.mean(net.conv(x, _eighth(1280 * wider))), _CLASSES))


def vgg(*repeats: int) -> Graph:
    """Return a VGG of these layers a block (arXiv 1409.1556): (2, 2, 3, 3, 3) is VGG16."""
    net = Network(224, 224)
    x = net.input
    for outputs, count in zip((64, 128, 256, 512, 512), repeats, strict=True):
        for _ in range(count):
            x = net.conv(x, outputs, 3)
        x = net.pool(x, 2, 2)
    return net.graph(net.dense(net.dense(net.dense(x, 4096), 4096), _CLASSES))


def resnet(side: int, repeats: tuple[int, ...], preactivated: bool) -> Graph:
    """Return a ResNet of bottlenecks (arXiv 1512.03385), v2 if preactivated (1603.05027)."""
    net = Network(side, side)
    x = net.pool(net.conv(net.input, 64, 7, 2), 3, 2)
    for group, (inner, count) in enumerate(zip((64, 128, 256, 512), repeats, strict=True)):
        for repeat in range(count):
            stride = 2 if group and not repeat else 1
            y = net.normalize(x) if preactivated else x
            y = net.conv(net.conv(net.conv(y, inner, 1, stride), inner, 3), 4 * inner)
            x = net.add(y, x if repeat else net.conv(x, 4 * inner, 1, stride))
    return net.classify(x)


def densenet() -> Graph:
    """Return DenseNet-121 (arXiv 1608.06993, table 1)."""
    net = Network(224, 224)
    x = net.pool(net.conv(net.input, 64, 7, 2), 3, 2)
    for block, repeats in enumerate((6, 12, 24, 16)):
        for _ in range(repeats):
            x = net.concat(x, net.conv(net.conv(net.normalize(x), 128), 32, 3))
        if block < 3:
            x = net.pool(net.conv(net.normalize(x), net.shape(x)[3] // 2), 2, 2)
    return net.classify(x)


def squeezenet() -> Graph:
    """Return SqueezeNet 1.1 (arXiv 1602.07360)."""
    net = Network(224, 224)
    x = net.pool(net.conv(net.input, 64, 3, 2, valid=True), 3, 2, valid=True)
    for squeezed, count in ((16, 2), (32, 2), (48, 2), (64, 2)):
        for _ in range(count):
            y = net.conv(x, squeezed)
            x = net.concat(net.conv(y, 4 * squeezed), net.conv(y, 4 * squeezed, 3))
        if squeezed < 48:
            x = net.pool(x, 3, 2, valid=True)
    return net.graph(net.mean(net.conv(x, _CLASSES)))


def _eighth(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _pair(kernel) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)
