"""Loading model files of strangers: judged first, so that nothing in them runs."""

from quantline.loading.keras_file import H5_SUFFIXES, load_keras
from quantline.loading.saved_model_judge import refused_operators
from quantline.loading.tensorflow_calls import parsed_saved_model

__all__ = ["H5_SUFFIXES", "load_keras", "parsed_saved_model", "refused_operators"]
