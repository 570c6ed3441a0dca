"""A pretrained network as a feature extractor: frozen, always fp32, in batches of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganbench import DataError, Features


@dataclass(frozen=True, kw_only=True)
class FrozenNetwork:
    """Calls `network` (uint8 N 3 H W on the device -> pooled [N, F], logits [N, K]) on any number of images."""

    network: Callable[[Tensor], tuple[Tensor, Tensor]]
    device: torch.device

    @property
    def batch_size(self) -> int:
        return 64 if self.device.type == "cpu" else 256  # on the CPU, larger batches were slower

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected uint8 images N 3 H W, not {images.dtype} {tuple(images.shape)}")
        pooled, logits = [], []
        # bf16 features move FID by up to 4 %: fp32 even where the caller has autocast on.
        with torch.autocast(self.device.type, enabled=False), _full_precision(self.device):
            for start in range(0, len(images), self.batch_size):
                batch = images[start : start + self.batch_size].to(self.device)
                batch_pooled, batch_logits = self.network(batch)
                pooled.append(batch_pooled.cpu())
                logits.append(batch_logits.cpu())
        return Features(pooled=torch.cat(pooled), logits=torch.cat(logits))


def check_sha256(path: Path, expected: str, *, owner: str, remedy: str) -> str:
    """The file's sha256, which must be `expected`. Raises DataError with what to do, in one line."""
    if not path.is_file():
        raise DataError(f"{owner}: the weights are missing: there is no file {path}. {remedy}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise DataError(f"{owner}: {path} is not the pinned weights file: sha256 {found}, not {expected}. {remedy}")
    return found


def _full_precision(device: torch.device) -> AbstractContextManager[None]:
    """cuDNN rounds the inputs of convolutions to TF32 (10 bits) by default, and picks kernels by timing if told to."""
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
