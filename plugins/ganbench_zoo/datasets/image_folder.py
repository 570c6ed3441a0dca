"""Images from a folder of the user's."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ganbench import DataError, Dataset, DatasetInfo, Json, LabelInfo, Samples, Split

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
LISTED = 20  # paths of bad files that a message names

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Dataset):
    """PNG, JPEG, WebP and BMP files of a folder and its subfolders, cropped and scaled to squares.

    Which files: those with a suffix of these formats, except hidden ones. Symbolic links to folders, and links that
    lead out of the folder, are never followed: they count as bad files, as do files that cannot be read.

    Labels: if every image lies in one of two or more subfolders, their names are the classes of the label `class`.

    Order: by a hash of the relative path, so that the first images are a random sample. The first of them are held out;
    the others are for training.

    Pixels: the first frame of animations; turned as EXIF says; palettes expanded; 16-bit grey scaled to 8 bits; alpha
    composited over `background`; CMYK and YCCK to RGB without a colour profile (embedded profiles are ignored); grey
    repeated over the channels, or colours to luma (ITU-R 601), as `channels` asks. Scaling is Lanczos, antialiased.
    """

    path: str = ""  # of the folder; a relative one starts at $GANBENCH_DATA if that is set, else where ganbench runs
    size: int = 64  # side of the squares, in pixels, >= 1
    channels: Literal[1, 3] = 3  # 1: grey; 3: colours
    crop: Literal["center", "none"] = "center"  # center: the largest central square; none: squeeze the entire image
    background: Literal["white", "black"] = "white"  # under transparent pixels
    held_out: float = 0.1  # below 1: share of the images that no GAN trains on; 1 or above: how many
    on_error: Literal["error", "skip"] = "error"  # of bad files: list them and stop; or list them and go on without

    def __post_init__(self) -> None:
        if self.size < 1 or self.held_out < 0 or (self.held_out >= 1 and self.held_out != int(self.held_out)):
            raise ValueError(
                "size must be at least 1, and held_out a share in [0, 1) or a whole number, "
                f"not {self.size} and {self.held_out}"
            )

    def info(self) -> DatasetInfo:
        files, _ = self._scan()
        held_out = self._held_out(len(files))
        # Bad files are found when the images are made: with on_error: skip, these counts are upper limits.
        counts = {"train": len(files) - held_out, "held_out": held_out, "conditions": 0}
        classes = _classes(self._root(), files)
        labels = {"class": LabelInfo(kind="class", size=len(classes), names=classes)} if classes else {}
        return DatasetInfo(shape=(self.channels, self.size, self.size), counts=counts, labels=labels)

    def identity(self) -> Json:
        """Digest of the manifest: relative path, size and sha256 of each file. Reads them all, once per process."""
        root, (files, refused) = self._root(), self._scan()
        manifest = hashlib.sha256()
        for file in sorted(files):
            status = (root / file).stat()
            content = _content_digest(root / file, status.st_size, status.st_mtime_ns)
            manifest.update(os.fsencode(f"{file}\0{status.st_size}\0{content}\n"))
        return {"files": len(files), "refused": len(refused), "manifest": manifest.hexdigest()}

    def make(self, split: Split) -> Samples:
        root, (files, bad) = self._root(), self._scan()
        classes = _classes(root, files)
        held_out = self._held_out(len(files))
        files = {"held_out": files[:held_out], "train": files[held_out:], "conditions": []}[split]
        images = np.empty((len(files), self.channels, self.size, self.size), np.uint8)
        rows: list[str] = []  # relative paths of the images that could be read
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of harmless oddities, such as corrupt EXIF tags
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for file in files:
                try:
                    images[len(rows)] = self._read(root / file)
                except Exception as error:  # decoders of broken files raise nearly anything
                    bad.append(f"{file}: {type(error).__name__}: {error}")
                else:
                    rows.append(file)
        self._report(bad, len(rows) + len(bad))
        labels: dict[str, npt.NDArray[np.generic]] = {}
        if classes:
            index = {name: i for i, name in enumerate(classes)}
            labels["class"] = np.array([index[PurePosixPath(file).parts[0]] for file in rows], np.int64)
        return Samples(images=images[: len(rows)], labels=labels)

    # --- files ------------------------------------------------------------------------------------
    def _root(self) -> Path:
        if not self.path:
            raise DataError("image_folder: say which folder: {image_folder: {path: my_images, size: 64}}")
        root = (Path(os.environ.get("GANBENCH_DATA", ".")) / Path(self.path).expanduser()).resolve()
        if not root.is_dir():
            raise DataError(
                f"image_folder: there is no folder {root}. Set the option `path`, or $GANBENCH_DATA if it is relative."
            )
        return root

    def _scan(self) -> tuple[list[str], list[str]]:
        """Relative paths of all images, in the order of the data set; and a line for each link that is refused."""
        root = self._root()
        files: list[str] = []
        refused: list[str] = []
        for folder, subfolders, names in os.walk(root, followlinks=False, onerror=_raise):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            inside = Path(folder)
            refused += [
                f"{(inside / name).relative_to(root).as_posix()}: a symbolic link to a folder"
                for name in subfolders
                if (inside / name).is_symlink()
            ]
            for name in sorted(names):
                path = inside / name
                relative = path.relative_to(root).as_posix()
                if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                    continue
                if path.is_symlink() and not path.resolve().is_relative_to(root):
                    refused.append(f"{relative}: a symbolic link that leads out of the folder")
                else:
                    files.append(relative)
        if refused and self.on_error == "error":
            self._report(refused, len(files) + len(refused))
        if not files:
            raise DataError(f"image_folder: no image ({', '.join(sorted(SUFFIXES))}) in {root} or its subfolders.")
        return sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file)).digest()), refused

    def _held_out(self, count: int) -> int:
        wanted = round(self.held_out * count) if self.held_out < 1 else int(self.held_out)
        if wanted >= count:
            raise DataError(f"image_folder: held_out asks for {wanted} of {count} images, and leaves none to train on.")
        return wanted

    def _report(self, bad: list[str], count: int) -> None:
        if not bad:
            return
        lines = [f"image_folder: {len(bad)} of {count} files in {self._root()} cannot be used:"]
        lines += [f"  {line}" for line in bad[:LISTED]]
        lines += [f"  and {len(bad) - LISTED} more"] if len(bad) > LISTED else []
        if self.on_error == "error" or len(bad) == count:
            raise DataError("\n".join([*lines, "Mend or remove them, or set `on_error: skip`."]))
        warnings.warn("\n".join(lines), stacklevel=3)

    # --- pixels -----------------------------------------------------------------------------------
    def _read(self, path: Path) -> Pixels:
        """C H W"""
        with Image.open(path, formats=FORMATS) as opened:
            opened.load()
            image = self._plain(ImageOps.exif_transpose(opened))
        if self.crop == "center":
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        pixels = np.asarray(image.resize((self.size, self.size), Image.Resampling.LANCZOS))
        return pixels[None] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def _plain(self, image: Image.Image) -> Image.Image:
        """Any mode that the four formats have -> 8-bit "L" or "RGB", without alpha."""
        if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
            image = _eight_bit(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, self.background), image)
        return image.convert("RGB").convert("L" if self.channels == 1 else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """0..65535 -> 0..255, rounded. A transparent grey value, if the file names one, becomes alpha."""
    values = np.asarray(image).astype(np.int64)
    grey = Image.fromarray(((values * 255 + 32767) // 65535).clip(0, 255).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


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


@cache
def _content_digest(path: Path, size: int, modified: int) -> str:
    """sha256 of a file; `size` and `modified` make a changed file another key."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _raise(error: OSError) -> None:
    raise DataError(f"image_folder: cannot list {error.filename}: {error.strerror}") from error
