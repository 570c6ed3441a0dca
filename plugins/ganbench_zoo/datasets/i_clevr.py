"""i-CLEVR from the files of report R3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ganbench import DataError, LabelInfo
from ganbench_zoo.datasets.files import Listing, skipped
from ganbench_zoo.datasets.labelled import Found, LabelledImages
from ganbench_zoo.datasets.tables import locate, read_json

FILES = {"test": ("test.json",), "new_test": ("new_test.json",), "both": ("test.json", "new_test.json"), "none": ()}


@dataclass(frozen=True, kw_only=True)
class IClevr(LabelledImages):
    """i-CLEVR (El-Nouby et al., 2019): scenes of one to three objects, labelled by 24 flags (8 colours x 3 shapes).

    The folder `path` holds `objects.json` (class -> index), `train.json` (file name -> list of classes), `test.json`
    (list of lists of classes) and, in itself or in a folder, the images. The test conditions have no images: they make
    the split `conditions`, whose images are black.
    """

    name: ClassVar[str] = "i_clevr"

    crop: Literal["center", "none"] | int = "none"  # none: objects stand at the sides of these images, too
    # Which conditions: those of test.json, of new_test.json, of both, or none
    conditions: Literal["test", "new_test", "both", "none"] = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_out_combinations and self.conditions != "none":
            raise ValueError("held_out_combinations needs `conditions: none`: there is one split of conditions")

    def _find(self, listing: Listing) -> Found:
        names = self._objects(listing.root)
        tables = ["objects.json", "train.json", *FILES[self.conditions]]
        path = listing.root / locate(self.name, listing.root, ["train.json"])
        scenes = read_json(path)
        if not isinstance(scenes, dict):
            raise DataError(f"{path}: expected an object of file names, each with a list of classes")
        files: dict[str, npt.NDArray[np.float32]] = {}
        unknown: list[str] = []
        for name, classes in scenes.items():
            file = listing.find(name)
            if file is None:
                unknown.append(name)
            else:
                files[file] = _flags(path, name, classes, names)
        kept = [file for file in listing.files if file in files]
        if not kept:
            raise DataError(f"{path}: none of its file names is an image of {listing.root}; put the images there")
        without = [file for file in listing.files if file not in files]
        conditions = {"objects": self._conditions(listing.root, names)} if self.conditions != "none" else {}
        return Found(
            listing=listing,
            tables=tables,
            files=kept,
            labels={"objects": np.stack([files[file] for file in kept])},
            infos={"objects": LabelInfo(kind="flags", size=len(names), names=names)},
            skipped=[
                *skipped("names in train.json fit no image, or several", unknown),
                *skipped("images are not in train.json", without),
            ],
            conditions=dict(conditions),
        )

    def _objects(self, root: Path) -> tuple[str, ...]:
        """Classes by index."""
        path = root / locate(self.name, root, ["objects.json"])
        index = read_json(path)
        if not isinstance(index, dict) or sorted(map(str, index.values())) != sorted(map(str, range(len(index)))):
            raise DataError(f"{path}: expected an object of classes, each with its own index from 0")
        return tuple(sorted(index, key=lambda name: int(index[name])))

    def _conditions(self, root: Path, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
        rows = []
        for file in FILES[self.conditions]:
            path = root / locate(self.name, root, [file], "conditions")
            held = read_json(path)
            if not isinstance(held, list) or not held:
                raise DataError(f"{path}: expected a list of conditions, each a list of classes")
            rows += [_flags(path, f"entry {i}", classes, names) for i, classes in enumerate(held)]
        return np.stack(rows)


def _flags(path: Path, where: str, classes: Any, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """[K], 1 for each class of a scene."""
    if not isinstance(classes, list) or not classes:
        raise DataError(f"{path}: {where}: expected a list of classes, not {str(classes)[:60]!r}")
    wrong = [found for found in classes if found not in names]
    if wrong:
        raise DataError(f"{path}: {where}: {str(wrong[0])[:60]!r} is no class of objects.json")
    row = np.zeros(len(names), np.float32)
    row[[names.index(found) for found in classes]] = 1
    return row
