"""CelebA from the files of its authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from ganbench import DataError, LabelInfo
from ganbench_zoo.datasets.files import Listing, skipped
from ganbench_zoo.datasets.labelled import Found, LabelledImages, Labels
from ganbench_zoo.datasets.tables import file_column, locate, match, read_table

ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
FOLDER = "img_align_celeba"


@dataclass(frozen=True, kw_only=True)
class CelebA(LabelledImages):
    """CelebA (Liu et al., 2015): 202,599 aligned photos of faces, 178 x 218, with 40 binary attributes.

    The folder `path` holds `img_align_celeba/`, and, for labels, `list_attr_celeba.txt`; `list_eval_partition.txt` for
    the authors' own partition, in which no person occurs on both sides. The same tables as CSV are read, too.
    """

    name: ClassVar[str] = "celeba"

    attributes: tuple[str, ...] = ()  # which become labels, such as [Smiling, Male]; none: no labels are read
    # flags: one label `attributes` with a column for each of them; classes: a label of two classes for each of them
    labels: Literal["flags", "classes"] = "flags"
    # hash: `held_out` of the images; official: the authors' validation and test images are held out
    split: Literal["hash", "official"] = "hash"

    def _find(self, listing: Listing) -> Found:
        within = self._within(listing)
        files = [file for file in listing.files if file.startswith(f"{within}/")] if within else listing.files
        listing = replace(listing, files=files)
        tables: list[str] = []
        left_out = []
        labels: Labels = {}
        infos: dict[str, LabelInfo] = {}
        if self.attributes:
            tables.append(locate(self.name, listing.root, ATTRIBUTES))
            table = read_table(listing.root / tables[-1])
            chosen = [table.index(name, "attributes") for name in self.attributes]
            matched = match(table, listing, file_column(table, ""), within=within)
            files, left_out = matched.files, matched.skipped
            cells = [[row[place] for place in chosen] for row in matched.rows]
            wrong = [file for file, row in zip(files, cells, strict=True) if not _BINARY.issuperset(map(str, row))]
            if wrong:
                raise DataError(f"{table.path}: the attributes of {wrong[0]} are not all 1 or -1")
            values = np.array([[str(cell) == "1" for cell in row] for row in cells], np.float32)
            labels, infos = self._labels(values)
        held_out = None
        if self.split == "official":
            tables.append(locate(self.name, listing.root, PARTITION))
            part = self._partition(listing, tables[-1], within)
            without = [file for file in files if file not in part]
            keep = np.array([file in part for file in files], bool)
            labels = {name: values[keep] for name, values in labels.items()}
            files = [file for file in files if file in part]
            held_out = np.array([part[file] != "0" for file in files], bool)
            left_out = [*left_out, *skipped(f"images have no row in {tables[-1]}", without)]
        return Found(
            listing=listing,
            tables=tables,
            files=files,
            labels=labels,
            infos=infos,
            skipped=left_out,
            held_out=held_out,
        )

    def _within(self, listing: Listing) -> str:
        """The folder of the images; unpackers like to put it into another of the same name."""
        for folder in (f"{FOLDER}/{FOLDER}", FOLDER):
            if any(file.startswith(f"{folder}/") for file in listing.files):
                return folder
        if listing.root.name == FOLDER:
            return ""
        raise DataError(
            f"{self.name}: {listing.root} has no folder {FOLDER} with images. Unpack img_align_celeba.zip there, and "
            f"put {ATTRIBUTES[0]} beside it."
        )

    def _labels(self, values: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> tuple[Labels, dict[str, LabelInfo]]:
        if self.labels == "flags":
            info = LabelInfo(kind="flags", size=len(self.attributes), names=self.attributes)
            return {"attributes": values}, {"attributes": info}
        info = LabelInfo(kind="class", size=2, names=("without", "with"))
        columns = {name: values[:, place].astype(np.int64) for place, name in enumerate(self.attributes)}
        return dict(columns), dict.fromkeys(self.attributes, info)

    def _partition(self, listing: Listing, name: str, within: str) -> Mapping[str, str]:
        table = read_table(listing.root / name)
        matched = match(table, listing, file_column(table, ""), within=within)
        place = table.index("partition", "split")
        return {file: str(row[place]) for file, row in zip(matched.files, matched.rows, strict=True)}


_BINARY = frozenset({"1", "-1"})
