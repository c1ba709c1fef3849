"""Kedro dataset classes: whole files, written atomically, equal bytes for equal content."""

from quantline.datasets.files import BytesDataset, JsonDataset, NpzDataset, ParquetDataset

__all__ = ["BytesDataset", "JsonDataset", "NpzDataset", "ParquetDataset"]
