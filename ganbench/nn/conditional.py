"""How labels enter a network, and how D answers: what generators and discriminators of any shape share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganbench.api.config import NetworkConfig, RunConfig
from ganbench.api.data import DatasetInfo, Labels
from ganbench.api.training import DOutput
from ganbench.nn.activation import activation
from ganbench.nn.init import normal_init
from ganbench.nn.labels import LabelEmbedding, LabelVector
from ganbench.nn.minibatch import minibatch

EMBEDDED = 8  # planes of the embedded labels in D: "keep the dimensionality low" (ganhacks 16)
CONDITION = 64  # size of the label vector that conditional norms read


class ConditionalGenerator(nn.Module):
    """Base of generators. After `super().__init__`, the stem takes `self.inputs` numbers and norms `self.condition`."""

    def __init__(self, run: RunConfig, info: DatasetInfo, *, label_activation: nn.Module | None = None) -> None:
        super().__init__()
        self.inputs = run.latents.size
        self.condition = 0  # size of the label vector that conditional norms read
        self.labels: LabelVector | LabelEmbedding | None = None
        match run.generator.conditioning:
            case "concat":  # the label vector beside the latent
                self.labels = LabelVector(info)
                self.inputs += self.labels.size
            case "embedding":  # a learnt vector, as long as the latent, beside it
                self.labels = LabelEmbedding(info, self.inputs)
                self.inputs += self.labels.size
            case "conditional_norm":
                self.labels, self.condition = LabelEmbedding(info, CONDITION), CONDITION
        self.label_activation = label_activation or nn.Identity()

    def with_labels(self, latents: Tensor, vector: Tensor | None) -> Tensor:
        """The latents, with the label vector beside them where that is how labels enter. [N, inputs]"""
        return latents if vector is None or self.condition else torch.cat([latents, vector], 1)

    def label_vector(self, labels: Labels) -> Tensor | None:
        """What stands for the labels: for `with_labels`, and for the stages, which pass it to conditional norms."""
        return None if self.labels is None else self.label_activation(self.labels(labels))


class ConditionalDiscriminator(nn.Module):
    """Base of discriminators. After `super().__init__`, images have `self.inputs` channels; once the stages are there,
    `add_outputs` adds the last layers."""

    def __init__(self, run: RunConfig, info: DatasetInfo) -> None:
        super().__init__()
        self.inputs, self.side = info.channels, info.size
        self.labels: LabelVector | LabelEmbedding | None = None
        self.plane: nn.Linear | None = None
        match run.discriminator.conditioning:
            case "concat":  # one more channel, a linear function of the label vector (report R3)
                self.labels = LabelVector(info)
                self.plane = nn.Linear(self.labels.size, info.size**2)
                self.inputs += 1
            case "embedding":  # a few constant channels (ganhacks 16)
                self.labels = LabelEmbedding(info, EMBEDDED)
                self.inputs += EMBEDDED

    def with_labels(self, images: Tensor, labels: Labels) -> Tensor:
        """The images, with channels for the labels where that is how they enter. N inputs H W"""
        if self.labels is None:
            return images
        condition = self.labels(labels)
        if self.plane is not None:
            planes = self.plane(condition).unflatten(1, (1, self.side, self.side))
        else:
            planes = condition[:, :, None, None].expand(-1, -1, self.side, self.side)
        return torch.cat([images, planes], 1)

    def add_outputs(
        self,
        features: int,
        config: NetworkConfig,
        info: DatasetInfo,
        *,
        init: Callable[[nn.Linear], None] = normal_init,  # of logit and heads
        bottleneck: int | None = None,  # size of the layer between features and heads; none: no such layer
        head_hidden: int | None = None,  # size of a hidden layer in each head; none: heads are linear
        places: int | None = None,  # of the features' maps: heads look for the largest answer over them; none: at all
    ) -> None:
        """Last layers: statistics over the batch, the logit, extra heads, the projection of the labels."""
        self.minibatch = minibatch(config.minibatch, features)
        extra = self.minibatch.extra if self.minibatch else 0
        self.logit = nn.Linear(features + extra, 1, bias=config.bias)
        self.bottleneck: nn.Module = nn.Identity()
        if bottleneck is not None:
            self.bottleneck = nn.Sequential(nn.Linear(features, bottleneck), activation(config))
        wide = bottleneck or features
        self.head_names = list(config.heads)  # a ModuleDict cannot hold a head called `type`
        if places is None:
            heads = [head(wide, outputs, head_hidden, config) for outputs in config.heads.values()]
        else:
            heads = [LargestOverPlaces(features // places, outputs) for outputs in config.heads.values()]
        self.heads = nn.ModuleList(heads)
        init(self.logit)
        for layer in [*self.bottleneck.modules(), *self.heads.modules()]:
            if isinstance(layer, nn.Linear):
                init(layer)
        self.projection = LabelEmbedding(info, features) if config.conditioning == "projection" else None

    def outputs(self, features: Tensor, labels: Labels) -> DOutput:
        """What D says, from its features [N, F]."""
        logits = self.logit(features if self.minibatch is None else self.minibatch(features)).squeeze(1)
        if self.projection is not None:  # Miyato & Koyama, 2018
            logits = logits + (self.projection(labels) * features).sum(1)
        common = self.bottleneck(features)
        heads = {name: head(common) for name, head in zip(self.head_names, self.heads, strict=True)}
        return DOutput(logits=[logits], features=features, heads=heads)


class LargestOverPlaces(nn.Module):
    """Each output is the largest, over the places of a map, of one linear function of the channels there: an object is
    somewhere. [N, channels x places] -> [N, outputs]"""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.channels, self.linear = channels, nn.Linear(channels, outputs)

    def forward(self, features: Tensor) -> Tensor:
        maps = features.reshape(len(features), self.channels, -1)
        answers: Tensor = self.linear(maps.transpose(1, 2))  # [N, places, K]
        return answers.amax(1)


def head(inputs: int, outputs: int, hidden: int | None, config: NetworkConfig) -> nn.Module:
    """One extra output of D."""
    if hidden is None:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, hidden), activation(config), nn.Linear(hidden, outputs))
