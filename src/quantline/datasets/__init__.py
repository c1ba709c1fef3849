"""Kedro dataset classes: whole files, written atomically, equal bytes for equal content."""

from quantline.datasets.files import BytesDataset, JsonDataset, NpzDataset, ParquetDataset
from quantline.datasets.tflite import TfliteDataset

__all__ = ["BytesDataset", "JsonDataset", "NpzDataset", "ParquetDataset", "TfliteDataset"]
