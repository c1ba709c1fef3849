"""The predicted bands of latency on the Edge TPU, compared with the numbers that Coral publishes.

    python -m benchmarks.edgetpu_latency

Over USB 3 on a desktop computer, ms, from https://coral.ai/docs/edgetpu/benchmarks/,
https://coral.ai/models/all/ and the regression references of github.com/google-coral/pycoral
(benchmarks/reference). Nothing is measured here: the networks are shapes without weights. Part of
the model was fitted to the MobileNets and PoseNets among them; the others test it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import inceptions, networks

from quantline.edgetpu.cost.latency import predict_latency
from quantline.edgetpu.cost.memory import predict_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.edgetpu.cost.latency import Band
    from quantline.edgetpu.cost.memory import Memory
    from quantline.tflite.graph import Graph

# By name: the network, and what was published.
PUBLISHED: dict[str, tuple[Callable[[], Graph], tuple[float, ...]]] = {
    "MobileNet v1 0.25 128": (partial(networks.mobilenet_v1, 128, 0.25), (0.9,)),
    "MobileNet v1 224": (partial(networks.mobilenet_v1, 224, 1.0), (2.4, 2.17)),
    "MobileNet v2 224": (networks.mobilenet_v2, (2.6, 2.29)),
    "PoseNet 353x481": (partial(networks.posenet, 353, 481), (5.8,)),
    "PoseNet 481x641": (partial(networks.posenet, 481, 641), (10.3,)),
    "PoseNet 721x1281": (partial(networks.posenet, 721, 1281), (32.4,)),
    "EfficientNet-EdgeTpu S": (partial(networks.efficientnet_edgetpu, 224, 1.0, 1.0), (5.0, 5.1)),
    "EfficientNet-EdgeTpu M": (partial(networks.efficientnet_edgetpu, 240, 1.0, 1.1), (7.3, 8.7)),
    "EfficientNet-EdgeTpu L": (partial(networks.efficientnet_edgetpu, 300, 1.2, 1.4), (21.3,)),
    "SqueezeNet": (networks.squeezenet, (2.1,)),
    "DenseNet 121": (networks.densenet, (20.0,)),
    "Inception v1": (inceptions.inception_v1, (3.4, 3.06)),
    "Inception v3": (inceptions.inception_v3, (42.8,)),
    "Inception v4": (inceptions.inception_v4, (85.0, 84.7, 84.25)),
    "Inception-ResNet v2": (inceptions.inception_resnet_v2, (57.0,)),
    "ResNet-50 v1": (partial(networks.resnet, 224, (3, 4, 6, 3), False), (49.0,)),
    "ResNet-50 v2": (partial(networks.resnet, 299, (3, 4, 6, 3), True), (50.0,)),
    "ResNet-152 v2": (partial(networks.resnet, 299, (3, 8, 36, 3), True), (128.0,)),
    "VGG16": (partial(networks.vgg, 2, 2, 3, 3, 3), (296.0,)),
    "VGG19": (partial(networks.vgg, 2, 2, 4, 4, 4), (308.0,)),
}

_RUNTIME = 12  # of the compiler of those days


def predict(graph: Graph) -> tuple[Memory, Band]:
    """Return what is predicted for a network of which all operators are mapped."""
    everything = range(len(graph.main.operators))
    memory, _ = predict_memory(graph.main, everything, _RUNTIME)
    return memory, predict_latency(graph.main, everything, memory, subgraphs=1)


def main() -> None:
    """Print the table."""
    print(f"{'network':24} {'MiB':>6} {'predicted, ms':>16}  published, ms")
    inside = 0
    for name, (network, published) in PUBLISHED.items():
        memory, band = predict(network())
        holds = all(band.low <= item <= band.high for item in published)
        inside += holds
        numbers = ", ".join(f"{item:g}" for item in published)
        mark = "" if holds else "   outside"
        print(
            f"{name:24} {memory.parameter_bytes / 2**20:6.2f} {band.low:7.2f} ... {band.high:6.2f}"
            f"  {numbers}{mark}"
        )
    print(f"{inside} of {len(PUBLISHED)} inside")


if __name__ == "__main__":
    main()
