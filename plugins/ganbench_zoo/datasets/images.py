"""Image files -> squares of uint8, read by several threads; what every data set on disk shares.

Pixels: the first frame of animations; turned as EXIF says; palettes expanded; 16-bit grey scaled to 8 bits; alpha
composited over a background; CMYK and YCCK to RGB without a colour profile (embedded profiles are ignored); grey
repeated over the channels, or colours to luma (ITU-R 601). Scaling is Lanczos, antialiased.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ganbench import DataError, report_progress

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # no other decoder is ever run
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
MOST_PIXELS = 80_000_000  # of a file: a small one can declare gigabytes
THREADS = 8  # at most; decoders and filters release the interpreter's lock

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How image files become squares."""

    size: int  # side, in pixels
    channels: int  # 1: grey; 3: colours
    crop: str | int  # center: the largest central square; none: squeeze all of it; a number: a central square so wide
    background: str = "white"  # under transparent pixels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.size, self.size


@dataclass(frozen=True, kw_only=True)
class Read:
    """What came of some files."""

    images: Pixels  # N C H W, of those that could be read, in their order
    kept: list[int]  # their places among the files
    bad: list[str]  # "name: why" of the others


def read_all(root: Path, files: Sequence[str], how: Reading) -> Read:
    """Read files (relative to `root`), which must have been listed by us: no name that a table gives is opened."""
    try:
        images = np.empty((len(files), *how.shape), np.uint8)
    except (MemoryError, ValueError) as error:  # more than there is, or than can be counted
        shape = " x ".join(map(str, how.shape))
        raise DataError(f"{root}: {len(files)} images of {shape} do not fit into memory: a smaller `size`?") from error
    problems: list[str] = []
    kept: list[int] = []

    def one(index: int) -> str:
        try:
            images[index] = read(root / files[index], how)
        except Exception as error:  # decoders of broken files raise nearly anything
            return f"{files[index]}: {type(error).__name__}: {error}"
        return ""

    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of harmless oddities, such as corrupt EXIF tags
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `read` has a limit of its own
            for index, problem in enumerate(pool.map(one, range(len(files)))):
                if problem:
                    problems.append(problem)
                else:
                    if problems:  # close the gap in place: a second copy may not fit into memory
                        images[len(kept)] = images[index]
                    kept.append(index)
                report_progress(index + 1, len(files))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for files that nobody needs any more
    return Read(images=images[: len(kept)], kept=kept, bad=problems)


def read(path: Path, how: Reading) -> Pixels:
    """C H W"""
    with Image.open(path, formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels are too many (at most {MOST_PIXELS:,})")
        opened.load()
        image = _plain(ImageOps.exif_transpose(opened), how)
    if how.crop != "none":
        side = min(*image.size, how.crop) if isinstance(how.crop, int) else min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image.resize((how.size, how.size), Image.Resampling.LANCZOS))
    return pixels[None] if how.channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: Image.Image, how: Reading) -> Image.Image:
    """Any mode that the four formats have -> 8-bit "L" or "RGB", without alpha."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips at 255
        image = _eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, how.background), image)
    return image.convert("RGB").convert("L" if how.channels == 1 else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """0..65535 -> 0..255, rounded. A transparent grey value, if the file names one, becomes alpha."""
    values = np.asarray(image).astype(np.int64)
    grey = Image.fromarray(((values * 255 + 32767) // 65535).clip(0, 255).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
