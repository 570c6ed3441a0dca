"""Data sets: where real images come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganbench.api.config import Json
from ganbench.api.plugin import Plugin

if TYPE_CHECKING:
    from ganbench.api.data import DatasetInfo, Samples, Split


@dataclass(frozen=True, kw_only=True)
class Dataset(Plugin):
    """Three splits: `train`; `held_out`, which no GAN trains on; `conditions`, label combinations to ask for when a
    conditional generator is tested (its images may be real examples of them, or the split may be empty)."""

    def info(self) -> DatasetInfo:
        """Shape, labels and counts, without reading images. Raises DataError, with how to get the data, if missing."""
        raise NotImplementedError

    def identity(self) -> Json:
        """What the content depends on besides options and source code: for files, a manifest of names, sizes and
        digests. The cache key is made of it. None for data made by a program."""
        return None

    def make(self, split: Split) -> Samples:
        """All images and labels of a split. Called once; the harness keeps the result in its cache."""
        raise NotImplementedError
