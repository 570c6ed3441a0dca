"""D as a classifier of the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ganbench import Batch, DatasetInfo, DOutput, Forward, Moment, Parts, RunConfig, Trick, change


@dataclass(frozen=True, kw_only=True)
class AuxiliaryClassifier(Trick):
    """D also names the labels, and G wants its fakes named right (AC-GAN, Odena et al., 2017).

    Classes: cross entropy; flags: binary cross entropy, mean over flags. G learns from its fakes; D from reals, and
    with `on_fakes_in_d`, as in the paper, from fakes as well.
    """

    labels: dict[str, float] = field(default_factory=dict)  # name -> weight, > 0; empty: all labels of the data set, 1
    on_fakes_in_d: bool = False  # whether D learns to classify fakes, too

    def __post_init__(self) -> None:
        if any(weight <= 0 for weight in self.labels.values()):
            raise ValueError("the weights of labels must be above 0")

    def conflict(self, parts: Parts) -> str | None:
        known = parts.info.labels
        if not known:
            return "auxiliary_classifier needs labels; the dataset has none"
        if missing := [name for name in self.labels if name not in known]:
            return f"auxiliary_classifier: the dataset has no label {missing[0]}; it has {', '.join(sorted(known))}"
        if values := [name for name in weights(self.labels, known) if known[name].kind == "value"]:
            return f"auxiliary_classifier names classes and flags; {values[0]} is a value: choose others with `labels`"
        if "discriminator.heads" not in parts.architecture.obeys:
            return (
                "auxiliary_classifier needs extra outputs of D, and the architecture "
                f"{parts.config.architecture.name} does not obey discriminator.heads"
            )
        return None

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        heads = {name: info.labels[name].size for name in weights(self.labels, info.labels) if name in info.labels}
        return change(config, discriminator={"heads": config.discriminator.heads | heads})

    def extra_loss(self, forward: Forward, moment: Moment) -> Tensor | None:
        sides: list[tuple[Batch, DOutput | None]] = []
        if moment.phase == "D":
            sides.append((forward.real, forward.real_output))
        if moment.phase == "G" or self.on_fakes_in_d:
            sides.append((forward.fake, forward.fake_output))
        terms = [
            weight * error(output.heads[name], batch.labels[name])
            for batch, output in sides
            if output is not None
            for name, weight in weights(self.labels, batch.labels).items()
        ]
        return torch.stack(terms).sum() if terms else None


def weights(chosen: dict[str, float], known: Iterable[str]) -> dict[str, float]:
    """Name -> weight: the chosen ones, or all labels that there are with weight 1; in the data set's order, since the
    order in which a suite names them must change neither first weights nor sums."""
    return {name: chosen.get(name, 1.0) for name in known if not chosen or name in chosen}


def error(logits: Tensor, label: Tensor) -> Tensor:
    """How far one head is from one label, which is int64 [N] for classes and float32 [N, K] for flags. Scalar."""
    if label.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, label)
    return F.cross_entropy(logits, label)
