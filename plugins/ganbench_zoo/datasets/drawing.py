"""Integer drawing for the data sets that are made by a program: the same bits on every machine.

Everything is whole numbers: positions are in units of 1/4096 of the image side, whatever its size in pixels; shapes are
signed distances in these units (negative inside), combined with `np.minimum` (union) and `np.maximum` (intersection);
the distance at a pixel's centre gives its anti-aliased coverage. Arrays hold a chunk of images at once: parameters are
[n], fields over pixels [n, S, S].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ganbench import ConfigError

UNIT = 4096  # side of an image, in drawing units
SIZES = (16, 32, 64, 128)  # sides in pixels: divide UNIT, so that pixel centres are whole numbers
FULL = 256  # coverage and opacity of what hides all behind it
_ROUND = 1024  # radius of an ellipse in its own coordinates

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Random numbers of single images: a pure function of (seed, split, purpose, number of the image)."""

    seed: int
    split: str
    index: Ints  # [n], numbers of the images within the split

    def integer(self, purpose: str, low: int, high: int) -> Ints:
        """[n] whole numbers, uniform in low..high, both included."""
        key = int.from_bytes(hashlib.sha256(f"{self.seed}/{self.split}/{purpose}".encode()).digest()[:8], "little")
        bits = _splitmix64(self.index.astype(np.uint64), key)
        span = np.uint64(high - low + 1)
        return ((bits >> np.uint64(32)) * span >> np.uint64(32)).astype(np.int64) + low

    def colour(self, purpose: str, palette: Ints, jitter: int) -> Ints:
        """[n, 3]: a row of the palette [k, 3], each channel moved by up to `jitter`."""
        return self.jitter(purpose, palette[self.integer(purpose, 0, len(palette) - 1)], jitter)

    def jitter(self, purpose: str, colour: Ints, jitter: int) -> Ints:
        """Colours [n, 3], each channel moved by up to `jitter`, within 0..255."""
        moves = [self.integer(f"{purpose}/{channel}", -jitter, jitter) for channel in "rgb"]
        return np.clip(colour + np.stack(moves, 1), 0, 255)


def _splitmix64(counter: npt.NDArray[np.uint64], key: int) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood, 2014): the output number `counter` of the stream that starts at `key`."""
    state = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Canvas:
    """A chunk of images, painted back to front."""

    def __init__(self, pixels: npt.NDArray[np.int32]) -> None:
        """`pixels` are painted in place: n 3 S S, 0..255."""
        size = pixels.shape[-1]
        self.pixels = pixels
        self.pixel = UNIT // size
        centres = np.arange(size, dtype=np.int64) * self.pixel + self.pixel // 2
        self.x = centres[None, None, :]  # [1, 1, S]
        self.y = centres[None, :, None]  # [1, S, 1]

    @classmethod
    def plain(cls, size: int, background: Ints) -> Canvas:
        """Images of one colour each, [n, 3]."""
        pixels = np.empty((len(background), 3, size, size), np.int32)
        pixels[:] = background[:, :, None, None]
        return cls(pixels)

    def paint(self, distance: Ints, colour: Ints, opacity: Ints | int = FULL, blur: int = 0) -> None:
        """Paint a shape. `colour` is [n, 3] or [n, 3, S, S]; `opacity` [n] or a number in 0..FULL; the edge is as soft
        as one pixel, or as `blur` units where that is more."""
        edge = max(self.pixel, blur)
        cover = np.clip(edge // 2 - distance, 0, edge).astype(np.int32) * FULL // edge
        if not (isinstance(opacity, int) and opacity == FULL):
            cover = cover * per_image(opacity).astype(np.int32) // FULL
        colour = (colour if colour.ndim == 4 else colour[:, :, None, None]).astype(np.int32)
        self.pixels += ((colour - self.pixels) * cover[:, None] + FULL // 2) // FULL

    def bytes(self) -> npt.NDArray[np.uint8]:
        """[n, 3, S, S]"""
        return np.clip(self.pixels, 0, 255).astype(np.uint8)


def render(size: int, count: int, draw: Callable[[Ints], Canvas]) -> npt.NDArray[np.uint8]:
    """Images 0 .. count - 1, where `draw(index)` paints those with the numbers `index`: in chunks that fit the
    processor's cache, so that memory stays bounded at any size."""
    images = np.empty((count, 3, size, size), np.uint8)
    chunk = max(1, 2**15 // size**2)
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        images[start:stop] = draw(np.arange(start, stop, dtype=np.int64)).bytes()
    return images


def check_options(size: int, counts: dict[str, int]) -> None:
    """Options that all of these data sets have. Raises ConfigError."""
    if size not in SIZES:
        raise ConfigError(f"size: {size} is not a power of two from 16 to 128.")
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name}: {count} images; at least 1 is needed.")


