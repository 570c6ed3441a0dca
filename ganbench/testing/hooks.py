"""What the methods of training plugins may do to others, seen from outside while a run trains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from ganbench.api.architecture import Architecture
from ganbench.api.data import Batch
from ganbench.api.loss import Loss
from ganbench.api.plugin import Plugin
from ganbench.api.procedure import Procedure
from ganbench.api.training import DOutput, Parts, Targets
from ganbench.api.trick import Trick
from ganbench.seeds import reseed
from ganbench.testing.partners import Slots, base_of, kind_of, parts_of
from ganbench.testing.tiny import anew, inputs, run_steps, tiny_training
from ganbench.testing.watch import assert_not_reseeded, compare_states, generator_states, unedited, watched

METHODS: dict[type[Plugin], tuple[str, ...]] = {
    Trick: (
        *("prepare_networks", "before_update", "replace_fakes", "view"),
        *("adjust_targets", "extra_loss", "after_update"),
    ),
    Loss: ("discriminator", "generator", "on_real", "on_fake", "for_generator"),
    Procedure: ("step", "sampling_inputs", "sample"),
}
STEPS = 2


def check_hooks(plugin: Plugin) -> None:
    """Nothing given to it is edited, it calls no backward and seeds no global generator, and what it answers is what
    the contract says."""
    slots, info = base_of(plugin)
    parts = parts_of(slots, info)
    if isinstance(plugin, Architecture):
        check_forward(plugin, parts)
        return
    logs = [watched_run(plugin, slots, parts, seed) for seed in (21, 22)]
    for (where, left), (_, right) in zip(*logs, strict=False):
        compare_states(where, left, right)


def watched_run(plugin: Plugin, slots: Slots, parts: Parts, seed: int) -> list[tuple[str, dict[str, bytes]]]:
    """The states of the global generators after each call of a method, each begun from a state that `seed` gives."""
    base = next(base for base in METHODS if isinstance(plugin, base))
    states: list[tuple[str, dict[str, bytes]]] = []

    def after(name: str, given: list[Any], answer: Any) -> None:
        if not isinstance(plugin, Procedure):
            check_answer(name, given, answer)
        states.append((name, generator_states()))

    def before() -> None:
        reseed(seed + 2 * len(states))

    observed = watched(plugin, base, METHODS[base], after, before, may_descend=isinstance(plugin, Procedure))
    with harness_seeds(not isinstance(plugin, Procedure)):
        training, data = tiny_training(anew(with_plugin(parts, plugin, observed)))
        run_steps(training, data, STEPS)
    return states


def with_plugin(parts: Parts, plugin: Plugin, observed: Plugin) -> Parts:
    kind = kind_of(plugin)
    if kind != "trick":
        changed: dict[str, Any] = {kind: observed}
        return replace(parts, **changed)
    tricks = {name: observed if type(trick) is type(plugin) else trick for name, trick in parts.tricks.items()}
    return replace(parts, tricks=tricks)  # type: ignore[arg-type]


@contextlib.contextmanager
def harness_seeds(wanted: bool) -> Iterator[None]:
    """Updates seed the global generators themselves; a procedure that does so, too, shows only where they do not."""
    if wanted:
        yield
        return
    with mock.patch("ganbench.phases.reseed", lambda seed: None):
        yield


def check_answer(name: str, given: list[Any], answer: Any) -> None:
    """What a moment of a trick, or a formula of a loss, gives back."""
    match name:
        case "view":
            images: Tensor = given[0]
            assert isinstance(answer, Tensor), "view must return the images that D shall see"
            assert len(answer) == len(images), f"view must return as many images as it gets, not {len(answer)}"
            assert answer.dtype == images.dtype, f"view must return {images.dtype}, not {answer.dtype}"
            assert answer.requires_grad or not images.requires_grad, (
                "view cuts the gradient to G, which learns through it: use operations of torch, no detach, no numpy"
            )
        case "replace_fakes":
            assert isinstance(answer, Batch), "replace_fakes must return a Batch: dataclasses.replace(fake, images=...)"
        case "adjust_targets":
            assert isinstance(answer, Targets), (
                "adjust_targets must return Targets: dataclasses.replace(targets, real=...)"
            )
        case "extra_loss" if answer is not None:
            assert isinstance(answer, Tensor) and answer.ndim == 0, "extra_loss must return a scalar tensor, or None"
            assert answer.requires_grad or not answer.any(), (
                "extra_loss returns a number without a gradient, which changes nothing: do not detach it"
            )
        case "discriminator" | "generator":
            assert isinstance(answer, Tensor) and answer.ndim == 0, f"{name} must return a scalar tensor"


def check_forward(architecture: Architecture, parts: Parts) -> None:
    """Building and calling the networks edits nothing and seeds nothing."""
    config, info = parts.config, parts.info
    pair = assert_not_reseeded("building the networks", lambda: networks_of(architecture, parts))
    if "domains" in architecture.provides:
        return  # its networks take what their procedure gives them, and partners try that
    latents, labels = inputs(config, info)
    for network, given in zip(pair, (latents, torch.rand(4, *info.shape)), strict=True):
        name = "the generator" if network is pair[0] else "the discriminator"
        with unedited(f"{name}'s forward", [given, labels]):
            assert_not_reseeded(f"{name}'s forward", lambda network=network, given=given: network(given, labels))  # type: ignore[misc]
        encodes = network is pair[0] and "encoder" in architecture.provides
        check_gradient(name, network, given, labels, torch.rand(4, *info.shape) if encodes else None)


def networks_of(architecture: Architecture, parts: Parts) -> tuple[nn.Module, nn.Module]:
    generator = architecture.generator(parts.config, parts.info)
    return generator, architecture.discriminator(parts.config, parts.info)


def check_gradient(
    name: str, network: nn.Module, given: Tensor, labels: dict[str, Tensor], encoded: Tensor | None
) -> None:
    """The gradient reaches the input and every weight that may learn; `encoded`: images for its encoder."""
    given = given.clone().requires_grad_()
    answer = network(given, labels)
    if isinstance(answer, DOutput):
        # D's own losses count on reals, which have no history: a D may leave them out where there is one.
        own = network(given.detach(), labels).auxiliary
        held = [*answer.logits, *answer.heads.values(), *own.values()]
        value = torch.stack([tensor.float().sum() for tensor in held]).sum()
    else:
        value = answer.sum()
    if encoded is not None:
        encode: Any = network.encode
        value = value + torch.stack([code.sum() for code in encode(encoded, labels)]).sum()
    torch.autograd.backward(value)
    assert given.grad is not None and given.grad.any(), f"no gradient flows through {name} to its input: do not detach"
    silent = [key for key, weight in network.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not silent, f"no gradient reaches {silent[0]} of {name}: use it in forward, or do not make it a parameter"
