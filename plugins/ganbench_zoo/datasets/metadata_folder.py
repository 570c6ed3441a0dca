"""A folder of images with metadata.csv or metadata.jsonl."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from ganbench import DataError
from ganbench_zoo.datasets.attribute_table import AttributeTable, labelled
from ganbench_zoo.datasets.files import Listing
from ganbench_zoo.datasets.labelled import Found
from ganbench_zoo.datasets.tables import Table, locate, match, read_table

METADATA = ("metadata.csv", "metadata.jsonl")
HELD_OUT = frozenset({"test", "testing", "validation", "valid", "val", "dev", "eval"})


@dataclass(frozen=True, kw_only=True)
class MetadataFolder(AttributeTable):
    """Images with `metadata.csv` or `metadata.jsonl`, whose column `file_name` names them: the layout of Hugging Face.

    One metadata file lies in the folder itself, or one in each of its subfolders. Columns become labels as in
    `attribute_table`; leave out captions by naming the others in `columns`. Images in subfolders that are called
    `test`, `validation` or alike are held out.
    """

    name: ClassVar[str] = "metadata_folder"

    file_column: str = "file_name"  # the column of file names
    split: Literal["folders", "hash"] = "folders"  # by the names of the subfolders where they tell; else by `held_out`

    def _find(self, listing: Listing) -> Found:
        names = [self.table] if self.table else self._tables(listing)
        tables = [read_table(listing.root / locate(self.name, listing.root, [name], "table")) for name in names]
        columns = tables[0].columns
        rows, malformed = [], []
        for name, table in zip(names, tables, strict=True):
            if set(table.columns) != set(columns):
                raise DataError(f"{table.path}: has other columns than {tables[0].path}")
            place = table.index(self.file_column, "file_column")
            order = [table.columns.index(column) for column in columns]
            folder = name.rpartition("/")[0]
            for row in table.rows:
                named = f"{folder}/{row[place]}" if folder else row[place]
                rows.append(tuple(named if i == place else row[i] for i in order))
            malformed += [f"{name}: {where}" for where in table.malformed]
        place = columns.index(self.file_column)
        whole = Table(path=tables[0].path, columns=columns, rows=rows, malformed=malformed)
        found = labelled(self, listing, names, whole, match(whole, listing, place), place)
        if self.split == "folders":
            held_out = np.array([file.partition("/")[0].lower() in HELD_OUT for file in found.files], bool)
            if held_out.any() and not held_out.all():
                return replace(found, held_out=held_out)
        return found

    def _tables(self, listing: Listing) -> list[str]:
        below = sorted({file.partition("/")[0] for file in listing.files if "/" in file})
        inside = [name for name in METADATA if (listing.root / name).is_file()]
        found = inside or [
            f"{folder}/{name}" for folder in below for name in METADATA if self._has(listing, folder, name)
        ]
        if not found:
            raise DataError(f"{self.name}: neither {listing.root} nor its subfolders have {' or '.join(METADATA)}.")
        if len(inside) > 1:
            raise DataError(f"{self.name}: {listing.root} has {' and '.join(inside)}; name one in the option `table`.")
        return found

    def _has(self, listing: Listing, folder: str, name: str) -> bool:
        return (listing.root / folder / name).is_file()
