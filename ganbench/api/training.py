"""What flows through one update: the records that procedures, losses and tricks are given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ganbench.api.config import RunConfig
from ganbench.api.data import Batch, DatasetInfo, Labels
from ganbench.seeds import derive

if TYPE_CHECKING:
    from ganbench.api.architecture import Architecture
    from ganbench.api.loss import Loss
    from ganbench.api.plugin import Plugin
    from ganbench.api.procedure import Procedure
    from ganbench.api.trick import Trick

Terms = dict[str, Tensor]  # name -> scalar; what the history logs and what is summed before the one backward
Phase = Literal["D", "G"]


@dataclass(frozen=True, kw_only=True)
class DOutput:
    """What D says of a batch of N images, in float32."""

    logits: list[Tensor]  # each [N, ...]: one entry for most, maps for patch D, several for multi-scale D
    features: Tensor | None = None  # [N, F], before the last layer
    heads: dict[str, Tensor] = field(default_factory=dict)  # name -> [N, K] logits of extra outputs
    auxiliary: dict[str, Tensor] = field(default_factory=dict)  # name -> [N]: D's own losses; only those on reals count

    def score(self) -> Tensor:
        """One number per image: the mean of its logits over positions, then over maps. [N]"""
        return torch.stack([per_sample(logits) for logits in self.logits]).mean(0)

    def rows(self, start: int, stop: int) -> DOutput:
        return self.map(lambda values: values[start:stop])

    def map(self, change: Callable[[Tensor], Tensor]) -> DOutput:
        return DOutput(
            logits=[change(logits) for logits in self.logits],
            features=None if self.features is None else change(self.features),
            heads={name: change(value) for name, value in self.heads.items()},
            auxiliary={name: change(value) for name, value in self.auxiliary.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the player of this phase is told: D that reals are 1 and fakes 0; G wants fakes called 1 and reals 0."""

    real: Tensor  # [N]
    fake: Tensor  # [M]; M may differ from N
    real_weight: Tensor  # [N], >= 0
    fake_weight: Tensor  # [M], >= 0


@dataclass(kw_only=True)
class Networks:
    """Each an nn.Module; a container where a model has several (encoders and decoders, two D's)."""

    generator: nn.Module  # forward(latents [N, Z], labels) -> images N C H W in config.input_range
    discriminator: nn.Module  # forward(images, labels) -> DOutput
    generator_ema: nn.Module | None = None

    def items(self) -> list[tuple[str, nn.Module]]:
        named = {"generator": self.generator, "discriminator": self.discriminator, "generator_ema": self.generator_ema}
        return [(name, network) for name, network in named.items() if network is not None]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a hook runs: whose update it is, which game of it, and how far along the run is."""

    phase: Phase
    step: int
    update: int  # 0, 1, ... within the phase of this step
    progress: float  # share of the budget that was used when this step began: 0 at the first step, below 1 at the last
    config: RunConfig
    info: DatasetInfo
    seed: int
    domain: str = ""  # tricks with memory keep one entry per domain
    scope: str = ""  # the trick whose extra_loss is running: what it draws disturbs nobody
    streams: dict[str, torch.Generator] = field(default_factory=dict, compare=False, repr=False)

    def rng(self, purpose: str) -> torch.Generator:
        """One CPU stream per purpose; asking twice continues it, so fakes do not get the noise the reals got.

        Streams live on the CPU and numbers are moved afterwards, so that every device sees the same ones.
        """
        key = f"{purpose}/{self.phase}/{self.step}/{self.update}/{self.domain}/{self.scope}"
        if key not in self.streams:
            self.streams[key] = torch.Generator().manual_seed(derive(self.seed, key))
        return self.streams[key]

    def normal(self, purpose: str, shape: tuple[int, ...], like: Tensor | None = None) -> Tensor:
        """Standard normal numbers of that shape, on the device of `like`."""
        return moved(torch.randn(shape, generator=self.rng(purpose)), like)

    def uniform(self, purpose: str, shape: tuple[int, ...], like: Tensor | None = None) -> Tensor:
        """Numbers uniform in [0, 1) of that shape, on the device of `like`."""
        return moved(torch.rand(shape, generator=self.rng(purpose)), like)


class Discriminate(Protocol):
    def __call__(self, batch: Batch, *, fp32: bool = False) -> DOutput:
        """D o view, for the D of this game. Penalties ask for fp32."""
        ...


@dataclass(frozen=True, kw_only=True)
class Forward:
    """What one phase computed, for one game."""

    real: Batch
    fake: Batch
    real_output: DOutput | None  # None when this update does not look at reals
    fake_output: DOutput | None  # None in the half of a split D step that sees reals only
    discriminate: Discriminate
    networks: Networks


@dataclass(frozen=True, kw_only=True)
class Game:
    """Real images against a generator's, before one discriminator. Most procedures play one; translation plays two."""

    real: Batch
    generate: Callable[[Moment], Batch]  # called without gradients in phase D, with them in phase G
    discriminator: nn.Module
    domain: str = ""


