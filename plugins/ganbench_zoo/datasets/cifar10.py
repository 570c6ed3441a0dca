"""CIFAR-10 from the files of its authors."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10

from ganbench import DataError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Split

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNTS = {"train": 50_000, "held_out": 10_000, "conditions": 0}


@dataclass(frozen=True, kw_only=True)
class Cifar10(Dataset):
    """CIFAR-10 (Krizhevsky, 2009): 32x32 colour photos of ten classes; its test images are held out.

    The files are Python pickles, which can run any code when they are read. torchvision compares each with its known
    MD5 first and refuses others; no way is known to make a second file with a given MD5.
    """

    root: str = ""  # folder that holds cifar-10-batches-py/; empty: $GANBENCH_DATA, or ./data if that is not set
    download: bool = False  # fetch the files (163 MiB) where they are missing

    def info(self) -> DatasetInfo:
        if not self.download:
            self._find()
        labels = {"class": LabelInfo(kind="class", size=10, names=CLASSES)}
        return DatasetInfo(shape=(3, 32, 32), counts=dict(COUNTS), labels=labels)

    def identity(self) -> Json:
        return dict(CIFAR10.train_list + CIFAR10.test_list)

    def make(self, split: Split) -> Samples:
        if split == "conditions":
            return Samples(images=np.zeros((0, 3, 32, 32), np.uint8), labels={"class": np.zeros(0, np.int64)})
        if not self.download:
            self._find()
        try:
            with warnings.catch_warnings():
                # The pickles were written by Python 2's numpy, in a form that numpy 2.4.0 to 2.4.4 complain about.
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                data = CIFAR10(str(self._root()), train=split == "train", download=self.download)
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"cifar10: {self._root() / CIFAR10.base_folder} is incomplete or not the original ({error}). "
                f"Unpack {CIFAR10.filename} from {CIFAR10.url} again."
            ) from error
        images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
        return Samples(images=images, labels={"class": np.array(data.targets, np.int64)})

    def _root(self) -> Path:
        return Path(self.root or os.environ.get("GANBENCH_DATA", "data")).expanduser()

    def _find(self) -> None:
        folder = self._root() / CIFAR10.base_folder
        names = [name for name, _ in CIFAR10.train_list + CIFAR10.test_list] + [CIFAR10.meta["filename"]]
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"cifar10: {folder} lacks {', '.join(missing)}. Get {CIFAR10.filename} from {CIFAR10.url} and unpack "
                f"it in {self._root()}, or name another folder in the option `root` or in $GANBENCH_DATA, or set "
                "`download: true` on a machine with a network."
            )
