"""Which values make sense, beyond their types: one table, one line per field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Check = tuple[Callable[[Any], bool], str]  # what must hold, and how to say it

_positive: Check = (lambda v: v > 0, "must be greater than 0")
_at_least_0: Check = (lambda v: v >= 0, "must be at least 0")
_at_least_1: Check = (lambda v: v >= 1, "must be at least 1")
_at_least_2: Check = (lambda v: v >= 2, "must be at least 2")
_sizes: Check = (lambda v: all(size >= 1 for size in v), "must hold numbers of at least 1")
_share: Check = (lambda v: 0 <= v < 1, "must be at least 0 and less than 1")
_two_betas: Check = (lambda v: len(v) == 2 and all(0 <= b < 1 for b in v), "must be two numbers, each in [0, 1)")
_interval: Check = (lambda v: len(v) == 2 and v[0] < v[1], "must be two numbers, the lower one first")
_ema: Check = (lambda v: 0 < v < 1, "must be between 0 and 1, such as 0.999; null keeps no average")
_image_side: Check = (lambda v: 8 <= v <= 4096, "must be between 8 and 4096; null keeps images as they are")
_heads: Check = (lambda v: all(size >= 1 for size in v.values()), "must hold sizes of at least 1")
_budget: Check = (
    lambda v: len(v.given()) == 1,
    "must have exactly one of steps, images, d_updates, g_updates, seconds; set training.budget whole to change which",
)
_amount: Check = (lambda v: len(v.given()) != 1 or v.amount > 0, "must be greater than 0")

_network: dict[str, Check] = {
    "width": _at_least_1,
    "kernel": _at_least_1,
    "slope": _at_least_0,
    "dropout": _share,
    "attention_at": _sizes,
    "heads": _heads,
    "optimizer.lr": _positive,
    "optimizer.betas": _two_betas,
    "optimizer.momentum": _share,
    "optimizer.weight_decay": _at_least_0,
    "optimizer.decay_from": (lambda v: 0 <= v <= 1, "must be between 0 and 1"),
}
_evaluation: dict[str, Check] = {
    "resize": _image_side,
    "images": _at_least_2,
    "window": _at_least_1,
    "curve": _at_least_0,
    "final_images": _at_least_2,
    "reference_images": _at_least_2,
    "batch_size": _at_least_1,
    "metrics": (lambda v: len(v) > 0, "must name at least one metric"),
}
BASE: list[tuple[str, Check]] = [
    *((f"{network}.{name}", check) for network in ("generator", "discriminator") for name, check in _network.items()),
    ("latents.size", _at_least_1),
    ("input_range", _interval),
    ("ema", _ema),
    ("training.budget", _budget),
    ("training.budget", _amount),
    ("training.batch_size", _at_least_1),
    ("training.d_updates", _at_least_1),
    ("training.g_updates", _at_least_1),
    ("training.threads", _at_least_1),
    ("replicate", _at_least_0),
    *((f"evaluation.{name}", check) for name, check in _evaluation.items()),
]
OPTIONS: list[tuple[str, Check]] = [
    ("log_every", _at_least_1),
    ("checkpoint_seconds", _positive),
    ("hang_seconds", _positive),
    ("resources.cpus", _at_least_1),
    ("resources.gpus", _at_least_0),
    ("resources.memory_gib", _positive),
    ("resources.hours", _positive),
]


def outside(record: Any, table: list[tuple[str, Check]]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths whose values are out of range, with what they must be. Fields that hold None are not set."""
    for path, (holds, sentence) in table:
        value = record
        for step in path.split("."):
            value = getattr(value, step)
        if value is not None and not holds(value):
            yield tuple(path.split(".")), sentence
