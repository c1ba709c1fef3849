"""Stands for ``quantline.tflite.port``, whose copy takes this file's place in a saved model."""

from quantline.tflite.port import Port

__all__ = ["Port"]
