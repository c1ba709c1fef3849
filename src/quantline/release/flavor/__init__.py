"""The MLflow flavor ``tflite``: a quantized model with its evidence, loaded without Quantline."""

from quantline.release.flavor.log import MLMODEL_SHA256, log_model
from quantline.release.flavor.model_files import ModelFiles
from quantline.release.flavor.save import open_model, save_model

__all__ = ["MLMODEL_SHA256", "ModelFiles", "log_model", "open_model", "save_model"]
