"""MNIST from the files of its authors."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ganbench import DataError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Split
from ganbench_zoo.datasets.files import manifest

COUNTS = {"train": 60_000, "held_out": 10_000, "conditions": 0}
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True, kw_only=True)
class Mnist(Dataset):
    """MNIST (LeCun et al., 1998): 28x28 grey images of ten digits, padded or scaled; its test images are held out."""

    name: ClassVar[str] = "mnist"
    source: ClassVar[str] = "MNIST"  # torchvision's class, and the name of the folder
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    root: str = ""  # folder that holds MNIST/raw/; empty: $GANBENCH_DATA, or ./data if that is not set
    download: bool = False  # fetch the files (about 10 MiB for MNIST, 30 MiB for Fashion-MNIST) where they are missing
    size: int = 32  # side of the squares in pixels, >= 28 when padded, else >= 1
    fit: Literal["pad", "resize"] = "pad"  # pad: black around the 28 x 28; resize: bilinear, antialiased
    channels: Literal[1, 3] = 1  # 3: grey in three channels, for networks and metrics that want colours

    def __post_init__(self) -> None:
        if self.size < (28 if self.fit == "pad" else 1):
            raise ValueError(f"size {self.size}: images of 28 x 28 can be padded to 28 or more; or set `fit: resize`")

    def info(self) -> DatasetInfo:
        if not self.download:
            self._check()
        labels = {"class": LabelInfo(kind="class", size=10, names=self.classes)}
        return DatasetInfo(shape=(self.channels, self.size, self.size), counts=dict(COUNTS), labels=labels)

    def identity(self) -> Json:
        self._fetch()
        return manifest(self._raw(), NAMES)

    def make(self, split: Split) -> Samples:
        if split == "conditions":
            shape = (0, self.channels, self.size, self.size)
            return Samples(images=np.zeros(shape, np.uint8), labels={"class": np.zeros(0, np.int64)})
        self._fetch()
        try:
            data = self._torchvision(train=split == "train", download=False)
            images, labels = data.data.numpy(), data.targets.numpy().astype(np.int64)
            if images.shape[1:] != (28, 28) or len(images) != len(labels) or not (labels < 10).all():
                raise ValueError(f"{images.shape} images with {len(labels)} labels")
        except (RuntimeError, OSError, ValueError, AssertionError, IndexError) as error:
            raise DataError(
                f"{self.name}: {self._raw()} is incomplete or not the original ({error}). Unpack its files again."
            ) from error
        return Samples(images=np.repeat(self._fitted(images), self.channels, axis=1), labels={"class": labels})

    def _fitted(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """N 28 28 -> N 1 size size"""
        if self.fit == "pad":
            before = (self.size - 28) // 2
            around = (before, self.size - 28 - before)
            return np.pad(images, ((0, 0), around, around))[:, None]
        side = (self.size, self.size)
        scaled = [np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR)) for image in images]
        return np.stack(scaled)[:, None]

    # --- files ------------------------------------------------------------------------------------
    def _root(self) -> Path:
        return Path(self.root or os.environ.get("GANBENCH_DATA", "data")).expanduser()

    def _raw(self) -> Path:
        return self._root() / self.source / "raw"

    def _missing(self) -> list[str]:
        return [name for name in NAMES if not (self._raw() / name).is_file()]

    def _check(self) -> None:
        if missing := self._missing():
            raise DataError(
                f"{self.name}: {self._raw()} lacks {', '.join(missing)}. Unpack these files there, or name another "
                "folder in the option `root` or in $GANBENCH_DATA, or set `download: true` on a machine with a network."
            )

    def _fetch(self) -> None:
        if self._missing() and self.download:
            try:
                self._torchvision(train=True, download=True)
            except (RuntimeError, OSError) as error:
                raise DataError(
                    f"{self.name}: the files cannot be fetched ({error}). Put {', '.join(NAMES)} into {self._raw()}."
                ) from error
        self._check()

    def _torchvision(self, *, train: bool, download: bool) -> Any:
        import torchvision.datasets  # slow to import, and not needed for `info`

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the arrays it reads cannot be written to
            return getattr(torchvision.datasets, self.source)(str(self._root()), train=train, download=download)
