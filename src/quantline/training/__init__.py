"""The embedded network, and its training."""

from quantline.training.examples import TrainingSplit, refuse_other_examples
from quantline.training.network import build_model, refuse_another_network
from quantline.training.train import Prepared, Trained, fit, prepare, train

__all__ = [
    "Prepared",
    "Trained",
    "TrainingSplit",
    "build_model",
    "fit",
    "prepare",
    "refuse_another_network",
    "refuse_other_examples",
    "train",
]
