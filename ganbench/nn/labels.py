"""Labels as vectors that a network can take in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganbench.api.data import DatasetInfo, Labels


class LabelVector(nn.Module):
    """All labels side by side: classes as one-hot, flags and values as they are. [N, size]"""

    def __init__(self, info: DatasetInfo) -> None:
        super().__init__()
        self.infos = dict(info.labels)
        self.size = sum(label.size for label in self.infos.values())

    def forward(self, labels: Labels) -> Tensor:
        def vector(name: str) -> Tensor:
            one_hot = self.infos[name].kind == "class"
            return F.one_hot(labels[name], self.infos[name].size).float() if one_hot else labels[name].float()

        return torch.cat([vector(name) for name in self.infos], 1)


class LabelEmbedding(nn.Module):
    """All labels as one learnt vector: classes are looked up, flags and values multiplied, all summed. [N, size]"""

    def __init__(self, info: DatasetInfo, size: int) -> None:
        super().__init__()
        self.size = size
        self.names = list(info.labels)  # a ModuleDict cannot hold a label called `type`
        self.parts = nn.ModuleList(
            [
                nn.Embedding(label.size, size) if label.kind == "class" else nn.Linear(label.size, size)
                for label in info.labels.values()
            ]
        )

    def forward(self, labels: Labels) -> Tensor:
        return torch.stack([part(labels[name]) for name, part in zip(self.names, self.parts, strict=True)]).sum(0)
