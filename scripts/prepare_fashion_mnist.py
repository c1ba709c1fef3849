"""Prepare the TFDS dataset ``fashion_mnist`` 3.0.1 from the four IDX files of Fashion-MNIST.

TFDS does all the work: this script only hands it the files in place of a download. They come, for
instance, from Debian's package ``dataset-fashion-mnist``, which puts them in
``/usr/share/datasets/fashion-mnist``:

    python scripts/prepare_fashion_mnist.py /usr/share/datasets/fashion-mnist data/01_raw
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from pathlib import Path


class LocalFiles:
    """Stands in for TFDS's download manager: finds each file by the last part of its address."""

    downloaded_size = 0

    def __init__(self, source: Path, unpacked: Path) -> None:
        self.source, self.unpacked = source, unpacked

    def download_and_extract(self, addresses: dict[str, str]) -> dict[str, Path]:
        """Return the unpacked file for each address, under the same keys."""
        return {key: self._unpack(address.rsplit("/", 1)[-1]) for key, address in addresses.items()}

    def _unpack(self, name: str) -> Path:
        target = self.unpacked / name.removesuffix(".gz")
        packed = self.source / name
        plain = packed.with_suffix("")
        target.write_bytes(
            gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
        )
        return target


def main() -> None:
    """Write the dataset below the data folder and print what TFDS says of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of the four IDX files (.gz or not)")
    parser.add_argument("data_dir", type=Path, help="TFDS data_dir to write to")
    arguments = parser.parse_args()

    import tensorflow_datasets as tfds

    with tempfile.TemporaryDirectory() as unpacked:
        builder = tfds.builder("fashion_mnist:3.0.1", data_dir=arguments.data_dir)
        files = LocalFiles(arguments.source, Path(unpacked))
        builder._make_download_manager = lambda **_: files
        builder.download_and_prepare()
    print(builder.info)


if __name__ == "__main__":
    main()
