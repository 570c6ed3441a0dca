"""Tiny runs on random 16 x 16 images."""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganbench import assemble, registry
from ganbench.api.architecture import Architecture
from ganbench.api.config import Budget, PluginSpec, RunConfig, TrainingConfig
from ganbench.api.data import DatasetInfo, LabelInfo, Labels, Samples
from ganbench.api.loss import Loss
from ganbench.api.plugin import Kind, Plugin
from ganbench.api.procedure import Procedure
from ganbench.api.training import Parts, Terms, Training
from ganbench.api.trick import Trick, change
from ganbench.errors import ConflictError
from ganbench.seeds import derive, reseed
from ganbench.train.data import RealImages
from ganbench.train.stand_ins import random_samples

Made = tuple[Training, RealImages]
STEPS = 4  # of a tiny run


def tiny_info(*, size: int = 16, channels: int = 3, labels: bool = True, domains: tuple[str, ...] = ()) -> DatasetInfo:
    """A data set of 24 random images (of each domain), with one label of each kind that can condition a network."""
    known = {"kind": LabelInfo(kind="class", size=3), "marks": LabelInfo(kind="flags", size=2)} if labels else {}
    if domains:
        known["domain"] = LabelInfo(kind="class", size=len(domains), names=domains)
    label = "domain" if domains else ""
    return DatasetInfo(shape=(channels, size, size), counts={"train": 24}, labels=known, domain_label=label)


def tiny_samples(info: DatasetInfo) -> list[Samples]:
    """The images of a tiny data set, per domain; always the same ones."""
    return random_samples(info)


def tiny_config(architecture: Architecture | None = None, **changes: Any) -> RunConfig:
    """4 steps of batches of 4 at width 4; `changes` as for `ganbench.change`. The width is set where it is obeyed."""
    obeys = {"generator.width", "discriminator.width"} if architecture is None else architecture.obeys
    narrow = {side: {"width": 4} for side in ("generator", "discriminator") if f"{side}.width" in obeys}
    config = RunConfig(training=TrainingConfig(budget=Budget(steps=STEPS), batch_size=4))
    return change(change(config, **narrow), **changes)


def tiny_parts(
    config: RunConfig | None = None,
    info: DatasetInfo | None = None,
    *,
    architecture: Architecture | str = "dcgan",
    loss: Loss | str = "non_saturating",
    procedure: Procedure | str = "adversarial",
    tricks: Sequence[Trick | str] = (),
) -> Parts:
    """Parts of a tiny run, configured by its tricks. Plugins are given as such, or by name with their defaults."""
    made: dict[str, Plugin] = {}
    named: dict[str, Any] = {}
    given: dict[Kind, Plugin | str] = {"architecture": architecture, "loss": loss, "procedure": procedure}
    for kind, plugin in given.items():
        made[kind], named[kind] = plugin_and_spec(kind, plugin)
    info = info or tiny_info()
    assert isinstance(made["architecture"], Architecture)
    config = replace(config or tiny_config(made["architecture"]), **named)
    chosen = sorted((plugin_and_spec("trick", trick) for trick in tricks), key=lambda pair: pair[1].name)
    config = replace(config, tricks=tuple(spec for _, spec in chosen))
    by_name: dict[str, Any] = {}
    for trick, spec in chosen:
        count = sum(name.partition("#")[0] == spec.name for name in by_name)
        by_name[f"{spec.name}#{count + 1}" if count else spec.name] = trick
    for trick in by_name.values():
        config = trick.configure(config, info)
    rest: dict[str, Any] = made
    return Parts(config=config, info=info, tricks=by_name, **rest)


def plugin_and_spec(kind: Kind, plugin: Plugin | str) -> tuple[Plugin, PluginSpec]:
    """A plugin, and how a suite would name it."""
    if isinstance(plugin, str):
        spec = PluginSpec(name=plugin)
        return registry.make(kind, spec), spec
    value = f"{type(plugin).__module__}:{type(plugin).__qualname__}"
    known = [entry.name for entry in registry.entries(kind) if entry.value == value]
    name = known[0] if known else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(plugin).__name__).lower()
    fresh = copy.copy(plugin)
    fresh.__dict__.pop("memory", None)  # a plugin that has trained must not bring its memory along
    return fresh, PluginSpec(name=name)


def tiny_training(parts: Parts | None = None, *, seed: int = 0) -> Made:
    """A run at step 0 and its data. Raises ConflictError if the parts refuse each other."""
    parts = parts or tiny_parts()
    if sentences := [sentence for plugin in parts.plugins().values() if (sentence := plugin.conflict(parts))]:
        raise ConflictError(" ".join(sentences))
    training = assemble.build(parts, seed=seed, device=torch.device("cpu"))
    data = RealImages(
        parts.info,
        tiny_samples(parts.info),
        parts.config,
        seed=seed,
        batches_per_step=parts.procedure.batches_per_step(parts.config),
        device=training.device,
    )
    return training, data


def run_steps(training: Training, data: RealImages, steps: int = 1) -> Terms:
    """Train; the terms of the last step. What others do to the global generators in between must not matter."""
    terms: Terms = {}
    for _ in range(steps):
        disturb()
        training.step_progress = training.progress
        data.step = training.step
        terms = training.procedure.step(training, data)
        training.step += 1
    return terms


def disturb() -> None:
    """Leave the global generators as another process would: nobody knows how."""
    reseed(time.time_ns() % 2**32)
    random.random()


def anew(parts: Parts) -> Parts:
    """The same parts with nothing in their memories."""

    def fresh(plugin: Any) -> Any:
        plugin = copy.copy(plugin)
        plugin.__dict__.pop("memory", None)
        return plugin

    return replace(
        parts,
        architecture=fresh(parts.architecture),
        loss=fresh(parts.loss),
        procedure=fresh(parts.procedure),
        tricks={name: fresh(trick) for name, trick in parts.tricks.items()},
    )


def built(architecture: Architecture, config: RunConfig, info: DatasetInfo) -> tuple[nn.Module, nn.Module]:
    reseed(derive(0, "generator"))
    generator = architecture.generator(config, info)
    reseed(derive(0, "discriminator"))
    return generator, architecture.discriminator(config, info)


def inputs(config: RunConfig, info: DatasetInfo) -> tuple[Tensor, Labels]:
    """4 latents and the labels of 4 images."""
    rng = torch.Generator().manual_seed(0)
    labels = tiny_samples(info)[0].labels
    return torch.randn(4, config.latents.size, generator=rng), {
        name: torch.from_numpy(value[:4]) for name, value in labels.items()
    }