# --- signed distances, in drawing units, negative inside -------------------------------------------------------------
def ellipse(x: Ints, y: Ints, cx: Ints | int, cy: Ints | int, a: Ints | int, b: Ints | int) -> Ints:
    """Ellipse with half axes `a` and `b`. To first order f / |grad f|: exact at the edge, which is where it matters."""
    inverse_a, inverse_b = per_image(_ROUND * 1024 // a), per_image(_ROUND * 1024 // b)
    p = np.abs(x - per_image(cx)) * inverse_a >> 10
    q = np.abs(y - per_image(cy)) * inverse_b >> 10
    slope = hypotenuse(p * inverse_a >> 10, q * inverse_b >> 10)  # of f / 2
    return (p * p + q * q - _ROUND**2) // (2 * slope + 1)


def box(x: Ints, y: Ints, cx: Ints | int, cy: Ints | int, a: Ints | int, b: Ints | int) -> Ints:
    """Upright rectangle with half sides `a` and `b`."""
    return np.maximum(np.abs(x - per_image(cx)) - per_image(a), np.abs(y - per_image(cy)) - per_image(b))


def polygon(x: Ints, y: Ints, *corners: tuple[Ints, Ints]) -> Ints:
    """Convex polygon; corners [n] go round clockwise as seen on the screen (y points down)."""
    distance = None
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = np.maximum(square_root((x1 - x0) ** 2 + (y1 - y0) ** 2), 1)
        nx, ny = ((y1 - y0) * 1024) // length, ((x0 - x1) * 1024) // length  # outward normal
        edge = (x - per_image(x0)) * per_image(nx) + (y - per_image(y0)) * per_image(ny)
        distance = edge if distance is None else np.maximum(distance, edge)
    assert distance is not None
    return distance >> 10


# --- arithmetic ------------------------------------------------------------------------------------------------------
def per_image(value: Ints | int) -> Ints:
    """[n] -> [n, 1, 1], to go with fields over pixels."""
    return np.asarray(value, np.int64).reshape(-1, 1, 1)


def rotation(half_tangent: Ints) -> tuple[Ints, Ints]:
    """(cos, sin) times 1024 of the angle whose half has the tangent `half_tangent` / 1024: rational, so exact."""
    square = half_tangent * half_tangent
    return 1024 * (1024**2 - square) // (1024**2 + square), 1024 * 2048 * half_tangent // (1024**2 + square)


def hypotenuse(p: Ints, q: Ints) -> Ints:
    """sqrt(p^2 + q^2) of numbers >= 0, to 3 %: good enough for the softness of an edge."""
    longer = np.maximum(p, q)
    return np.maximum(longer, (longer * 7 >> 3) + (np.minimum(p, q) >> 1))


def square_root(value: Ints) -> Ints:
    """The whole square root, rounded down, of numbers in 0 .. 2^40."""
    root = np.zeros_like(value)
    for bit in range(20, -1, -1):
        trial = root + (1 << bit)
        root = np.where(trial * trial <= value, trial, root)
    return root
