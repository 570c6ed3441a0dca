"""A device that is not the CPU, for machines without one: tensors there are held on the CPU, and must not meet others.

It calls itself `meta`, which every build of torch knows, and computes, so that plugins which read numbers run, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

ELSEWHERE = torch.device("meta")
MOVES = ("_to_copy", "copy_")  # from one device to another
TAKES_CPU_INDICES = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")  # as CUDA does


class TwoDevices(AssertionError):
    """Tensors on two devices met in one operation."""


@contextlib.contextmanager
def pretended() -> Iterator[torch.device]:
    """Within it there is another device: what is made on it or moved to it stays there."""
    with mock.patch("torch.autocast", _Autocast), _Mode():  # type: ignore[no-untyped-call]
        yield ELSEWHERE


class _There(torch.Tensor):
    """A tensor on the other device; `held` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> _There:
        made: _There = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=ELSEWHERE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _call(function, args, kwargs or {})


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(function, args, kwargs or {})


class _Autocast(torch.autocast):
    """torch knows no autocast for this device; the CPU's does the same."""

    def __init__(self, device_type: str, *arguments: Any, **named: Any) -> None:
        super().__init__("cpu" if device_type == ELSEWHERE.type else device_type, *arguments, **named)


def _call(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function._schema.name.partition("::")[2]
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, _There)]
    if there and name not in MOVES and name not in TAKES_CPU_INDICES:
        for tensor in tensors:
            if tensor.ndim and not isinstance(tensor, _There):  # a number without dimensions may meet any device
                raise TwoDevices(
                    f"{name} is given tensors on two devices, the CPU and that of the run; the one on the CPU is "
                    f"{list(tensor.shape)}: make it with device=images.device, or with `like=images` where it is drawn"
                )
    device = kwargs.get("device")
    stays = bool(there) if device is None else torch.device(device).type == ELSEWHERE.type
    if name == "copy_":
        stays = isinstance(args[0], _There)
    if name == "_local_scalar_dense":
        stays = False
    if device is not None:
        generator = kwargs.get("generator")
        if stays and generator is not None:
            raise TwoDevices(f"{name} draws on the device of the run from a generator on the CPU: draw, then move")
        kwargs = {**kwargs, "device": torch.device("cpu")}
    answer = function(*tree_map(_here, args), **tree_map(_here, kwargs))
    for tensor in there:  # an operation in place answers with the tensor that it was given
        if tensor.held is answer:
            return tensor
    return tree_map(lambda value: _There(value) if stays and isinstance(value, Tensor) else value, answer)


def _here(value: Any) -> Any:
    return value.held if isinstance(value, _There) else value
