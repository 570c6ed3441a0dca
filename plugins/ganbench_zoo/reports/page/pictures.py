"""Sample grids, real images and nearest neighbours, made small enough to travel inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ganbench import Grid, Records, RunRecord
from ganbench_zoo.reports.wording import BASELINE, Level

Pixels = npt.NDArray[np.uint8]
BUDGET = 11_000_000  # bytes of all pictures, before base64 makes them a third larger
MOST = 500  # pictures in all: to read and write one takes about 8 ms
LARGEST = 60_000  # bytes of one
SIDE = 600  # pixels of the longer side, at most
GAP = 2  # pixels between the images of a grid


@dataclass(frozen=True, kw_only=True)
class Frame:
    step: int
    progress: float
    data: str  # data: URI


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What one run drew from its fixed latents."""

    level: Level
    seed: int
    cell: str
    frames: list[Frame]
    views: tuple[str, ...] = ()  # what stands side by side for each input; empty: samples alone


def galleries(records: Records) -> list[Gallery]:
    """For each level all frames of its first seed and the last one of the others, as far as the budget goes."""
    first: dict[Level, RunRecord] = {}
    for run in records.runs:
        known = first.get(run.level)
        if run.grids and (known is None or (known.status != "done" and run.status == "done")):
            first[run.level] = run
    others = [run for run in records.runs if run.grids and first[run.level] is not run]
    chosen = {run.cell: run.grids for run in first.values()}
    count = sum(map(len, chosen.values()))
    if count > MOST:  # fewer frames each, but always the last
        keep = max(MOST // max(len(chosen), 1), 1)
        chosen = {cell: thinned(grids, keep) for cell, grids in chosen.items()}
        count = sum(map(len, chosen.values()))
    whole = count + sum(len(run.grids) for run in others) <= min(MOST, 250)
    for run in others:
        more = run.grids if whole else run.grids[-1:]
        if count + len(more) <= MOST:
            chosen[run.cell] = more
            count += len(more)
    size = min(BUDGET // max(count, 1), LARGEST)
    made = []
    for run in records.runs:
        if run.cell in chosen:
            frames = [frame for grid in chosen[run.cell] if (frame := encoded(grid, size))]
            if frames:
                views = chosen[run.cell][-1].views
                made.append(Gallery(level=run.level, seed=run.seed, cell=run.cell, frames=frames, views=views))
    return made


def thinned(grids: Sequence[Grid], keep: int) -> list[Grid]:
    if keep >= len(grids):
        return list(grids)
    places = np.linspace(0, len(grids) - 1, keep).round().astype(int) if keep > 1 else [len(grids) - 1]
    return [grids[place] for place in places]


def encoded(grid: Grid, size: int) -> Frame | None:
    picture = opened(grid.path)
    if picture is None:
        return None
    return Frame(step=grid.step, progress=round(grid.progress, 4), data=data_uri(picture, size))


def opened(path: Path) -> Image.Image | None:
    """A picture of the results folder; None where it cannot be read. Everything else than pixels is left behind."""
    try:
        with Image.open(path, formats=["WEBP"]) as file:
            return file.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def data_uri(picture: Image.Image, size: int) -> str:
    """As WebP of at most `size` bytes: a lower quality first, then fewer rows of the grid."""
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    while True:
        for quality in (80, 50):
            file = io.BytesIO()
            picture.save(file, format="WEBP", quality=quality, method=2)
            if file.tell() <= size:
                break
        if file.tell() <= size or min(picture.size) < 64:
            return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
        picture = picture.crop((0, 0, picture.width, picture.height // 2))


# --- real images -----------------------------------------------------------------------------------
def load(path: Path | None, count: int) -> Pixels | None:
    """The first images of a split, N H W 3; None where it is gone."""
    if path is None:
        return None
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # damaged arrays raise nearly anything
        return None
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3) or images.size == 0:
        return None
    chosen = np.asarray(images[:count])
    return np.broadcast_to(chosen, (len(chosen), 3, *chosen.shape[2:])).transpose(0, 2, 3, 1)


def real_grid(records: Records) -> str | None:
    """As many real images as a grid has, in the same layout."""
    images = load(records.real, 64)
    return None if images is None else data_uri(Image.fromarray(together(images, 8)), LARGEST)


def together(images: Pixels, columns: int) -> Pixels:
    """N H W 3 -> one picture, row by row, on white."""
    n, height, width, _ = images.shape
    rows = -(-n // columns)
    picture = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        picture[top : top + height, left : left + width] = image
    return picture


# --- nearest training images -----------------------------------------------------------------------
SEARCHED = 20_000  # training images, at most
SHOWN = 8  # samples of a level
COARSE = 16  # pixels a side, in which distances are taken: a blur, so that noise does not hide a copy
LEVELS = 24


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    searched: int
    rows: list[tuple[Level, str, float]]  # level; samples above their nearest training images; mean distance
    real: float | None  # the same distance from held-out images, to compare with: real images are no copies


def neighbours(records: Records) -> Neighbours | None:
    """The nearest training image of some samples of each level, by the mean squared distance of coarse pixels. Copies
    show; a likeness of features does not."""
    training = load(records.training, SEARCHED)
    if training is None:
        return None
    coarse = blurred(training)
    rows = []
    for level, run in firsts(records).items():
        if run.grids[-1].views:  # its first images are inputs
            continue
        picture = opened(run.grids[-1].path)
        samples = None if picture is None else tiles(np.asarray(picture), training.shape[1], SHOWN)
        if samples is None:
            continue
        nearest, distance = closest(blurred(samples), coarse)
        pair = together(np.concatenate([samples, training[nearest]]), len(samples))
        rows.append((level, data_uri(Image.fromarray(pair), LARGEST), distance))
    held_out = load(records.training.parent.parent / "held_out" / "images.npy", 64) if records.training else None
    real = closest(blurred(held_out), coarse)[1] if held_out is not None and len(held_out) else None
    return Neighbours(searched=len(training), rows=rows, real=real) if rows else None


def firsts(records: Records) -> Mapping[Level, RunRecord]:
    """The first finished run of the baseline and of each level, up to a number that can be looked at."""
    found: dict[Level, RunRecord] = {}
    for run in records.runs:
        if run.grids and run.status == "done" and (run.level == BASELINE or len(found) < LEVELS):
            found.setdefault(run.level, run)
    return found


def tiles(grid: Pixels, side: int, count: int) -> Pixels | None:
    """The first images of a grid's first row."""
    found = [grid[:side, left : left + side] for left in range(0, grid.shape[1] - side + 1, side + GAP)][:count]
    return np.stack(found) if found and found[0].shape[:2] == (side, side) else None


def blurred(images: Pixels) -> npt.NDArray[np.float32]:
    """N H W 3 -> N COARSE*COARSE*3, means over blocks, 0..1."""
    _, height, width, _ = images.shape
    down, across = max(height // COARSE, 1), max(width // COARSE, 1)
    rows, columns = height // down, width // across
    parts = []
    for start in range(0, len(images), 1000):  # a data set of large images is larger than the memory
        part = images[start : start + 1000, : rows * down, : columns * across]
        blocks = part.reshape(len(part), rows, down, columns, across, 3)
        parts.append(blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(part), -1) / 255)
    return np.concatenate(parts)


def closest(samples: npt.NDArray[np.float32], among: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], float]:
    """Index of the nearest row for each sample, and the mean root-mean-square distance."""
    squares = (samples**2).sum(1)[:, None] - 2 * samples @ among.T + (among**2).sum(1)[None]
    nearest = squares.argmin(1)
    distance = np.sqrt(np.maximum(squares.min(1), 0) / samples.shape[1]).mean()
    return nearest, float(distance)
