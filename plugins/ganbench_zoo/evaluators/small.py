"""The small evaluators that ship with the zoo, for the data sets `faces` and `blocks`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganbench import DataError, LabelInfo
from ganbench_zoo.evaluators.classifier import Classifier, file_digest, fill, read
from ganbench_zoo.evaluators.pins import SHA256

SIDE = 32  # images are resized to it, so one network serves all sizes
WIDTHS = (32, 48, 64, 96)
_FOLDER = Path(__file__).parent


class _Features(nn.Module):
    """Four convolutions; the mean over places (how much) and the maximum over places (is it somewhere)."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.stages = nn.Sequential(
            _stage(3, a, kernel=4, stride=2),  # 16 x 16
            _stage(a, b, kernel=3, stride=1),
            _stage(b, c, kernel=4, stride=2),  # 8 x 8
            _stage(c, d, kernel=3, stride=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stages(images).flatten(2)
        return torch.cat([maps.mean(2), maps.amax(2)], dim=1)


def _stage(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def small(labels: dict[str, LabelInfo]) -> Classifier:
    """A new network with weights from torch's global generator."""
    return Classifier("small", _Features(), 2 * WIDTHS[-1], labels, SIDE)


def path_of(dataset: str) -> Path:
    return _FOLDER / f"{dataset}.safetensors"


def shipped(dataset: str) -> tuple[Classifier, str]:
    """The pinned evaluator of a data set, and its sha256. Raises DataError when the file is missing or another one."""
    path = path_of(dataset)
    if dataset not in SHA256 or not path.is_file():
        raise DataError(f"{path}: missing. `python -m ganbench_zoo.evaluators.train {dataset}` makes it.")
    digest = file_digest(path)
    if digest != SHA256[dataset]:
        raise DataError(f"{path}: sha256 {digest} is not the pinned {SHA256[dataset]}. Install ganbench again.")
    stored = read(path)
    return fill(small(stored.labels), stored.weights, path), digest
