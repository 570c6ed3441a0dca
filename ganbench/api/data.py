"""Images and labels: what a data set is, what training draws from it, and what evaluation sees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Labels = dict[str, Tensor]  # name -> [N] int64 (class), or [N, K] float32 (flags in {0, 1}, or values)
Split = Literal["train", "held_out", "conditions"]


@dataclass(frozen=True, kw_only=True)
class LabelInfo:
    kind: Literal["class", "flags", "value"]
    size: int  # number of classes, or of columns
    names: tuple[str, ...] = ()  # of the classes or columns, in order; empty when they have none

    def __post_init__(self) -> None:
        if self.names and len(self.names) != self.size:
            raise ValueError(f"{len(self.names)} names for {self.size} {self.kind} entries")

    def name(self, index: int) -> str:
        return self.names[index] if self.names else str(index)


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What a configuration may depend on, known without loading an image."""

    shape: tuple[int, int, int]  # C H W, with C 1 or 3 and H = W
    counts: dict[str, int]  # images per split: train, held_out, conditions
    labels: dict[str, LabelInfo] = field(default_factory=dict)
    domain_label: str = ""  # for image translation: the class label whose classes are the domains
    without_images: tuple[Split, ...] = ()  # splits that have labels only: their images are black and mean nothing

    def __post_init__(self) -> None:
        if self.domain_label and getattr(self.labels.get(self.domain_label), "kind", None) != "class":
            raise ValueError(f"domain_label {self.domain_label!r} is no class label of this data set")

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in the order of their class numbers; one without a name where there are no such."""
        if not self.domain_label:
            return ("",)
        label = self.labels[self.domain_label]
        return tuple(map(label.name, range(label.size)))

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        return self.shape[1]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What a data set left out of a split, and why; shown whenever the split is made."""

    reason: str  # reads on from a number: "images without a row in the table"
    count: int
    first: tuple[str, ...] = ()  # some of their names

    def __str__(self) -> str:
        more = f" and {self.count - len(self.first)} more" if 0 < len(self.first) < self.count else ""
        return f"{self.count} {self.reason}" + (f": {', '.join(self.first)}{more}" if self.first else "")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One split of a data set in memory, as a dataset plugin makes it and as the cache keeps it."""

    images: npt.NDArray[np.uint8]  # N C H W
    labels: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)  # name -> [N] int64 or [N, K] float32
    domain: str = ""
    skipped: tuple[Skipped, ...] = ()  # not part of the digest

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """sha256 over shapes, pixels and labels: equal digests are equal data, on every machine."""
        state = hashlib.sha256()
        arrays: list[tuple[str, npt.NDArray[np.generic]]] = [("images", self.images), *sorted(self.labels.items())]
        for name, array in arrays:
            little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            state.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
            state.update(little.data)
        return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Batch:
    images: Tensor  # N C H W, float32, in config.input_range
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)

    def __add__(self, other: Batch) -> Batch:
        """Both, one after the other, as for the mixed batch of ganhacks 4's opposite."""
        labels = {name: torch.cat([value, other.labels[name]]) for name, value in self.labels.items()}
        return Batch(images=torch.cat([self.images, other.images]), labels=labels)

    def rows(self, start: int, stop: int) -> Batch:
        labels = {name: value[start:stop] for name, value in self.labels.items()}
        return Batch(images=self.images[start:stop], labels=labels)


class Data(Protocol):
    """Real images, as a pure function of (seed, step, update, domain): nothing to save, nothing to rewind."""

    @property
    def info(self) -> DatasetInfo: ...

    def batch(self, update: int, domain: str = "") -> Batch:
        """Real images number `update` of the current step."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """What metrics see: 8-bit images, exactly as they would be written to PNG files."""

    images: Tensor  # uint8, N 3 H W, on the CPU
    labels: Labels = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(
                f"an ImageSet holds uint8 images N 3 H W, not {self.images.dtype} {tuple(self.images.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """sha256 of the bytes; the only name under which features of these images may be cached."""
        header = f"{tuple(self.images.shape)}\n".encode()
        return hashlib.sha256(header + self.images.contiguous().numpy().tobytes()).hexdigest()


def rgb(images: Tensor) -> Tensor:
    """N 1 H W or N 3 H W -> N 3 H W; grey images are repeated over the channels."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
