"""ResNet-18 (He et al., 2016) as an evaluator: trained on a data set's training split, or read from a file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import torch
from torch import Tensor, nn

from ganbench import DataError, LabelInfo, Samples, rgb
from ganbench_zoo.evaluators.classifier import Classifier, fill, read
from ganbench_zoo.evaluators.fit import Schedule, fit, new

RECIPE = 1  # count up when training changes: cached evaluators of older recipes are not used any more
SIDE = 64  # images are resized to it: the network halves them five times
FEATURES = 512


def resnet18(labels: dict[str, LabelInfo]) -> Classifier:
    """A new network with weights from torch's global generator."""
    from torchvision.models import resnet18 as torchvision_resnet18  # slow to import, and rarely needed

    network = torchvision_resnet18(weights=None)
    network.fc = nn.Identity()
    return Classifier("resnet18", network, FEATURES, labels, SIDE)


def train(
    samples: Samples, labels: dict[str, LabelInfo], schedule: Schedule, device: torch.device, say: Callable[[str], None]
) -> Classifier:
    """A new evaluator for these labels. On the CPU its weights depend on images, schedule and threads alone."""
    classifier = new(schedule.seed, lambda: resnet18(labels)).to(device)
    images = rgb(torch.from_numpy(samples.images))
    truth = {name: torch.from_numpy(samples.labels[name]) for name in labels}
    fit(classifier, images, truth, schedule, say)
    return classifier


def from_file(path: Path, labels: dict[str, LabelInfo]) -> Classifier:
    """An evaluator for these labels: a safetensors file as ganbench writes it, or the file of report R3. DataError."""
    if not path.is_file():
        raise DataError(f"{path}: no such evaluator file.")
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"  # the length of its JSON header, then the header
    if is_safetensors:
        stored = read(path)
        if stored.network != "resnet18":
            raise DataError(f"{path}: holds the network {stored.network}, not a resnet18.")
        if stored.labels != labels:
            raise DataError(f"{path}: judges {_described(stored.labels)}; this data set has {_described(labels)}.")
        return fill(resnet18(labels), stored.weights, path)
    return fill(resnet18(labels), _report_layout(path, labels), path)


def _report_layout(path: Path, labels: dict[str, LabelInfo]) -> dict[str, Tensor]:
    """Weights of `{"model": state_dict}`, a torchvision ResNet-18 whose `fc` is Sequential(Linear(512, K), Sigmoid()).

    Its outputs are taken in the order of the data set's flags; the sigmoid is left out, since it keeps their order.
    """
    layout = f'{path}: not an evaluator in the layout {{"model": state_dict}} of a ResNet-18 with fc.0.weight [K, 512]'
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile, pickle.UnpicklingError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise DataError(f"{layout}: torch.load(weights_only=True) refuses it ({first_line}).") from error
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f'{layout}: there is no state_dict under "model".')
    weight = state.get("fc.0.weight")
    if weight is None or weight.ndim != 2 or weight.shape[1] != FEATURES:
        raise DataError(f"{layout}: fc.0.weight is missing or has another shape.")
    if [(label.kind, label.size) for label in labels.values()] != [("flags", len(weight))]:
        raise DataError(f"{path}: judges one label of {len(weight)} flags, but this data set has {_described(labels)}.")
    rename = {"fc.0.weight": "head.weight", "fc.0.bias": "head.bias"}
    renamed = {rename.get(name, f"features.{name}"): value.float() for name, value in state.items()}
    return {name: value for name, value in renamed.items() if not name.endswith("num_batches_tracked")}


def _described(labels: dict[str, LabelInfo]) -> str:
    return ", ".join(f"{name} ({label.size} {label.kind})" for name, label in labels.items()) or "no labels"
