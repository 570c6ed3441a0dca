"""Data sets: where real images come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
        """All images and labels of a split. Called once; the harness keeps the result in its cache. What is left out
        stands in `skipped`; a long one tells `report_progress` how far it is."""
        raise NotImplementedError


# --- how far `make` is ----------------------------------------------------------------------------
_listener: ContextVar[Callable[[int, int], None] | None] = ContextVar("_listener", default=None)


def report_progress(done: int, total: int) -> None:
    """Tell whoever waits for a split how many of its images are made. Cheap: call it for each of them."""
    listener = _listener.get()
    if listener is not None:
        listener(done, total)


@contextmanager
def listening(listener: Callable[[int, int], None]) -> Iterator[None]:
    """Within it, `report_progress` calls this."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
