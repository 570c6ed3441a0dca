"""Procedural scenes of one to three shaded objects: 24 flags, as in i-CLEVR."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from ganbench import Dataset, DatasetInfo, LabelInfo, Samples, Split
from ganbench_zoo.datasets.drawing import (
    FULL,
    Canvas,
    Draws,
    Ints,
    box,
    check_options,
    ellipse,
    per_image,
    polygon,
    render,
    rotation,
)

SHAPES = ("cube", "sphere", "cylinder")
COLOURS = {
    "gray": (88, 88, 92),
    "red": (190, 36, 36),
    "blue": (40, 74, 220),
    "green": (30, 124, 36),
    "brown": (132, 78, 28),
    "purple": (134, 44, 196),
    "cyan": (44, 204, 208),
    "yellow": (248, 226, 52),
}
NAMES = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)  # class -> name, in i-CLEVR's order
PALETTE = np.array(list(COLOURS.values()), np.int64)
NONE = -1  # in the place of a class: no object
# The floor is a grid of 3 x 2 places. (x, y) of their centres, in drawing units, back row first.
PLACES = np.array([(x, y) for y in (1780, 3060) for x in (780, 2048, 3316)], np.int64)


def scenes(held_out: bool) -> list[Ints]:
    """For 1, 2 and 3 objects the sets of distinct classes [m, 3], filled up with NONE. About one in 16 sets of two and
    three is held out, by a fixed multiplicative hash of the classes in ascending order (Knuth, 1973)."""
    tables = []
    for k in (1, 2, 3):
        rows = np.array(list(combinations(range(len(NAMES)), k)), np.int64)
        number = (rows * 25 ** np.arange(k)).sum(1) + 1
        chosen = (number * 2654435761 % 2**32 >> 28 == 7) & (k > 1)
        kept = rows[chosen if held_out else ~chosen]
        tables.append(np.pad(kept, ((0, 0), (0, 3 - k)), constant_values=NONE))
    return tables


@dataclass(frozen=True, kw_only=True)
class Blocks(Dataset):
    """Procedural scenes of 1 to 3 shaded objects, labelled by 24 flags, after i-CLEVR (El-Nouby et al., 2019).

    The flags are 8 colours x 3 shapes; the objects of a scene differ in class. Image number i of a split depends on
    (seed, split, i) alone, to the bit, on every machine. About 6 % of the sets of two and three classes never occur in
    `train` and `held_out`; they make the split `conditions`.
    """

    size: Literal[16, 32, 64, 128] = 32  # side in pixels
    train: int = 12000  # images to train on, >= 1
    held_out: int = 2000  # images that no GAN trains on, >= 1
    conditions: int = 512  # images of the sets that are held out, >= 1; two and three objects in turn
    seed: int = 0  # other seeds give other scenes of the same kind

    def __post_init__(self) -> None:
        check_options(self.size, {"train": self.train, "held_out": self.held_out, "conditions": self.conditions})

    def info(self) -> DatasetInfo:
        counts = {"train": self.train, "held_out": self.held_out, "conditions": self.conditions}
        objects = LabelInfo(kind="flags", size=len(NAMES), names=NAMES)
        return DatasetInfo(shape=(3, self.size, self.size), counts=counts, labels={"objects": objects})

    def make(self, split: Split) -> Samples:
        count = self.info().counts[split]
        classes = self._classes(split, np.arange(count, dtype=np.int64))
        images = render(self.size, count, lambda index: _draw(self.size, classes[index], self._draws(split, index)))
        return Samples(images=images, labels={"objects": flags(classes)})

    def _classes(self, split: Split, index: Ints) -> Ints:
        """[n, 3] classes of the objects, ascending, NONE where there is none."""
        tables = scenes(held_out=split == "conditions")
        draws = self._draws(split, index)
        if split == "conditions":
            which = 1 + index % 2
            rows = [index // 2 % max(len(table), 1) for table in tables]  # each set in turn
        else:
            which = draws.integer("objects", 0, 2)
            rows = [draws.integer(f"set of {k + 1}", 0, len(table) - 1) for k, table in enumerate(tables)]
        classes = np.full((len(index), 3), NONE, np.int64)
        for k, table in enumerate(tables):
            mine = which == k
            classes[mine] = table[rows[k][mine]]
        return classes

    def _draws(self, split: Split, index: Ints) -> Draws:
        return Draws(seed=self.seed, split=split, index=index)


def flags(classes: Ints) -> npt.NDArray[np.float32]:
    """[n, 3] classes or NONE -> [n, 24] in {0, 1}"""
    return (classes[:, :, None] == np.arange(len(NAMES))).any(1).astype(np.float32)


def _draw(size: int, classes: Ints, draws: Draws) -> Canvas:
    grey = draws.integer("floor", 150, 196)
    canvas = Canvas.plain(size, np.stack([grey, grey, grey + 2], 1))
    light = per_image(grey) + (canvas.y - 2048) * 24 // 2048 - (canvas.x - 2048) * 10 // 2048  # nearer is lighter
    canvas.pixels[:] = light[:, None]

    # Distinct places in random order; then back to front, so that near objects hide far ones.
    order = np.stack([draws.integer(f"place {p}", 0, 2**31 - 1) for p in range(len(PLACES))], 1).argsort(
        1, kind="stable"
    )
    positions = []
    for k in range(3):
        jitter = np.stack([draws.integer(f"x {k}", -170, 170), draws.integer(f"y {k}", -190, 190)], 1)
        positions.append(PLACES[order[:, k]] + jitter)
    position = np.stack(positions, 1)  # n 3 2
    back_first = position[:, :, 1].argsort(1, kind="stable")
    for k in range(3):
        slot = back_first[:, k]
        rows = np.arange(len(classes))
        here, at = classes[rows, slot], position[rows, slot]
        for shape, name in enumerate(SHAPES):
            mine = np.flatnonzero((here >= 0) & (here // len(COLOURS) == shape))
            if len(mine):
                part = Canvas(canvas.pixels[mine])
                chosen = Draws(seed=draws.seed, split=f"{draws.split}/{k}", index=draws.index[mine])
                _object(part, name, PALETTE[here[mine] % len(COLOURS)], at[mine, 0], at[mine, 1], chosen)
                canvas.pixels[mine] = part.pixels
    return canvas


def _object(canvas: Canvas, shape: str, colour: Ints, x: Ints, y: Ints, draws: Draws) -> None:
    """One object whose foot is around (x, y); nearer ones are larger."""
    radius = draws.integer("radius", 430, 500) * (4000 + y) // 6000  # 0.96 in the back row, 1.18 in front
    colour = draws.jitter("colour", colour, 8)
    shadow = ellipse(canvas.x, canvas.y, x + radius // 3, y + radius // 8, radius * 5 // 4, radius * 5 // 8)
    canvas.paint(shadow, np.full_like(colour, 40), opacity=110, blur=320)
    match shape:
        case "cube":
            _cube(canvas, colour, x, y, radius, draws)
        case "sphere":
            _sphere(canvas, colour, x, y - radius * 3 // 4, radius)
        case _:
            _cylinder(canvas, colour, x, y, radius * 15 // 16)


def _cube(canvas: Canvas, colour: Ints, x: Ints, y: Ints, radius: Ints, draws: Draws) -> None:
    """Seen from above at an angle: depth is halved on the screen."""
    half = radius * 13 // 16
    cos, sin = rotation(draws.integer("turn", 60, 370))  # 7 to 40 degrees and, mirrored, the same to the other side
    mirrored = draws.integer("mirrored", 0, 1) == 1
    cos, sin = np.where(mirrored, sin, cos), np.where(mirrored, cos, sin)
    wide, deep = half * (cos + sin) >> 10, half * (cos - sin) >> 10
    top = y - half * 7 // 4
    near, right = (x + deep, wide // 2), (x + wide, -(deep // 2))
    far, left = (x - deep, -(wide // 2)), (x - wide, deep // 2)

    def corner(of: tuple[Ints, Ints], level: Ints) -> tuple[Ints, Ints]:
        return of[0], level + of[1]

    outline = [corner(far, top), corner(right, top), corner(right, y), corner(near, y), corner(left, y)]
    canvas.paint(polygon(canvas.x, canvas.y, *outline, corner(left, top)), colour)
    right_side = [corner(near, top), corner(right, top), corner(right, y), corner(near, y)]
    canvas.paint(polygon(canvas.x, canvas.y, *right_side), colour * 5 // 8)
    lid = polygon(canvas.x, canvas.y, corner(far, top), corner(right, top), corner(near, top), corner(left, top))
    canvas.paint(lid, _lighter(colour, 80))


def _sphere(canvas: Canvas, colour: Ints, x: Ints, y: Ints, radius: Ints) -> None:
    """Lit from the upper left."""
    towards_light = -((canvas.x - per_image(x)) + (canvas.y - per_image(y))) * 128 // per_image(radius)
    brightness = np.clip(240 + towards_light * 3 // 4, 110, 310)
    shaded = np.clip(colour[:, :, None, None] * brightness[:, None] // 256, 0, 255)
    canvas.paint(ellipse(canvas.x, canvas.y, x, y, radius, radius), shaded)
    glint = ellipse(canvas.x, canvas.y, x - radius * 3 // 8, y - radius * 3 // 8, radius // 5, radius // 5)
    canvas.paint(glint, np.full_like(colour, 255), opacity=200, blur=120)


def _cylinder(canvas: Canvas, colour: Ints, x: Ints, y: Ints, radius: Ints) -> None:
    height, flat = radius * 3 // 2, radius // 2
    side = np.minimum(
        box(canvas.x, canvas.y, x, y - height // 2, radius, height // 2),
        ellipse(canvas.x, canvas.y, x, y, radius, flat),
    )
    across = np.clip((canvas.x - per_image(x)) * 128 // per_image(radius), -128, 128)
    brightness = 218 - across * 5 // 8
    shaded = np.clip(colour[:, :, None, None] * brightness[:, None] // 256, 0, 255)
    canvas.paint(side, np.broadcast_to(shaded, (len(colour), 3, *side.shape[1:])))
    canvas.paint(ellipse(canvas.x, canvas.y, x, y - height, radius, flat), _lighter(colour, 80))


def _lighter(colour: Ints, by: int) -> Ints:
    """`by` of FULL towards white."""
    return colour + (255 - colour) * by // FULL
