"""Stands for ``quantline.tflite.tensor_io``, whose copy replaces this file in a saved model."""

from quantline.tflite.tensor_io import TensorIO

__all__ = ["TensorIO"]
