"""Two folders of images of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from ganbench import (
    ConfigError,
    DataError,
    Dataset,
    DatasetInfo,
    Json,
    LabelInfo,
    Samples,
    Split,
    plugin,
    plugin_digest,
)


@dataclass(frozen=True, kw_only=True)
class TwoFolders(Dataset):
    """Two folders of images, each a domain, unpaired: any numbers of PNG, JPEG, WebP and BMP files.

    Each folder is read as the data set `image_folder` reads it: which files, how they are cropped and scaled, which
    are held out. The label `domain` has the folders' names. No other labels: what must survive a translation is not
    known, so `translation_accuracy` judges the domain alone.
    """

    first: str = ""  # folder; a relative one starts at $GANBENCH_DATA if that is set, else where ganbench runs
    second: str = ""  # likewise
    size: int = 64  # side of the squares, in pixels, >= 1
    channels: Literal[1, 3] = 3  # 1: grey; 3: colours
    crop: Literal["center", "none"] = "center"  # center: the largest central square; none: squeeze the entire image
    held_out: float = 0.1  # of each folder, below 1: share of images that no model trains on; 1 or above: how many
    on_error: Literal["error", "skip"] = "error"  # of bad files: list them and stop; or count them and go on without

    def __post_init__(self) -> None:
        if self.first and Path(self.first) == Path(self.second):
            raise ConfigError("two_folders: first and second are the same folder.")

    def info(self) -> DatasetInfo:
        known = [folder.info() for folder in self._folders()]
        counts = {split: sum(one.counts.get(split, 0) for one in known) for split in ("train", "held_out")}
        domain = LabelInfo(kind="class", size=2, names=self._names())
        return DatasetInfo(shape=known[0].shape, counts=counts, labels={"domain": domain}, domain_label="domain")

    def identity(self) -> Json:
        return {
            "image_folder": plugin_digest("dataset", "image_folder"),
            "folders": [folder.identity() for folder in self._folders()],
        }

    def make(self, split: Split) -> Samples:
        """Both folders, mixed evenly, so that every part of a split has both in the share that the whole has."""
        parts = [folder.make(split) for folder in self._folders()]
        images = np.concatenate([part.images for part in parts])
        domain = np.repeat(np.arange(2), [len(part) for part in parts])
        place = np.concatenate([(np.arange(len(part)) + 0.5) / max(len(part), 1) for part in parts])
        order = np.argsort(place, kind="stable")
        skipped = tuple(one for part in parts for one in part.skipped)
        return Samples(images=images[order], labels={"domain": domain[order]}, skipped=skipped)

    def _names(self) -> tuple[str, ...]:
        """Of the folders; with those of their parents where they are equal."""
        first, second = Path(self.first), Path(self.second)
        if first.name != second.name:
            return first.name, second.name
        return f"{first.parent.name}/{first.name}", f"{second.parent.name}/{second.name}"

    def _folders(self) -> list[Dataset]:
        if not (self.first and self.second):
            raise DataError("two_folders: say which folders: {two_folders: {first: photos, second: paintings}}")
        shared = {name: getattr(self, name) for name in ("size", "channels", "crop", "held_out", "on_error")}
        made = [plugin("dataset", "image_folder", path=path, **shared) for path in (self.first, self.second)]
        return [cast(Dataset, one) for one in made]
