"""Stateless random numbers: every stream is a function of (seed, purpose), so no random state is ever carried or saved.

The idea follows edm2 (Karras et al., 2024): a resumed run needs no RNG state, and switching one consumer on changes
nothing that another one draws.
"""

from __future__ import annotations

import hashlib
import random


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on its arguments only. sha256, never hash(): the same in every process and version."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def reseed(seed: int) -> None:
    """Seed the global generators of torch (all devices), numpy and random.

    For everything that draws from them: `nn.Dropout`, layer noise, weight initialisation, foreign networks. The harness
    calls this at the start of every phase and before every construction step; a plugin never needs to.
    """
    import numpy
    import torch

    torch.default_generator.manual_seed(seed)
    # Not torch.manual_seed: before CUDA has started it records a stack trace for later, which takes milliseconds.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
    numpy.random.seed(seed % 2**32)
    random.seed(seed)