@dataclass(frozen=True, kw_only=True)
class SamplingInputs:
    """What a generator is sampled from: n labels, and latents or source images."""

    labels: Labels
    latents: Tensor | None = None  # [n, Z]
    images: Tensor | None = None  # source images n C H W, for translation

    def rows(self, start: int, stop: int) -> SamplingInputs:
        cut: Callable[[Tensor | None], Tensor | None] = lambda value: None if value is None else value[start:stop]
        labels = {name: value[start:stop] for name, value in self.labels.items()}
        return SamplingInputs(labels=labels, latents=cut(self.latents), images=cut(self.images))

    def to(self, device: torch.device) -> SamplingInputs:
        move: Callable[[Tensor | None], Tensor | None] = lambda value: None if value is None else value.to(device)
        labels = {name: value.to(device) for name, value in self.labels.items()}
        return SamplingInputs(labels=labels, latents=move(self.latents), images=move(self.images))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that a conflict may depend on, before anything is built."""

    config: RunConfig
    info: DatasetInfo
    architecture: Architecture
    loss: Loss
    procedure: Procedure
    tricks: dict[str, Trick]  # by name; a second instance of one trick is called `name#2`

    def plugins(self) -> dict[str, Plugin]:
        """All of them, by the name under which errors, memories and random streams know them."""
        named: dict[str, Plugin] = {"architecture": self.architecture, "loss": self.loss, "procedure": self.procedure}
        return named | dict(self.tricks)


@dataclass(kw_only=True)
class Training:
    """The mutable state of one run; everything else is a value. Procedures act on it through `ganbench.phases`."""

    parts: Parts
    seed: int
    device: torch.device
    networks: Networks
    optimizers: dict[Phase, torch.optim.Optimizer]
    step: int = 0  # iterations of the procedure that are complete
    images_seen: int = 0  # real images shown to D
    updates: dict[Phase, int] = field(default_factory=lambda: {"D": 0, "G": 0})
    seconds: float = 0.0  # of training alone, over all attempts
    step_progress: float = 0.0  # progress when the current step began; set by the loop
    watch_gradients: bool = False  # set by the loop for steps whose gradient norms the history wants
    gradient_norms: dict[str, Tensor] = field(default_factory=dict)  # "D", "G" -> global L2 norm before the step

    @property
    def config(self) -> RunConfig:
        return self.parts.config

    @property
    def loss(self) -> Loss:
        return self.parts.loss

    @property
    def procedure(self) -> Procedure:
        return self.parts.procedure

    @property
    def tricks(self) -> dict[str, Trick]:
        return self.parts.tricks

    @property
    def progress(self) -> float:
        """Share of the budget that is used, in [0, 1]."""
        return min(self.used() / self.config.training.budget.amount, 1.0)

    def used(self) -> float:
        """How much of the budget's quantity is used up."""
        match self.config.training.budget.quantity:
            case "steps":
                return self.step
            case "images":
                return self.images_seen
            case "d_updates":
                return self.updates["D"]
            case "g_updates":
                return self.updates["G"]
            case "seconds":
                return self.seconds

    def moment(self, phase: Phase, update: int) -> Moment:
        """The moment of update number `update` of that phase in the current step."""
        return Moment(
            phase=phase,
            step=self.step,
            update=update,
            progress=self.step_progress,
            config=self.config,
            info=self.parts.info,
            seed=self.seed,
        )

    def autocast(self, enabled: bool = True) -> AbstractContextManager[Any]:
        """bf16 where the suite asks for it; fp32 otherwise, and wherever the caller says `enabled=False`."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=enabled and self.config.training.precision == "bf16"
        )


# --- arithmetic that several plugins need --------------------------------------------------------
def per_sample(values: Tensor) -> Tensor:
    """Mean over everything but the first dimension. [N, ...] -> [N]"""
    return values.flatten(1).mean(1) if values.ndim > 1 else values


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over samples with weights [N] of values [N, ...] (averaged over positions first)."""
    return (per_sample(values) * weight).sum() / weight.sum().clamp_min(1e-8)


def moved(values: Tensor, like: Tensor | None) -> Tensor:
    """Numbers that were drawn on the CPU, on the device of `like`; the host does not wait for it."""
    if like is None:
        return values
    pinned = values.pin_memory() if like.is_cuda else values  # else the host would wait for the copy
    return pinned.to(like.device, non_blocking=True)
