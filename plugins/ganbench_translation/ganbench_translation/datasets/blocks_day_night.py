"""Drawn scenes of objects by day and by night."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from ganbench import ConfigError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Split, plugin, plugin_digest

Pixels = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

# Light in 1/256, for red, green and blue. A lamp is warm, the night is blue, and what is dark by day loses its colour.
MOONLIGHT = np.array([72, 92, 132], np.int64)
LAMPLIGHT = np.array([188, 152, 76], np.int64)
HAZE = np.array([2, 5, 16], np.int64)  # what the night adds to the darkest pixel
CHUNK = 512  # images at once


@dataclass(frozen=True, kw_only=True)
class BlocksDayNight(Dataset):
    """Blocks by day and by night: scenes of the data set `blocks`, and other ones by moonlight and a street lamp.

    By night a scene is dark, blue and pale, but for a round pool of warm light: its place and size differ from image
    to image, so no brightness or contrast turns the one domain into the other. The label `time` is the domain; the 24
    flags `objects` of `blocks` must survive a translation. No scene is in both domains. Whole numbers only: the same
    to the bit on every machine.
    """

    size: Literal[16, 32, 64, 128] = 32  # side in pixels
    train: int = 8000  # images to train on, half of them of each domain, >= 2
    held_out: int = 2000  # images that are translated when a model is judged, half of each domain, >= 2
    seed: int = 0  # other seeds give other scenes of the same kind

    def __post_init__(self) -> None:
        if min(self.train, self.held_out) < 2:
            raise ConfigError("blocks_day_night: train and held_out must be at least 2.")

    def info(self) -> DatasetInfo:
        known = self._blocks().info()
        labels = known.labels | {"time": LabelInfo(kind="class", size=2, names=("day", "night"))}
        counts = {"train": self.train // 2 * 2, "held_out": self.held_out // 2 * 2}
        return DatasetInfo(shape=known.shape, counts=counts, labels=labels, domain_label="time")

    def identity(self) -> Json:
        return {"blocks": plugin_digest("dataset", "blocks")}

    def make(self, split: Split) -> Samples:
        """Day and night in turn, so that every part of a split has both."""
        drawn = self._blocks().make(split)
        count = self.info().counts[split]
        images = drawn.images[:count].copy()
        night = np.arange(1, count, 2)
        for start in range(0, len(night), CHUNK):
            rows = night[start : start + CHUNK]
            images[rows] = by_night(images[rows], self._lamps(split, rows))
        labels = {name: values[:count] for name, values in drawn.labels.items()}
        return Samples(images=images, labels=labels | {"time": np.arange(count, dtype=np.int64) % 2})

    def _blocks(self) -> Dataset:
        sizes = {"train": self.train, "held_out": self.held_out, "conditions": 1}
        return cast(Dataset, plugin("dataset", "blocks", size=self.size, seed=self.seed, **sizes))

    def _lamps(self, split: Split, rows: Ints) -> Ints:
        """[n, 3]: x, y and radius of each image's pool of light, in 1/256 of the side."""
        digests = [hashlib.sha256(f"{self.seed}/{split}/lamp/{row}".encode()).digest() for row in rows]
        drawn = np.array([[int.from_bytes(d[i : i + 4], "little") for i in (0, 4, 8)] for d in digests], np.int64)
        low, high = np.array([48, 64, 72]), np.array([208, 208, 120])  # somewhere on the floor; not too large
        lamps: Ints = low + (drawn * (high - low + 1) >> 32)
        return lamps


def by_night(images: Pixels, lamps: Ints) -> Pixels:
    """Scenes n 3 S S as they look by moonlight and, within a circle [n, 3] of x, y and radius, by lamplight."""
    side = images.shape[-1]
    centres = (2 * np.arange(side, dtype=np.int64) + 1) * 128 // side  # of pixels, in 1/256 of the side
    x, y, radius = (lamps[:, i, None, None] for i in range(3))
    # Twice as wide as deep: the floor is seen at an angle.
    squared = (centres[None, None, :] - x) ** 2 + 4 * (centres[None, :, None] - y) ** 2
    lit = np.clip(352 - 352 * squared // radius**2, 0, 256)[:, None]  # n 1 S S: full near the middle, soft at the edge
    day = images.astype(np.int64)
    grey = (day * np.array([77, 150, 29])[:, None, None]).sum(1, keepdims=True) >> 8
    pale = day + (grey - day) * (256 - lit) // 768  # a third of the colour is lost where it is dark
    light = MOONLIGHT[:, None, None] + LAMPLIGHT[:, None, None] * lit // 256
    seen = (pale * light >> 8) + HAZE[:, None, None]
    pixels: Pixels = np.clip(seen, 0, 255).astype(np.uint8)
    return pixels
