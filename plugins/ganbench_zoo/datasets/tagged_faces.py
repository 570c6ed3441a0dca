"""Faces with tags in free text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ganbench import DataError, LabelInfo, Skipped
from ganbench_zoo.datasets.files import Listing, skipped
from ganbench_zoo.datasets.labelled import Found, LabelledImages, Labels
from ganbench_zoo.datasets.tables import Table, file_column, locate, match, read_rows, with_header

USUAL = {
    "hair": (
        *("aqua", "black", "blonde", "blue", "brown", "gray"),
        *("green", "orange", "pink", "purple", "red", "white"),
    ),
    "eyes": ("aqua", "black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "yellow"),
}
PARTS = tuple(USUAL)
SAME = {"grey": "gray", "blond": "blonde", "golden": "blonde", "silver": "gray", "violet": "purple"}
COMMON_WORDS = 5  # that are shown of those that no vocabulary has


@dataclass(frozen=True, kw_only=True)
class TaggedFaces(LabelledImages):
    """Anime faces with tags in free text, such as "blue hair green eyes": the colours of hair and eyes become labels.

    The table is a CSV with or without a header: a file name (or its number) and the tags, in one column or several. A
    tag `colour hair` or `colour eyes` counts where the colour is in the vocabulary. Images with none, or with two
    different ones, are left out, and counted by reason.
    """

    name: ClassVar[str] = "tagged_faces"

    table: str = ""  # its file, relative to `path`; empty: tags.csv or tags_clean.csv
    # Colours that hair can have; other words before "hair" (long, short, silver) are no colours. Empty: the usual ones
    hair: tuple[str, ...] = ()
    eyes: tuple[str, ...] = ()  # colours that eyes can have; empty: the usual ones
    # classes: two labels, `hair` and `eyes`; flags: one label `tags`, with two flags set
    labels: Literal["classes", "flags"] = "classes"
    # Words that mean the same colour where only one of them is in the vocabulary: grey gray, blond golden blonde ...
    synonyms: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in PARTS:
            colours = self._vocabulary(part)
            if len(set(colours)) < 2 or len(set(colours)) < len(colours):
                raise ValueError(f"{part} needs at least two colours, each of them once")

    def _vocabulary(self, part: str) -> tuple[str, ...]:
        return {"hair": self.hair, "eyes": self.eyes}[part] or USUAL[part]

    def _find(self, listing: Listing) -> Found:
        name = locate(self.name, listing.root, [self.table] if self.table else ["tags.csv", "tags_clean.csv"], "table")
        table = self._read(listing, name)
        place = file_column(table, "")
        matched = match(table, listing, place, within=name.rpartition("/")[0])
        texts = [" ".join(str(cell) for i, cell in enumerate(row) if i != place).lower() for row in matched.rows]
        chosen: dict[str, list[int]] = {}
        left_out: list[Skipped] = list(matched.skipped)
        for part in PARTS:
            colours = [self._colours(part, text) for text in texts]
            none = [file for file, found in zip(matched.files, colours, strict=True) if not found]
            several = [file for file, found in zip(matched.files, colours, strict=True) if len(found) > 1]
            reason = f"images have no colour of {part} that is in the vocabulary{self._words(part, texts, colours)}"
            left_out += [*skipped(reason, none), *skipped(f"images have several colours of {part}", several)]
            chosen[part] = [
                self._vocabulary(part).index(next(iter(found))) if len(found) == 1 else -1 for found in colours
            ]
        keep = np.array([all(chosen[part][i] >= 0 for part in PARTS) for i in range(len(texts))], bool)
        if not keep.any():
            first = f"the first tags are {texts[0][:80]!r}"
            raise DataError(f"{table.path}: no image has one colour of hair and one of eyes; {first}")
        classes = {part: np.array(chosen[part], np.int64)[keep] for part in PARTS}
        labels, infos = self._labels(classes)
        return Found(
            listing=listing,
            tables=[name],
            files=[file for file, good in zip(matched.files, keep, strict=True) if good],
            labels=labels,
            infos=infos,
            skipped=left_out,
        )

    def _read(self, listing: Listing, name: str) -> Table:
        """With or without a header: a first row that has tags in it is none."""
        path = listing.root / name
        rows = read_rows(path, by_first=True)
        if not rows:
            raise DataError(f"{path}: is empty")
        wide = max(len(cells) for _, cells in rows)  # tags may fill any number of cells
        rows = [(line, [*cells, *[""] * (wide - len(cells))]) for line, cells in rows]
        first = [cell.strip() for cell in rows[0][1]]
        if any(_TAG.search(cell.lower()) for cell in first) or first[0].isdigit() or "." in first[0]:
            return with_header(path, ["file_name", *(f"tags {i}" for i in range(1, wide))], rows)
        return with_header(path, [cell or f"tags {i}" for i, cell in enumerate(first)], rows[1:])

    def _colours(self, part: str, text: str) -> set[str]:
        """Colours of the vocabulary that a text gives to hair or eyes."""
        known = set(self._vocabulary(part))
        found = {word for word, noun in _TAG.findall(text) if noun == part}
        found |= {SAME[word] for word in found if self.synonyms and word in SAME and word not in known}
        return found & known

    def _words(self, part: str, texts: list[str], colours: list[set[str]]) -> str:
        """Words that stand where a colour would, in texts that have none."""
        seen = Counter(
            word
            for text, found in zip(texts, colours, strict=True)
            for word, noun in _TAG.findall(text)
            if noun == part and not found
        )
        told = ", ".join(f"{word} {count}" for word, count in seen.most_common(COMMON_WORDS))
        return f" (words in its place: {told})" if told else ""

    def _labels(self, classes: Labels) -> tuple[Labels, dict[str, LabelInfo]]:
        names: dict[str, tuple[str, ...]] = {part: self._vocabulary(part) for part in PARTS}
        if self.labels == "classes":
            return classes, {part: LabelInfo(kind="class", size=len(n), names=n) for part, n in names.items()}
        parts = [np.eye(len(names[part]), dtype=np.float32)[classes[part]] for part in PARTS]
        both = tuple(f"{colour} {part}" for part in PARTS for colour in names[part])
        return {"tags": np.concatenate(parts, axis=1)}, {"tags": LabelInfo(kind="flags", size=len(both), names=both)}


_TAG = re.compile(r"\b([a-z]+)[ _-]+(hair|eyes)\b")
