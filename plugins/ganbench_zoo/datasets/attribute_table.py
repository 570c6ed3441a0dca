"""A folder of images and a table of their attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ganbench import DataError, LabelInfo
from ganbench_zoo.datasets.files import Listing, skipped
from ganbench_zoo.datasets.labelled import Found, LabelledImages, Labels, classes_of, column_of
from ganbench_zoo.datasets.tables import SUFFIXES, Matched, Table, file_column, locate, match, read_table


@dataclass(frozen=True, kw_only=True)
class AttributeTable(LabelledImages):
    """Images with a table of attributes (CSV, TSV, JSON, JSON lines, or a list like CelebA's), one row per image.

    Each column becomes a label: words and whole numbers are classes, numbers with fractions are values, lists are
    flags. Made for cartoon faces with hair, eye, face and glasses; images without a value are left out and counted.
    """

    name: ClassVar[str] = "attribute_table"

    table: str = ""  # its file, relative to `path`; empty: the only one with such a suffix in the folder itself
    file_column: str = ""  # the column of file names; empty: one called file_name, filename, image ..., or the first
    columns: tuple[str, ...] = ()  # which become labels; empty: all but that of the file names
    # Columns of 0 (or -1) and 1 that are one label together: {hair: [black_hair, blue_hair]}; instead of `columns`
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.columns and self.groups:
            raise ValueError("columns and groups are two ways to choose labels: give one of them")

    def _find(self, listing: Listing) -> Found:
        name = self._table(listing)
        table = read_table(listing.root / name)
        place = file_column(table, self.file_column)
        matched = match(table, listing, place, within=name.rpartition("/")[0])
        return labelled(self, listing, [name], table, matched, place)

    def _table(self, listing: Listing) -> str:
        if self.table:
            return locate(self.name, listing.root, [self.table], "table")
        inside = sorted(path.name for path in listing.root.iterdir() if path.suffix.lower() in SUFFIXES)
        if len(inside) != 1:
            many = f"several tables ({', '.join(inside[:5])})" if inside else f"no table ({', '.join(SUFFIXES)})"
            raise DataError(f"{self.name}: {listing.root} has {many}; name one in the option `table`.")
        return locate(self.name, listing.root, inside, "table")


def labelled(
    plugin: AttributeTable, listing: Listing, tables: list[str], table: Table, matched: Matched, place: int
) -> Found:
    """The columns of a table as labels. Images without a value in one of them are left out."""
    labels: Labels = {}
    infos: dict[str, LabelInfo] = {}
    left_out = list(matched.skipped)
    keep = np.ones(len(matched.files), bool)
    names = plugin.columns or tuple(name for name in table.columns if name != table.columns[place])
    columns = {} if plugin.groups else {name: table.index(name, "columns") for name in names}
    made = {name: column_of(f"{table.path}: {name}", [row[i] for row in matched.rows]) for name, i in columns.items()}
    for name, members in plugin.groups.items():
        places = [table.index(member, "groups") for member in members]
        words = [
            members[chosen[0]] if len(chosen) == 1 else None
            for chosen in ([k for k, i in enumerate(places) if str(row[i]) in _TRUE] for row in matched.rows)
        ]
        made[name] = classes_of(f"{table.path}: {name}", words, members)
    for name, column in made.items():
        missing = [file for file, absent in zip(matched.files, column.missing, strict=True) if absent]
        left_out += skipped(f"images have no {name}" + (", or several" if plugin.groups else ""), missing)
        labels[name], infos[name] = column.values, column.info
        keep &= ~column.missing
    if not keep.any():
        raise DataError(f"{table.path}: no image has a value in all of {', '.join(made)}")
    return Found(
        listing=listing,
        tables=tables,
        files=[file for file, good in zip(matched.files, keep, strict=True) if good],
        labels={name: values[keep] for name, values in labels.items()},
        infos=infos,
        skipped=left_out,
    )


_TRUE = frozenset({"1", "1.0", "True", "true"})
