"""Images of my own, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganbench import Dataset, DatasetInfo, LabelInfo, Samples, Split

SPLITS: tuple[Split, ...] = ("train", "held_out", "conditions")


@dataclass(frozen=True, kw_only=True)
class MyDataset(Dataset):
    """Discs of any colour, large or small (say what the images are here, and where they come from)."""

    size: int = 32  # side in pixels, >= 8
    train: int = 2000  # images to train on, >= 1
    held_out: int = 500  # images that no GAN trains on, >= 1
    seed: int = 0  # other seeds give other discs

    def info(self) -> DatasetInfo:
        labels = {"disc": LabelInfo(kind="class", size=2, names=("small", "large"))}
        counts = {"train": self.train, "held_out": self.held_out, "conditions": 0}
        return DatasetInfo(shape=(3, self.size, self.size), counts=counts, labels=labels)

    def make(self, split: Split) -> Samples:
        n = self.info().counts[split]
        rng = np.random.default_rng([self.seed, SPLITS.index(split)])  # the same images each time
        large = rng.integers(0, 2, n)
        radius = self.size * (0.15 + 0.2 * large)
        centre = rng.uniform(0.4, 0.6, (2, n, 1, 1)) * self.size
        y, x = np.mgrid[: self.size, : self.size]
        inside = np.hypot(y - centre[0], x - centre[1]) < radius[:, None, None]  # n S S
        colours = rng.integers(64, 256, (n, 3, 1, 1), np.uint8)
        return Samples(images=np.where(inside[:, None], colours, np.uint8(16)), labels={"disc": large})
