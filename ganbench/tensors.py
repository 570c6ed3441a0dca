"""State dicts as bytes, and back without running code."""

from __future__ import annotations

import io
from typing import Any


def torch_bytes(state: dict[str, Any]) -> memoryview:
    """Not copied once more: a checkpoint may be large."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def torch_load(content: bytes, device: str) -> dict[str, Any]:
    import torch
    from torch.serialization import default_restore_location

    def place(storage: Any, saved_on: str) -> Any:
        return default_restore_location(storage, "cpu" if saved_on == "cpu" else device)  # type: ignore[no-untyped-call]

    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=place, weights_only=True)
    return state
