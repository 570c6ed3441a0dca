"""Images from a folder of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from ganbench import DataError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Split
from ganbench_zoo.datasets.files import (
    Listing,
    check_held_out,
    find_root,
    held_out_count,
    identity_of,
    list_images,
    skipped,
    unusable,
)
from ganbench_zoo.datasets.images import Reading, read_all

NAME = "image_folder"


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Dataset):
    """PNG, JPEG, WebP and BMP files of a folder and its subfolders, cropped and scaled to squares.

    Which files: those with a suffix of these formats, except hidden ones. Symbolic links to folders, and links that
    lead out of the folder, are never followed: they count as bad files, as do files that cannot be read.

    Labels: if every image lies in one of two or more subfolders, their names are the classes of the label `class`.

    Order: by a hash of the relative path, so that the first images are a random sample. The first of them are held out;
    the others are for training.
    """

    path: str = ""  # of the folder; a relative one starts at $GANBENCH_DATA if that is set, else where ganbench runs
    size: int = 64  # side of the squares, in pixels, >= 1
    channels: Literal[1, 3] = 3  # 1: grey; 3: colours
    crop: Literal["center", "none"] = "center"  # center: the largest central square; none: squeeze the entire image
    background: Literal["white", "black"] = "white"  # under transparent pixels
    held_out: float = 0.1  # below 1: share of the images that no GAN trains on; 1 or above: how many
    on_error: Literal["error", "skip"] = "error"  # of bad files: list them and stop; or count them and go on without

    def __post_init__(self) -> None:
        check_held_out(self.held_out)
        if self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")

    def info(self) -> DatasetInfo:
        listing = self._list()
        held_out = held_out_count(NAME, self.held_out, len(listing.files))
        # Bad files are found when the images are made: with on_error: skip, these counts are upper limits.
        counts = {"train": len(listing.files) - held_out, "held_out": held_out, "conditions": 0}
        classes = _classes(listing.root, listing.files)
        labels = {"class": LabelInfo(kind="class", size=len(classes), names=classes)} if classes else {}
        return DatasetInfo(shape=(self.channels, self.size, self.size), counts=counts, labels=labels)

    def identity(self) -> Json:
        """Digest of the manifest: relative path, size and sha256 of each file. Reads them all, once per process."""
        listing = self._list()
        return identity_of(listing.root, listing)

    def make(self, split: Split) -> Samples:
        listing = self._list()
        classes = _classes(listing.root, listing.files)
        held_out = held_out_count(NAME, self.held_out, len(listing.files))
        files = {"held_out": listing.files[:held_out], "train": listing.files[held_out:], "conditions": []}[split]
        how = Reading(size=self.size, channels=self.channels, crop=self.crop, background=self.background)
        found = read_all(listing.root, files, how)
        refused = listing.refused if split == "train" else []
        if found.bad and (self.on_error == "error" or not found.kept):
            raise unusable(NAME, listing.root, refused + found.bad, len(files) + len(refused))
        labels: dict[str, npt.NDArray[np.generic]] = {}
        if classes:
            index = {name: i for i, name in enumerate(classes)}
            labels["class"] = np.array([index[PurePosixPath(files[i]).parts[0]] for i in found.kept], np.int64)
        left_out = [
            *skipped("files cannot be read", found.bad),
            *skipped("links or special files are not read", refused),
        ]
        return Samples(images=found.images, labels=labels, skipped=tuple(left_out))

    def _list(self) -> Listing:
        root = find_root(NAME, self.path, "my_images, size: 64")
        listing = list_images(NAME, root)
        if listing.refused and self.on_error == "error":
            raise unusable(NAME, root, listing.refused, len(listing.files) + len(listing.refused))
        return listing


def _classes(root: Path, files: list[str]) -> tuple[str, ...]:
    """Names of the subfolders that hold images, or none where they tell nothing."""
    folders = {PurePosixPath(file).parts[0] if "/" in file else "" for file in files}
    if "" in folders and len(folders) > 1:
        named = ", ".join(sorted(folders - {""})[:5])
        raise DataError(
            f"image_folder: {root} has images both in itself and in subfolders ({named}): move all of them "
            "into subfolders, one per class, or all out."
        )
    return tuple(sorted(folders)) if len(folders) > 1 else ()
