"""Kedro dataset classes: files and folders, written atomically, equal bytes for equal content."""

from quantline.datasets.checked import JsonDataset, MetricsDataset, NpzDataset, ParquetDataset
from quantline.datasets.files import BytesDataset, FolderDataset, ResultDataset
from quantline.datasets.tflite import TfliteDataset
from quantline.datasets.trained import TrainedModelDataset

__all__ = [
    "BytesDataset", "FolderDataset", "JsonDataset", "MetricsDataset", "NpzDataset",
    "ParquetDataset", "ResultDataset", "TfliteDataset", "TrainedModelDataset",
]  # fmt: skip
