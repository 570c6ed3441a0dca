"""Plugins under watch: nothing they are given is edited, no backward but the update's, no generator seeded, no file
written."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import hashlib
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from ganbench.seeds import reseed

P = TypeVar("P")
T = TypeVar("T")

OWN_GRADIENT = "for a gradient of your own use torch.autograd.grad(..., create_graph=True)"


# --- what a method does to others ------------------------------------------------------------------
def watched(
    plugin: P,
    base: type,
    methods: Iterable[str],
    after: Callable[[str, list[Any], Any], None],
    before: Callable[[], None],
    *,
    may_descend: bool = False,
) -> P:
    """The same plugin with its memory empty, whose own versions of these methods are watched at each call.

    after(name, arguments, answer) may look at what came out. may_descend: its updates call backward.
    """
    kind = type(plugin)
    own = {name: getattr(kind, name) for name in methods if getattr(kind, name) is not getattr(base, name, None)}
    made = copy.copy(plugin)
    made.__dict__.pop("memory", None)
    wrapped = {name: _watched(method, name, after, before, may_descend) for name, method in own.items()}
    object.__setattr__(made, "__class__", type(kind.__name__, (kind,), {"__module__": kind.__module__, **wrapped}))
    return made


def _watched(
    method: Callable[..., Any],
    name: str,
    after: Callable[[str, list[Any], Any], None],
    before: Callable[[], None],
    may_descend: bool,
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        given = [*arguments, *named.values()]
        before()
        with unedited(name, given), contextlib.nullcontext() if may_descend else no_backward(name):
            answer = method(self, *arguments, **named)
        after(name, given, answer)
        return answer

    return call


@contextlib.contextmanager
def unedited(where: str, given: Any) -> Iterator[None]:
    """What is given is left as it is."""
    before = [(tensor, tensor.detach().clone()) for tensor in tensors_in(given)]
    yield
    edited = [tensor for tensor, kept in before if not torch.equal(tensor.detach(), kept) and not kept.isnan().any()]
    assert not edited, (
        f"{where} edits in place what it was given (a tensor {list(edited[0].shape)}), which others use, too: "
        "make a new one, `x = x * 2` instead of `x *= 2` or `x.mul_(2)`"
    )


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in records, dicts and lists; networks are left out, which updates change."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for held in value.values():
            yield from tensors_in(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from tensors_in(held)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type | nn.Module):
        for field in dataclasses.fields(value):
            if field.name not in ("networks", "streams"):
                yield from tensors_in(getattr(value, field.name))


@contextlib.contextmanager
def no_backward(where: str) -> Iterator[None]:
    """There is one backward per update, through the sum of all terms, and the update does it."""

    def refused(*arguments: Any, **named: Any) -> None:
        raise AssertionError(f"{where} calls backward, which the update does once for all terms: {OWN_GRADIENT}")

    with mock.patch("torch.autograd.backward", refused), mock.patch("torch.Tensor.backward", refused):
        yield


# --- global random numbers -------------------------------------------------------------------------
def assert_not_reseeded(where: str, act: Callable[[], T]) -> T:
    """Whatever the act draws from the global generators, it goes on from where they were. Returns what it answers.

    It is called twice, from different states: who seeds leaves the same state behind both times.
    """
    states = []
    for seed in (11, 12):
        reseed(seed)
        answer = act()
        states.append(generator_states())
    compare_states(where, *states)
    return answer


def compare_states(where: str, left: dict[str, bytes], right: dict[str, bytes]) -> None:
    same = [name for name in left if left[name] == right[name]]
    assert not same, (
        f"{where} seeds the global generator of {same[0]}, and so sets everybody's random numbers: draw from `moment` "
        "in training, elsewhere from a generator of your own, such as torch.Generator().manual_seed(seed)"
    )


def generator_states() -> dict[str, bytes]:
    """Of the global generators, as digests."""
    states = {
        "torch": torch.default_generator.get_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state()[1:]).encode() + np.random.get_state()[1].tobytes(),  # type: ignore[index]
        "random": repr(random.getstate()).encode(),
    }
    return {name: hashlib.sha256(state).digest() for name, state in states.items()}


# --- files -----------------------------------------------------------------------------------------
_opened: list[str] | None = None  # for writing, while somebody watches


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and len(arguments) == 3:
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            _opened.append(os.fsdecode(path))


_audit = functools.cache(lambda: sys.addaudithook(_notice))  # for good: Python takes none back


@contextlib.contextmanager
def nothing_written() -> Iterator[None]:
    """In an empty working directory, which is still empty afterwards; nor is any other file opened for writing, but
    temporary ones, and those in folders that the plugin was given."""
    global _opened
    _audit()
    home, temporary = Path.cwd(), Path(tempfile.gettempdir()).resolve()
    with tempfile.TemporaryDirectory(prefix="ganbench-check-") as folder:
        os.chdir(folder)
        _opened = []
        try:
            yield
            left = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
            for path in map(Path, _opened):
                inside = path.is_absolute() and path.resolve().is_relative_to(temporary)
                if path.is_absolute() and not inside and path.parts[1] not in ("dev", "proc"):
                    left.append(str(path))
            left = [path for path in left if "__pycache__" not in Path(path).parts]  # Python's own, of what it imports
        finally:
            _opened = None
            os.chdir(home)
    assert not left, (
        f"it writes {left[0]}, where nobody asked it to: keep results in `memory`, in the folder that you are given, "
        "or through `real.cached`"
    )
