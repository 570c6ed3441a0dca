"""Images on disk with labels from tables: the options and splits that such data sets share, and how columns of a table
become labels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ganbench import DataError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Skipped, Split
from ganbench_zoo.datasets.files import (
    Listing,
    check_held_out,
    find_root,
    held_out_count,
    identity_of,
    list_images,
    remembered,
    skipped,
    unusable,
)
from ganbench_zoo.datasets.images import Reading, read_all

MOST_CLASSES = 1000

Labels = dict[str, npt.NDArray[np.generic]]  # name -> [N] int64, or [N, K] float32
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Found:
    """All images of a data set with their labels, nothing of them decoded yet."""

    listing: Listing
    tables: list[str]  # files that labels were read from, relative to the folder
    files: list[str]  # of the images, in order
    labels: Labels
    infos: dict[str, LabelInfo]
    skipped: list[Skipped]
    held_out: npt.NDArray[np.bool_] | None = None  # where the data set has splits of its own
    conditions: Labels = field(default_factory=dict)  # test conditions that have no images

    @property
    def paths(self) -> list[Path]:
        """What it depends on."""
        return [*self.listing.folders, *(self.listing.root / table for table in self.tables)]


@dataclass(frozen=True, kw_only=True)
class LabelledImages(Dataset):
    """The base of data sets on disk whose labels stand in tables. A subclass says what it finds in `_find`."""

    name: ClassVar[str] = ""  # of the plugin

    path: str = ""  # of the folder; a relative one starts at $GANBENCH_DATA if that is set, else where ganbench runs
    size: int = 64  # side of the squares, in pixels, >= 1
    channels: Literal[1, 3] = 3  # 1: grey; 3: colours
    # center: the largest central square; none: squeeze the entire image; a number: a central square so many pixels wide
    crop: Literal["center", "none"] | int = "center"
    background: Literal["white", "black"] = "white"  # under transparent pixels
    held_out: float = 0.1  # below 1: share of the images that no GAN trains on; 1 or above: how many
    # Share of the label combinations that are kept out of training, below 1; their images make up `conditions`
    held_out_combinations: float = 0.0
    on_error: Literal["error", "skip"] = "error"  # of bad files: list them and stop; or count them and go on without

    def __post_init__(self) -> None:
        check_held_out(self.held_out)
        if self.size < 1 or (isinstance(self.crop, int) and self.crop < 1):
            raise ValueError(f"size and crop must be at least 1, not {self.size} and {self.crop}")
        if not 0 <= self.held_out_combinations < 1:
            raise ValueError(f"held_out_combinations must be a share in [0, 1), not {self.held_out_combinations}")

    def _find(self, listing: Listing) -> Found:
        raise NotImplementedError

    def info(self) -> DatasetInfo:
        found = self._found()
        # Bad files are found when the images are made: with on_error: skip, these counts are upper limits.
        counts: dict[str, int] = {split: len(rows) for split, rows in self._splits(found).items()}
        without: tuple[Split, ...] = ()
        if found.conditions:
            counts["conditions"] = len(next(iter(found.conditions.values())))
            without = ("conditions",)
        shape = (self.channels, self.size, self.size)
        return DatasetInfo(shape=shape, counts=counts, labels=dict(found.infos), without_images=without)

    def identity(self) -> Json:
        """Digest of the manifest: path, size and sha256 of each image and table. Reads them all, once per process."""
        found = self._found()
        return identity_of(found.listing.root, found.listing, found.tables)

    def make(self, split: Split) -> Samples:
        found = self._found()
        if split == "conditions" and found.conditions:
            count = len(next(iter(found.conditions.values())))
            black = np.zeros((count, self.channels, self.size, self.size), np.uint8)
            return Samples(images=black, labels=dict(found.conditions))
        rows = self._splits(found)[split]
        root, files = found.listing.root, [found.files[row] for row in rows]
        how = Reading(size=self.size, channels=self.channels, crop=self.crop, background=self.background)
        read = read_all(root, files, how)
        if read.bad and (self.on_error == "error" or not read.kept):
            raise unusable(self.name, root, read.bad, len(files))
        left_out = skipped("files cannot be read", read.bad)
        if split == "train":  # what concerns them all is told once
            left_out += [*skipped("links or special files are not read", found.listing.refused), *found.skipped]
        labels = {name: values[rows][read.kept] for name, values in found.labels.items()}
        return Samples(images=read.images, labels=labels, skipped=tuple(left_out))

    def _found(self) -> Found:
        root = find_root(self.name, self.path, f"my_{self.name}")
        return remembered(f"{root} {self!r}", lambda: self._look(root), lambda found: found.paths)

    def _look(self, root: Path) -> Found:
        listing = list_images(self.name, root)
        if listing.refused and self.on_error == "error":
            raise unusable(self.name, root, listing.refused, len(listing.files) + len(listing.refused))
        return self._find(listing)

    def _splits(self, found: Found) -> dict[Split, Indices]:
        """Rows of each split, in the order of the files."""
        chosen = combinations(self.name, found.labels, self.held_out_combinations, len(found.files))
        rest = np.flatnonzero(~chosen)
        if found.held_out is None:
            count = held_out_count(self.name, self.held_out, len(rest))
            held_out, train = rest[:count], rest[count:]
        else:
            held_out, train = rest[found.held_out[rest]], rest[~found.held_out[rest]]
        return {"train": train, "held_out": held_out, "conditions": np.flatnonzero(chosen)}


def combinations(data_set: str, labels: Labels, share: float, count: int) -> npt.NDArray[np.bool_]:
    """Which images have a label combination that is held out: about `share` of all combinations, by a hash, but never
    one without which a single value would not occur in training any more."""
    if share == 0:
        return np.zeros(count, bool)
    if not labels:
        raise DataError(f"{data_set}: held_out_combinations needs labels, and no columns are chosen")
    table = np.concatenate([values.reshape(count, -1).astype(np.float64) for values in labels.values()], axis=1)
    rows, group = np.unique(table, axis=0, return_inverse=True)
    order = sorted(range(len(rows)), key=lambda row: hashlib.sha256(rows[row].astype("<f8").tobytes()).digest())
    values = [{(column, float(value)) for column, value in enumerate(row)} for row in rows]
    left: dict[tuple[int, float], int] = {}
    for held in values:
        for value in held:
            left[value] = left.get(value, 0) + 1
    chosen = np.zeros(len(rows), bool)
    for row in order:
        if chosen.sum() >= round(share * len(rows)):
            break
        if all(left[value] > 1 for value in values[row]):
            chosen[row] = True
            for value in values[row]:
                left[value] -= 1
    if not chosen.any():
        raise DataError(
            f"{data_set}: held_out_combinations {share:g} of {len(rows)} label combinations leaves none to hold out; "
            "each value of a label must still occur in training"
        )
    return chosen[group.reshape(-1)]


# --- columns -> labels ----------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Column:
    info: LabelInfo
    values: npt.NDArray[np.generic]  # [N] int64, or [N, K] float32; anything where missing
    missing: npt.NDArray[np.bool_]  # [N]


def column_of(where: str, cells: Sequence[Json]) -> Column:
    """Lists of words are flags; numbers with fractions are values; all else is classes, sorted."""
    missing = np.array([cell is None or cell == "" for cell in cells], bool)
    given = [cell for cell, absent in zip(cells, missing, strict=True) if not absent]
    if not given:
        raise DataError(f"{where}: holds no values")
    if all(isinstance(cell, list) for cell in given):
        return _flags(where, cells, missing)
    if any(isinstance(cell, (list, dict)) for cell in given):
        raise DataError(f"{where}: mixes lists or objects with other values, which is no label")
    numbers = [_number(cell) for cell in given]
    if all(number is not None for number in numbers) and any(number % 1 for number in numbers if number is not None):
        values = np.zeros((len(cells), 1), np.float32)
        values[~missing, 0] = numbers
        return Column(info=LabelInfo(kind="value", size=1), values=values, missing=missing)
    return classes_of(where, [None if absent else word(cell) for cell, absent in zip(cells, missing, strict=True)])


def classes_of(where: str, words: Sequence[str | None], names: Sequence[str] | None = None) -> Column:
    """Class numbers of words; None is missing."""
    if names is None:
        names = sorted({found for found in words if found is not None}, key=_natural)
        if len(names) > MOST_CLASSES or (len(names) > 50 and 2 * len(names) > len(words)):
            raise DataError(
                f"{where}: has {len(names):,} different values in {len(words):,} rows, which are no classes; "
                "choose the columns that are labels with `columns`"
            )
    index = {name: i for i, name in enumerate(names)}
    values = np.array([-1 if found is None else index[found] for found in words], np.int64)
    return Column(info=LabelInfo(kind="class", size=len(names), names=tuple(names)), values=values, missing=values < 0)


def _flags(where: str, cells: Sequence[Json], missing: npt.NDArray[np.bool_]) -> Column:
    lists = [[word(item) for item in cell] if isinstance(cell, list) else [] for cell in cells]
    names = sorted({item for items in lists for item in items}, key=_natural)
    if not 0 < len(names) <= MOST_CLASSES:
        raise DataError(f"{where}: has {len(names):,} different flags; between 1 and {MOST_CLASSES} can be labels")
    index = {name: i for i, name in enumerate(names)}
    values = np.zeros((len(cells), len(names)), np.float32)
    for row, items in enumerate(lists):
        values[row, [index[item] for item in items]] = 1
    return Column(info=LabelInfo(kind="flags", size=len(names), names=tuple(names)), values=values, missing=missing)


def word(cell: Json) -> str:
    """A cell as the name of a class."""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _number(cell: Json) -> float | None:
    try:
        number = math.nan if isinstance(cell, (bool, list, dict)) or cell is None else float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers first, in their order; then words."""
    number = _number(name)
    return number is None, number or 0.0, name
