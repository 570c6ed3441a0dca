"""An image classifier with one output per class or flag of every label, and its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ganbench import DataError, LabelInfo


class Classifier(nn.Module):
    """Resizes, normalises to [-1, 1], extracts features, and gives the logits of each label."""

    def __init__(self, network: str, features: nn.Module, width: int, labels: dict[str, LabelInfo], side: int) -> None:
        """`features` maps N 3 side side to [N, width]; `network` is its name, kept in the file."""
        super().__init__()
        self.network, self.labels, self.side = network, labels, side
        self.features = features
        self.head = nn.Linear(width, sum(label.size for label in labels.values()))

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 images N 3 H W of any size -> float32 N 3 side side in [-1, 1]"""
        x = images.float()
        if x.shape[-1] != self.side:
            x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        return x / 127.5 - 1

    def classify(self, prepared: Tensor) -> dict[str, Tensor]:
        """Logits [N, size] of each label, of images as `prepare` gives them."""
        outputs = self.head(self.features(prepared)).split([label.size for label in self.labels.values()], dim=1)
        return dict(zip(self.labels, outputs, strict=True))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.classify(self.prepare(images))

    @torch.no_grad()
    def predict(self, images: Tensor, batch_size: int = 250) -> dict[str, Tensor]:
        """Logits of uint8 images N 3 H W, on the CPU; in evaluation mode and fp32."""
        self.eval()
        device = self.head.weight.device
        with torch.autocast(device.type, enabled=False):
            parts = [self(images[i : i + batch_size].to(device)) for i in range(0, len(images), batch_size)]
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in self.labels}


def save(classifier: Classifier, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """A safetensors file; its metadata say how to rebuild the network, how inputs are scaled and what outputs mean."""
    state = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for name, value in classifier.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    facts = {
        "network": classifier.network,
        "side": classifier.side,
        "input": "RGB, scaled to [-1, 1], resized to the side (bilinear, antialiased)",
        "labels": {name: asdict(label) for name, label in classifier.labels.items()},
    }
    # One entry: safetensors writes several in random order, and equal weights should be equal files.
    save_file(state, path, metadata={"ganbench": json.dumps(facts)})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a file holds."""

    network: str
    labels: dict[str, LabelInfo]
    weights: dict[str, Tensor]  # float32


def read(path: Path) -> Stored:
    """A file that `save` wrote. Raises DataError."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("ganbench", "{}"))
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable safetensors file ({error}).") from error
    if not {"network", "labels"} <= facts.keys():
        raise DataError(f"{path}: not an evaluator of ganbench: its metadata name no network and labels.")
    labels = {
        name: LabelInfo(kind=label["kind"], size=label["size"], names=tuple(label["names"]))
        for name, label in facts["labels"].items()
    }
    return Stored(network=facts["network"], labels=labels, weights=weights)


def fill(classifier: Classifier, state: dict[str, Tensor], path: Path) -> Classifier:
    """The classifier with these weights, ready to predict. Raises DataError where they do not fit."""
    mine = {name for name in classifier.state_dict() if not name.endswith("num_batches_tracked")}
    try:
        if mine != state.keys():
            raise RuntimeError(f"{len(mine - state.keys())} weights are missing, {len(state.keys() - mine)} unknown")
        classifier.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise DataError(f"{path}: weights that do not fit a {classifier.network}: {error}.") from error
    return classifier.eval().requires_grad_(False)


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
