"""Stripes, the smallest data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganbench import Dataset, DatasetInfo, LabelInfo, Samples, Split

SPLITS: tuple[Split, ...] = ("train", "held_out", "conditions")


@dataclass(frozen=True, kw_only=True)
class Stripes(Dataset):
    """Coloured stripes, upright or lying; the label `direction` says which."""

    size: int = 32  # side in pixels, >= 8
    train: int = 2000  # images to train on, >= 1
    held_out: int = 500  # images that no GAN trains on, >= 1
    seed: int = 0  # other seeds give other stripes of the same kind

    def info(self) -> DatasetInfo:
        direction = LabelInfo(kind="class", size=2, names=("upright", "lying"))
        counts = {"train": self.train, "held_out": self.held_out, "conditions": 0}
        return DatasetInfo(shape=(3, self.size, self.size), counts=counts, labels={"direction": direction})

    def make(self, split: Split) -> Samples:
        n = self.info().counts[split]
        rng = np.random.default_rng([self.seed, SPLITS.index(split)])
        lying = rng.integers(0, 2, n)
        width, phase = rng.integers(3, 9, (2, n, 1))
        wave = (np.arange(self.size) + phase) // width % 2  # n S
        colours = rng.integers(0, 256, (n, 2, 3), np.uint8)
        rows = np.take_along_axis(colours, wave[:, :, None], axis=1).transpose(0, 2, 1)  # n 3 S
        upright = np.broadcast_to(rows[:, :, None, :], (n, 3, self.size, self.size))
        images = np.where(lying[:, None, None, None] == 1, upright.swapaxes(2, 3), upright)
        return Samples(images=np.ascontiguousarray(images), labels={"direction": lying})
