"""Fewer searches for cyclic garbage, where much is made and hardly anything thrown away: they were a seventh of the
time of a large plan."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

NEW_OBJECTS = 200_000  # more than were thrown away, after which the youngest are searched; Python's own is 700


@contextlib.contextmanager
def seldom() -> Iterator[None]:
    """Not for code that trains or samples: cycles there may hold tensors."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
