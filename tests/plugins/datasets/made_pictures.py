"""Small pictures and tables, written into folders of a test."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganbench import Dataset, Samples, Split

SPLITS: tuple[Split, ...] = ("train", "held_out", "conditions")


def solid(path: Path, colour: Any = (200, 10, 20), size: tuple[int, int] = (8, 8), **save: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **save)
    return path


def numbered(folder: Path, count: int, suffix: str = ".png", digits: int = 3) -> list[str]:
    """Pictures whose red value is their number: 000.png is 0, 001.png is 1 ..."""
    names = [f"{i:0{digits}}{suffix}" for i in range(count)]
    for i, name in enumerate(names):
        kind = {"format": "PNG"} if suffix.lower() == ".png" else {"format": "JPEG", "quality": 100}
        solid(folder / name, (i, 40, 80), **kind)
    return names


def reds(samples: Samples) -> list[int]:
    """The numbers of the pictures in a split."""
    return [int(image[0, 0, 0]) for image in samples.images]


def truncated(path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:-500])
    return path


def bomb(path: Path, side: int) -> Path:
    """A PNG of a few bytes that says it is side x side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def table(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding)
    return path


def left_out(plugin: Dataset, split: Split = "train") -> dict[str, tuple[int, Sequence[str]]]:
    """Reason -> count and names."""
    return {one.reason: (one.count, one.first) for one in plugin.make(split).skipped}
