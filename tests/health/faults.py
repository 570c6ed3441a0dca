"""Training faults that start in the middle of a run, and the run that has one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganbench.api.training import SamplingInputs, Training
from ganbench.assemble import assemble
from ganbench.cache import real_images
from ganbench.phases import sampling_inputs
from ganbench.streams import monitor, real_data, sampling_streams
from ganbench.suite import expand, load
from ganbench.testing import through_file
from ganbench.train.data import RealImages
from ganbench.train.health import Looked, Monitor, NotFinite, Warned
from ganbench.train.loop import Progress, restore, save, train
from ganbench.train.state import State

SUITE = """
name: faulty
question: Is it noticed?
base:
  dataset: {faces: {size: 32, train: 600, held_out: 200, conditions: 24}}
  generator: {width: 8, upsampling: nearest, optimizer: {lr: 1.0e-3}}
  discriminator: {width: 8, downsampling: average_pool, optimizer: {lr: 5.0e-4}}
  latents: {size: 16}
  training: {budget: {steps: 200}, batch_size: 8}
axes: {}
seeds: 1
baseline_seeds: 1
"""
STEPS = 200
START = 0.5  # of training: where the fault begins
NOTICED = 0.1  # of training: when it must have been noticed


class Stopped(Exception):
    """A run has gone as far as it was meant to."""


@dataclass(kw_only=True)
class Run:
    """A run through the harness's loop, with its data and its monitor."""

    training: Training
    data: RealImages
    real: Any
    health: Monitor | None
    progress: Progress = field(default_factory=Progress)
    probes: list[dict[str, Any]] = field(default_factory=list)
    began: list[Warned] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, *settings: str, watched: bool = True) -> Run:
        path = folder / "faulty.yaml"
        path.write_text(SUITE)
        cell = expand(load(path, overrides=settings))[0]
        device = torch.device("cpu")
        real = real_images(cell.config.dataset, cell.evaluation, device=device, cache=folder, say=lambda _: None)
        training = assemble(cell, device)
        return cls(
            training=training,
            data=real_data(training, real.samples("train"), training.seed),
            real=real,
            health=monitor(training, real, sampling_streams(training, real)["data"]) if watched else None,
        )

    def go(self, until: float = 1.0) -> Run:
        """Train until that share of the budget is used up, or something is not finite."""

        def heartbeat(training: Training) -> None:
            if training.progress >= until - 1e-9:
                raise Stopped

        def looked(seen: Looked) -> None:
            self.probes.append(seen.record)
            self.began.extend(seen.warnings)

        loop = train(
            self.training,
            self.data,
            [],
            self.progress,
            log_every=50,
            log=lambda _: None,
            heartbeat=heartbeat,
            checkpoint=lambda _: None,
            health=self.health,
            looked=looked,
        )
        try:
            list(loop)
        except Stopped:
            pass
        except NotFinite as error:
            assert self.health is not None
            self.began.append(self.health.end(self.training, str(error)))
        return self

    def state(self) -> State:
        return through_file(save(self.training, self.progress, self.health))

    def put_back(self, state: State) -> Run:
        restore(self.training, self.progress, copy.deepcopy(state), self.health)  # optimisers work on what they load
        return self

    @property
    def warnings(self) -> dict[str, float]:
        """Name -> progress at which it began."""
        return {one.name: one.progress for one in self.began}


Fault = Callable[[Run], None]  # breaks a run


# --- faults ------------------------------------------------------------------------------------------------
def learning_rate(times: float, *phases: str) -> Fault:
    def fault(run: Run) -> None:
        for phase in phases:
            for group in run.training.optimizers[phase].param_groups:  # type: ignore[index]
                group["lr"] *= times

    return fault


def zeroed_gradients(phase: str) -> Fault:
    def fault(run: Run) -> None:
        for group in run.training.optimizers[phase].param_groups:  # type: ignore[index]
            for parameter in group["params"]:
                parameter.register_hook(torch.zeros_like)

    return fault


def output(change: Callable[[Tensor], Tensor]) -> Fault:
    """What G makes is changed on its way out."""

    def fault(run: Run) -> None:
        run.training.networks.generator.register_forward_hook(lambda module, inputs, images: change(images))

    return fault


def constant(images: Tensor) -> Tensor:
    return images[:1].expand_as(images)


def eight_images(run: Run) -> None:
    """Whatever the latents, one of the images that G makes now of eight of them."""
    generator = run.training.networks.generator
    inputs: SamplingInputs = sampling_inputs(run.training, 8, run.data, "eight")
    with torch.no_grad():
        made = generator(inputs.latents, inputs.labels).detach()
    output(lambda images: images * 0 + made[torch.arange(len(images)) % 8])(run)


def training_images(run: Run) -> None:
    known = torch.from_numpy(run.real.samples("train").images).float() / 127.5 - 1
    rows = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))
    output(lambda images: images * 0 + known[rows[: len(images)]])(run)


def greyed(images: Tensor) -> Tensor:
    return 0.8 * images.mean(1, keepdim=True) + 0.2 * images


def half_black(images: Tensor) -> Tensor:
    shown = (torch.arange(len(images)) % 2).view(-1, 1, 1, 1).float()
    return images * shown - (1 - shown)
