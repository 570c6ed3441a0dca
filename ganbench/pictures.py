"""Sample grids and the training animation, as WebP files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from ganbench.files import write_atomic

GAP = 2  # pixels between images
COLUMNS = 8


def side_by_side(views: Sequence[Tensor]) -> Tensor:
    """Several images of each input, N C H W each, as one sequence: all of the first input, then of the second."""
    return torch.stack([*views], 1).flatten(0, 1)


def columns_for(views: int) -> int:
    """Columns of a grid, such that those of an input stand in one row."""
    return max(COLUMNS // views, 1) * views


def grid(images: Tensor, columns: int = COLUMNS) -> npt.NDArray[np.uint8]:
    """uint8 images N 3 H W as one picture H' W' 3, row by row, on white."""
    n, _, height, width = images.shape
    rows = -(-n // columns)
    picture = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        top, left = (index // columns) * (height + GAP), (index % columns) * (width + GAP)
        picture[top : top + height, left : left + width] = image
    return picture


def save_grid(images: Tensor, path: Path, columns: int = COLUMNS) -> None:
    """Lossless, so that what is looked at is what was measured. No metadata."""
    # The least effort: a tenth larger, and 40 times as fast.
    picture = io.BytesIO()
    Image.fromarray(grid(images, columns)).save(picture, format="WEBP", lossless=True, quality=0, method=0)
    write_atomic(path, picture.getbuffer())


def save_animation(frames: Sequence[Path], path: Path, milliseconds: int = 400) -> None:
    """The grids of a run one after another, the last one held for longer. One that is damaged is left out: a picture is
    no reason to lose a run."""
    pictures = []
    for frame in frames:
        try:
            with Image.open(frame, formats=["WEBP"]) as opened:
                pictures.append(opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            print(f"{frame.name}: is damaged and left out of {path.name} ({error})")
    if pictures:
        durations = [milliseconds] * (len(pictures) - 1) + [5 * milliseconds]
        film = io.BytesIO()
        pictures[0].save(
            film, format="WEBP", save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=80
        )
        write_atomic(path, film.getbuffer())
