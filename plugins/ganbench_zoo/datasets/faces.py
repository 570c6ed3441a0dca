"""Procedural cartoon faces: labels hair, eyes, face and glasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

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
    render,
    rotation,
)

LABELS = {
    "hair": LabelInfo(kind="class", size=6, names=("black", "brown", "blond", "red", "gray", "blue")),
    "eyes": LabelInfo(kind="class", size=4, names=("brown", "blue", "green", "violet")),
    "face": LabelInfo(kind="class", size=3, names=("neutral", "smile", "surprised")),
    "glasses": LabelInfo(kind="class", size=2, names=("without", "with")),
}
HAIR = np.array([(38, 32, 38), (118, 66, 28), (242, 206, 92), (206, 64, 30), (166, 168, 176), (52, 96, 216)], np.int64)
EYES = np.array([(116, 60, 14), (28, 110, 236), (20, 158, 62), (156, 46, 206)], np.int64)
SKIN = np.array([(255, 222, 196), (244, 204, 168), (226, 178, 136), (190, 138, 98), (146, 98, 66)], np.int64)
BACKGROUND = np.array([(206, 226, 240), (218, 236, 212), (244, 226, 210), (230, 218, 240), (244, 240, 214)], np.int64)
CLOTH = np.array([(70, 90, 120), (150, 60, 70), (60, 120, 90), (220, 220, 225), (120, 90, 140)], np.int64)
FRAME = np.array([(30, 28, 34), (96, 30, 34), (28, 44, 92)], np.int64)


def combinations(held_out: bool) -> Ints:
    """[k, 4] labels in the order of LABELS. For each pair of hair and eyes one of the six pairs of face and glasses is
    held out, so that every single value keeps five sixths of its combinations: 24 held out, 120 to train on."""
    every = np.stack(np.meshgrid(*(np.arange(label.size) for label in LABELS.values()), indexing="ij"), -1)
    rows = every.reshape(-1, 4).astype(np.int64)
    hair, eyes, face, glasses = rows.T
    chosen = (hair + eyes) % 6 == face + 3 * glasses
    return rows[chosen if held_out else ~chosen]


@dataclass(frozen=True, kw_only=True)
class Faces(Dataset):
    """Procedural cartoon faces with four labels: hair 6, eyes 4, face 3, glasses 2; made in seconds, no download.

    Image number i of a split depends on (seed, split, i) alone, to the bit, on every machine. 24 of the 144 label
    combinations never occur in `train` and `held_out`; they make the split `conditions`.
    """

    size: Literal[16, 32, 64, 128] = 32  # side in pixels
    train: int = 8000  # images to train on, >= 1
    held_out: int = 2000  # images that no GAN trains on, >= 1
    conditions: int = 720  # images of the combinations that are held out, >= 1; 24 combinations in turn
    seed: int = 0  # other seeds give other faces of the same kind

    def __post_init__(self) -> None:
        check_options(self.size, {"train": self.train, "held_out": self.held_out, "conditions": self.conditions})

    def info(self) -> DatasetInfo:
        counts = {"train": self.train, "held_out": self.held_out, "conditions": self.conditions}
        return DatasetInfo(shape=(3, self.size, self.size), counts=counts, labels=dict(LABELS))

    def make(self, split: Split) -> Samples:
        count = self.info().counts[split]
        labels = self._labels(split, np.arange(count, dtype=np.int64))
        images = render(self.size, count, lambda index: _draw(self.size, labels[index], self._draws(split, index)))
        return Samples(images=images, labels=dict(zip(LABELS, np.ascontiguousarray(labels.T), strict=True)))

    def _labels(self, split: Split, index: Ints) -> Ints:
        """[n, 4]"""
        table = combinations(held_out=split == "conditions")
        if split == "conditions":
            return table[index % len(table)]
        return table[self._draws(split, index).integer("labels", 0, len(table) - 1)]

    def _draws(self, split: Split, index: Ints) -> Draws:
        return Draws(seed=self.seed, split=split, index=index)


def _draw(size: int, labels: Ints, draws: Draws) -> Canvas:
    """Faces with labels [n, 4], back to front. Positions are relative to the centre of the head."""
    hair_class, eye_class, face, glasses = labels.T
    smile, surprised = face == 1, face == 2
    hair = draws.jitter("hair", HAIR[hair_class], 10)
    skin = draws.colour("skin", SKIN, 8)
    shade = skin * 7 // 8

    canvas = Canvas.plain(size, draws.colour("background", BACKGROUND, 12))
    x, y, scale = _pose(canvas, draws)

    def length(purpose: str, low: int, high: int) -> Ints:
        return draws.integer(purpose, low, high) * scale // 256

    def fixed(value: int) -> Ints:
        return value * scale // 256

    wide, tall = length("wide", 980, 1150), length("tall", 1180, 1330)  # half axes of the head

    # --- behind the head ---
    cloth = draws.colour("cloth", CLOTH, 16)
    canvas.paint(ellipse(x, y, 0, fixed(2500), fixed(1560), fixed(950)), cloth)
    volume, hair_end = length("volume", 150, 330), length("hair_end", -100, 1700)
    locks = ellipse(x, y, 0, fixed(250), wide + volume, tall + volume + fixed(280))
    canvas.paint(np.maximum(locks, y - per_image(hair_end)), hair * 7 // 8)
    canvas.paint(box(x, y, 0, fixed(1400), fixed(330), fixed(420)), shade)  # neck
    canvas.paint(ellipse(np.abs(x), y, wide, fixed(160), fixed(150), fixed(230)), shade)  # ears

    # --- head and the hair in front of it ---
    chin = ellipse(x, y, 0, fixed(420), wide * length("jaw", 200, 235) // fixed(256), tall - fixed(400))
    canvas.paint(np.minimum(ellipse(x, y, 0, 0, wide, tall), chin), skin)
    parting, fringe = length("parting", -280, 280), length("fringe", -660, -440)
    opening = ellipse(x, y, parting, fringe + fixed(1150), wide - fixed(30), fixed(1150))
    cap = ellipse(x, y, 0, fixed(-80), wide + volume * 3 // 4, tall + volume * 3 // 4)
    temples = y - per_image(length("temples", -150, 350))
    canvas.paint(np.maximum(np.maximum(cap, -opening), temples), hair)

    # --- features: turning the head moves them sideways ---
    x = x - per_image(length("turn", -150, 150))
    apart, eye_level = length("apart", 440, 510), length("eye_level", 30, 130)
    side = x - np.where(x > 0, per_image(apart), per_image(-apart))  # from the centre of the nearer eye
    nose = eye_level + length("nose", 330, 400)
    canvas.paint(ellipse(x, y, 0, nose, fixed(85), fixed(110)), shade * 15 // 16)
    blush = np.stack([skin[:, 0], skin[:, 1] * 3 // 4, skin[:, 2] * 3 // 4], 1)
    cheek = ellipse(np.abs(x), y, apart + fixed(130), nose + fixed(90), fixed(210), fixed(150))
    canvas.paint(cheek, blush, opacity=draws.integer("blush", 0, 160), blur=160)
    _eyes(canvas, side, y, scale, eye_level, EYES[eye_class], draws)
    brow = eye_level - length("brow", 440, 490) - np.where(surprised, fixed(90), 0)
    canvas.paint(ellipse(side, y, 0, brow, fixed(270), fixed(62)), hair // 2)
    _mouth(canvas, x, y, scale, nose + length("mouth", 330, 390), smile, surprised, draws)

    # --- glasses ---
    ring_wide, ring_tall = apart - fixed(35), length("rim", 370, 430)
    lens = ellipse(side, y, 0, eye_level, ring_wide, ring_tall)
    canvas.paint(lens, np.full_like(skin, 255), opacity=40 * glasses)
    bow = np.maximum(np.abs(y - per_image(eye_level)) - per_image(fixed(50)), np.abs(x) - per_image(wide))
    frame = np.minimum(np.abs(lens) - per_image(length("frame_width", 60, 75)), np.maximum(bow, -lens))
    canvas.paint(frame, draws.colour("frame", FRAME, 8), opacity=FULL * glasses)
    return canvas


def _pose(canvas: Canvas, draws: Draws) -> tuple[Ints, Ints, Ints]:
    """Coordinates of every pixel as seen from a shifted and tilted head, and the head's scale (256 is 1)."""
    x = canvas.x - per_image(2048 + draws.integer("x", -200, 200))
    y = canvas.y - per_image(2030 + draws.integer("y", -140, 140))
    cos, sin = (per_image(value) for value in rotation(draws.integer("tilt", -110, 110)))  # up to 12 degrees
    return (x * cos + y * sin) >> 10, (y * cos - x * sin) >> 10, draws.integer("scale", 234, 284)


