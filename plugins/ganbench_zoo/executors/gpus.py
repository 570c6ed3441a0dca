"""The GPUs of this machine, and how many cells go on each."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

MARGIN = 1.3  # on what a cell needed at most: blocks of the allocator that are not full, and levels that need more
CONTEXT_MIB = 700.0  # that CUDA takes for each process, and no allocator counts
LOOK_SECONDS = 5.0  # between two looks at what is free
COMMAND = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.free", "--format=csv,noheader,nounits")

PerGpu = int | Literal["auto"]


def visible() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may name. torch is asked without starting CUDA in this process."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(index) for index in range(torch.cuda.device_count())]


def free_mib(gpus: list[str]) -> dict[str, float]:
    """What is free on each now; nothing where the driver does not say.

    CUDA counts GPUs by speed and the driver by place: where they are not all alike, an index may mean another one, and
    the fullest GPU stands for all.
    """
    try:
        said = subprocess.run(COMMAND, capture_output=True, text=True, check=True, timeout=30).stdout
        rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.strip()]
        known = [(index, uuid, float(total), float(free)) for index, uuid, total, free in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    alike = len({total for _, _, total, _ in known}) == 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    found = {}
    for gpu in gpus:
        mine = [free for index, uuid, _, free in known if uuid.startswith(gpu) or (alike and index == gpu)]
        if mine or (known and not alike and gpu.isdecimal()):
            found[gpu] = mine[0] if mine else min(free for _, _, _, free in known)
    return found


@dataclass
class Seats:
    """Which GPU the next cell goes to, and whether there is room for one more."""

    gpus: list[str]
    wanted: PerGpu = 1
    ask: Callable[[list[str]], dict[str, float]] = free_mib
    peak_mib: float = 0.0  # the most that a cell has needed until now; 0 before the first has ended
    idle: dict[str, float] = field(default_factory=dict)  # MiB that were free before any cell of ours was there
    free: dict[str, float] = field(default_factory=dict)
    looked: float = 0.0

    def __post_init__(self) -> None:
        if self.wanted == "auto" and self.gpus:
            self.idle = self.free = self.ask(self.gpus)
            self.looked = time.monotonic()

    @property
    def measured(self) -> bool:
        """Whether the driver says what is free; where it does not, `auto` stays at one cell on each."""
        return bool(self.idle)

    def ended(self, peak_mib: float) -> None:
        """A cell has ended, which has needed so much of a GPU's memory at most."""
        self.peak_mib = max(self.peak_mib, peak_mib)

    def on(self, gpu: str, taken: int) -> int:
        """How many cells a GPU has room for, of which so many are there."""
        if self.wanted != "auto":
            return self.wanted
        if not self.peak_mib or taken == 0:
            return 1
        need = MARGIN * self.peak_mib + CONTEXT_MIB
        ours, others = int(self.idle.get(gpu, 0.0) / need), taken + int(self._free_now().get(gpu, 0.0) / need)
        return max(min(ours, others), 1)  # cells that run may still grow, and others may have come

    def capacity(self, taken: Mapping[str, int]) -> int:
        """Of all GPUs."""
        return sum(self.on(gpu, taken.get(gpu, 0)) for gpu in self.gpus)

    def pick(self, taken: Mapping[str, int]) -> str | None:
        """The GPU with the fewest cells on it, of those with room."""
        room = [gpu for gpu in self.gpus if taken.get(gpu, 0) < self.on(gpu, taken.get(gpu, 0))]
        return min(room or self.gpus, key=lambda gpu: taken.get(gpu, 0)) if self.gpus else None

    def _free_now(self) -> dict[str, float]:
        if time.monotonic() - self.looked >= LOOK_SECONDS:
            self.free, self.looked = self.ask(self.gpus), time.monotonic()
        return self.free
