"""Drawn faces without and with glasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from ganbench import ConfigError, Dataset, DatasetInfo, Json, Samples, Split, plugin, plugin_digest


@dataclass(frozen=True, kw_only=True)
class FacesGlasses(Dataset):
    """Faces without and with glasses: the data set `faces` as two domains; every face is in one of them only.

    Labels as in `faces`: hair, eyes and face must survive a translation, and `glasses` is the domain. Both splits hold
    as many images of either domain. Made in seconds, no download; the same to the bit on every machine.
    """

    size: Literal[16, 32, 64, 128] = 32  # side in pixels
    train: int = 8000  # images to train on, half of them of each domain, >= 2
    held_out: int = 2000  # images that are translated when a model is judged, half of each domain, >= 2
    seed: int = 0  # other seeds give other faces of the same kind

    def __post_init__(self) -> None:
        if min(self.train, self.held_out) < 2:
            raise ConfigError("faces_glasses: train and held_out must be at least 2.")

    def info(self) -> DatasetInfo:
        known = self._faces(2).info()
        counts = {"train": self.train // 2 * 2, "held_out": self.held_out // 2 * 2}
        return DatasetInfo(shape=known.shape, counts=counts, labels=known.labels, domain_label="glasses")

    def identity(self) -> Json:
        return {"faces": plugin_digest("dataset", "faces")}

    def make(self, split: Split) -> Samples:
        half = self.info().counts[split] // 2
        # A face has glasses by chance: a tenth more faces than needed, and 200, leave half of them with enough.
        drawn = self._faces(half * 22 // 10 + 200).make(split)
        has = drawn.labels["glasses"]
        rows = np.sort(np.concatenate([np.flatnonzero(has == domain)[:half] for domain in (0, 1)]))
        if len(rows) < 2 * half:
            raise ConfigError(f"faces_glasses: {len(drawn)} faces have not {half} of each kind; another seed may.")
        labels = {name: values[rows] for name, values in drawn.labels.items()}
        return Samples(images=drawn.images[rows], labels=labels)

    def _faces(self, count: int) -> Dataset:
        made = plugin("dataset", "faces", size=self.size, train=count, held_out=count, conditions=1, seed=self.seed)
        return cast(Dataset, made)
