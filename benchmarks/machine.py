"""What a figure was measured on: without it, it says nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

INTERESTING = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")


def describe() -> str:
    """The processor, its cores and vector units, the versions and the load while measuring."""
    said: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        name, _, value = line.partition(":")
        said.setdefault(name.strip(), value.strip())
    flags = set(said.get("flags", "").split())
    model = (
        f"{said.get('model name', platform.processor())} (family {said.get('cpu family')}, model {said.get('model')})"
    )
    units = ", ".join(f"{name}: {'yes' if name in flags else 'no'}" for name in INTERESTING)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores; {units}\n"
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()} {platform.release()}, "
        f"{gpu()}; load average {load}"
    )


def gpu() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
