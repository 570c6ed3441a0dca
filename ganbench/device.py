"""Which device a process uses, and what is known of it. One code path for all of them."""

from __future__ import annotations

import os
import resource
import sys

import torch

from ganbench.errors import ConfigError


def pick(name: str) -> torch.device:
    """`auto` takes a GPU when there is one. Raises ConfigError when the named device is not here."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r}: no such device. Known: auto, cpu, cuda, cuda:0, mps.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r}: this machine has {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {name!r}: is not available on this machine")
    return device


def configure(device: torch.device, threads: int, deterministic: bool) -> None:
    """Set threads and the kernels' behaviour, once, at the start of a cell's process."""
    torch.set_num_threads(threads)
    full_precision()
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Filling every new tensor with NaN finds reads of fresh memory, at a tenth of the time; it is for debugging.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = False
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True


def full_precision() -> None:
    """fp32 means fp32: convolutions and products are not rounded to TF32 (10 bits). For every process that computes."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def settings() -> dict[str, bool | int]:
    """How kernels compute in this process; numbers of different settings differ in their last digits, or more."""
    return {
        "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "threads": torch.get_num_threads(),
    }


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe(device: torch.device) -> str:
    """`cpu`, or `cuda: NVIDIA ...`."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def peak_memory_mib(device: torch.device) -> float:
    """Of the device where it has its own memory, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