def _eyes(canvas: Canvas, side: Ints, y: Ints, scale: Ints, level: Ints, colour: Ints, draws: Draws) -> None:
    """Both eyes at once: `side` is the distance from the centre of the nearer one."""
    wide = draws.integer("eye_wide", 300, 345) * scale // 256
    tall = draws.integer("eye_tall", 270, 340) * scale // 256
    white = ellipse(side, y, 0, level, wide, tall)
    canvas.paint(white, np.full_like(colour, 250))
    look = draws.integer("look", -60, 60) * scale // 256
    radius = 225 * scale // 256
    canvas.paint(np.maximum(white, ellipse(side, y, look, level, radius, radius)), draws.jitter("iris", colour, 10))
    canvas.paint(ellipse(side, y, look, level, radius * 2 // 5, radius * 2 // 5), np.full_like(colour, 20))
    glint = 60 * scale // 256
    canvas.paint(ellipse(side, y, look - glint, level - glint, glint, glint), np.full_like(colour, 255))


def _mouth(
    canvas: Canvas, x: Ints, y: Ints, scale: Ints, level: Ints, smile: Ints, surprised: Ints, draws: Draws
) -> None:
    """A line; a half-moon with teeth; or an open O."""
    which = np.where(smile, 1, np.where(surprised, 2, 0))
    wide = (np.array([270, 440, 200], np.int64)[which] + draws.integer("mouth_wide", -30, 30)) * scale // 256
    tall = (np.array([62, 330, 255], np.int64)[which] + draws.integer("mouth_tall", -10, 10)) * scale // 256
    level = level - np.where(smile, 90, 0) * scale // 256
    shape = ellipse(x, y, 0, level, wide, tall)
    shape = np.where(per_image(smile) > 0, np.maximum(shape, per_image(level) - y), shape)
    canvas.paint(shape, draws.colour("lips", np.array([(140, 34, 44)], np.int64), 16))
    teeth = np.maximum(shape, y - per_image(level + 95 * scale // 256))
    canvas.paint(teeth, np.full((len(wide), 3), 250, np.int64), opacity=FULL * smile.astype(np.int64))
