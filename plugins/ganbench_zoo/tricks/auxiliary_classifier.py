"""D as a classifier of the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import Batch, DatasetInfo, DOutput, Forward, LabelInfo, Moment, Parts, RunConfig, Trick, change

HEAD = "auxiliary_classifier"  # the one head, where all labels share it


@dataclass(frozen=True, kw_only=True)
class AuxiliaryClassifier(Trick):
    """D also names the labels, and G wants its fakes named right (AC-GAN, Odena et al., 2017).

    G learns from its fakes; D from reals, and with `on_fakes_in_d`, as in the paper, from fakes as well. One output per
    label: cross entropy for classes, binary cross entropy for flags, mean over flags; the sum over labels counts.
    With `g_weight` 0 only D learns labels, and G needs none.
    """

    labels: dict[str, float] = field(default_factory=dict)  # name -> weight, > 0; empty: all labels of the data set, 1
    # separate: a head per label. joint: one head over all combinations of the classes, cross entropy. vector: one head
    # with all classes and flags side by side, binary cross entropy, mean over the vector (report R1)
    heads: Literal["separate", "joint", "vector"] = "separate"
    on_fakes_in_d: bool = False  # whether D learns to classify fakes, too
    d_weight: float = 1.0  # factor of the class loss in D, > 0
    g_weight: float = 1.0  # factor of the class loss in G, >= 0

    def __post_init__(self) -> None:
        if any(weight <= 0 for weight in self.labels.values()):
            raise ValueError("the weights of labels must be above 0")
        if self.d_weight <= 0 or self.g_weight < 0:
            raise ValueError("d_weight must be above 0, and g_weight at least 0")
        if self.heads != "separate" and len(set(self.labels.values())) > 1:
            raise ValueError(f"heads: {self.heads} has one loss for all labels, so they cannot have different weights")

    def conflict(self, parts: Parts) -> str | None:
        known = parts.info.labels
        if not known:
            return "auxiliary_classifier needs labels; the dataset has none"
        if missing := [name for name in self.labels if name not in known]:
            return f"auxiliary_classifier: the dataset has no label {missing[0]}; it has {', '.join(sorted(known))}"
        chosen = self.chosen(known)
        if values := [name for name in chosen if known[name].kind == "value"]:
            return f"auxiliary_classifier names classes and flags; {values[0]} is a value: choose others with `labels`"
        if self.heads == "joint":
            if flags := [name for name in chosen if known[name].kind == "flags"]:
                return f"auxiliary_classifier: joint counts combinations of classes, and {flags[0]} has flags"
            if len(chosen) == 1:
                return f"auxiliary_classifier: joint changes nothing with one label, {next(iter(chosen))}"
        if "discriminator.heads" not in parts.architecture.obeys:
            return (
                "auxiliary_classifier needs extra outputs of D, and the architecture "
                f"{parts.config.architecture.name} does not obey discriminator.heads"
            )
        return self.unheard(parts)

    def unheard(self, parts: Parts) -> str | None:
        """Fakes are asked for with labels, which only a conditional G can show; samples of vae_gan's prior, too."""
        if not (self.g_weight or self.on_fakes_in_d) or parts.config.generator.conditioning != "none":
            return None
        if "generator.conditioning" not in parts.architecture.obeys:  # labels reach such a G in ways of its own
            return None
        mend = "g_weight to 0 and on_fakes_in_d to false" if self.on_fakes_in_d else "g_weight to 0"
        return (
            "auxiliary_classifier asks for labels in fakes, and G hears of none: set generator.conditioning, or, where "
            f"only D is to learn labels, {mend}"
        )

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        sizes = {name: info.labels[name].size for name in self.chosen(info.labels) if name in info.labels}
        if self.heads != "separate" and sizes:
            sizes = {HEAD: prod(sizes.values()) if self.heads == "joint" else sum(sizes.values())}
        return change(config, discriminator={"heads": config.discriminator.heads | sizes})

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        sides: list[tuple[Batch, DOutput | None]] = []
        if moment.phase == "D":
            sides.append((forward.real, forward.real_output))
        if moment.phase == "G" or self.on_fakes_in_d:
            sides.append((forward.fake, forward.fake_output))
        weight = self.d_weight if moment.phase == "D" else self.g_weight
        known = moment.info.labels
        terms = [self.error(output, batch, known) for batch, output in sides if output is not None]
        return weight * torch.stack(terms).sum() if terms and weight else None

    def chosen(self, known: Iterable[str]) -> dict[str, float]:
        """Name -> weight: the chosen ones, or all labels that there are with weight 1; in the data set's order, since
        the order in which a suite names them must change neither first weights nor sums."""
        return {name: self.labels.get(name, 1.0) for name in known if not self.labels or name in self.labels}

    def error(self, output: DOutput, batch: Batch, known: dict[str, LabelInfo]) -> Tensor:
        """How far D's heads are from the labels of a batch. Scalar."""
        weights = self.chosen(known)
        if self.heads == "separate":
            errors = [weight * distance(output.heads[name], batch.labels[name]) for name, weight in weights.items()]
            return torch.stack(errors).sum()
        label = (combination if self.heads == "joint" else vector)({name: known[name] for name in weights}, batch)
        return next(iter(weights.values())) * distance(output.heads[HEAD], label)


def distance(logits: Tensor, label: Tensor) -> Tensor:
    """How far one head is from one label, which is int64 [N] for classes and float32 [N, K] for flags. Scalar."""
    if label.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, label)
    return F.cross_entropy(logits, label)


def combination(known: dict[str, LabelInfo], batch: Batch) -> Tensor:
    """The classes of several labels as one class of their product. int64 [N]"""
    index = torch.zeros(len(batch), dtype=torch.int64, device=batch.images.device)
    for name, label in known.items():
        index = index * label.size + batch.labels[name]
    return index


def vector(known: dict[str, LabelInfo], batch: Batch) -> Tensor:
    """All labels side by side: classes as one 1 among 0s, flags as they are. float32 [N, K]"""
    columns = [
        batch.labels[name] if label.kind == "flags" else F.one_hot(batch.labels[name], label.size).float()
        for name, label in known.items()
    ]
    return torch.cat(columns, 1)
