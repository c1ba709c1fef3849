"""Training: by a function or a command of the user's, or of the embedded network."""

from quantline.training.comparison import refuse_other_interface, refuse_untrained
from quantline.training.examples import TrainingSplit, refuse_other_examples
from quantline.training.model_files import Content, place_of_model, write_model
from quantline.training.network import build_model, refuse_another_network
from quantline.training.own import OwnTraining
from quantline.training.train import Prepared, Trained, fit, prepare, train

__all__ = [
    "Content",
    "OwnTraining",
    "Prepared",
    "Trained",
    "TrainingSplit",
    "build_model",
    "fit",
    "place_of_model",
    "prepare",
    "refuse_another_network",
    "refuse_other_examples",
    "refuse_other_interface",
    "refuse_untrained",
    "train",
    "write_model",
]
