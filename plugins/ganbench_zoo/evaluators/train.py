"""The recipe of the evaluators that ship with the zoo: `python -m ganbench_zoo.evaluators.train [faces] [blocks]`.

Writes the weights and their sha256 (pins.py) beside this file. Images of all sizes and of all label combinations, those
held out for testing GANs too: the judge must know what it is asked about. They come from another seed than the data
sets' default, so no image that a suite uses by default has been trained on.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganbench import DataError, LabelInfo, Labels, Samples
from ganbench_zoo.datasets.blocks import Blocks
from ganbench_zoo.datasets.faces import Faces
from ganbench_zoo.evaluators.classifier import Classifier, file_digest, save
from ganbench_zoo.evaluators.fit import Schedule, fit, new
from ganbench_zoo.evaluators.pins import SHA256
from ganbench_zoo.evaluators.scoring import accuracy, confusion
from ganbench_zoo.evaluators.small import path_of, shipped, small

Size = Literal[16, 32, 64, 128]
DATASETS: dict[str, type[Faces] | type[Blocks]] = {"faces": Faces, "blocks": Blocks}
PARTS: dict[Size, int] = {
    32: 8000,
    64: 3000,
    16: 2000,
}  # side -> training images; larger ones look like 64 once resized
EPOCHS = {"faces": 10, "blocks": 14}
SEED = 1


def main(names: list[str]) -> None:
    """Train, save, pin and report the evaluators of these data sets; of all without names."""
    torch.set_num_threads(1)
    for name in names or list(DATASETS):
        if name not in DATASETS:
            raise SystemExit(f"{name}: no evaluator ships for it. Known: {', '.join(DATASETS)}.")
        infos = DATASETS[name]().info().labels
        classifier = new(SEED, partial(small, infos))
        images, labels = _training_set(name, classifier)
        fit(classifier, images, labels, Schedule(epochs=EPOCHS[name], lr=2e-3, augment=True, seed=SEED), print)
        save(classifier, path_of(name), dtype=torch.float16)
        SHA256[name] = file_digest(path_of(name))
        _write_pins()
        _report(name, infos)


def _training_set(name: str, classifier: Classifier) -> tuple[Tensor, Labels]:
    parts = []
    for side, count in PARTS.items():
        data = DATASETS[name](size=side, train=count, conditions=count // 5, seed=SEED)
        parts += [data.make("train"), data.make("conditions")]
    resized = [_as_bytes(classifier.prepare(torch.from_numpy(part.images))) for part in parts]
    labels = {
        label: torch.from_numpy(np.concatenate([part.labels[label] for part in parts])) for label in classifier.labels
    }
    return torch.cat(resized), labels


def _as_bytes(prepared: Tensor) -> Tensor:
    return ((prepared + 1) * 127.5).round().clamp(0, 255).byte()


def _report(name: str, infos: dict[str, LabelInfo]) -> None:
    """Accuracy of the file as it ships, on images it has not seen."""
    try:
        classifier, digest = shipped(name)
    except DataError as error:
        raise SystemExit(str(error)) from error
    print(f"{name}: {path_of(name).stat().st_size} bytes, sha256 {digest}")
    sides: tuple[Size, ...] = (16, 32, 64, 128)
    for side in sides:
        data = DATASETS[name](size=side, held_out=500 if side == 128 else 2000)
        for split in ("held_out", "conditions"):
            scores = accuracies(classifier, infos, data.make(split))
            print(f"  {side:3} {split:10}", "  ".join(f"{label} {value:.4f}" for label, value in scores.items()))


def accuracies(classifier: Classifier, infos: dict[str, LabelInfo], samples: Samples) -> dict[str, float]:
    """Accuracy on real images, per label."""
    logits = classifier.predict(torch.from_numpy(samples.images))
    return {
        label: accuracy(confusion(info, logits[label], torch.from_numpy(samples.labels[label])))
        for label, info in infos.items()
    }


def _write_pins() -> None:
    lines = "".join(f'    "{name}": "{digest}",\n' for name, digest in sorted(SHA256.items()))
    path = Path(__file__).with_name("pins.py")
    header = path.read_text().split("SHA256", 1)[0]
    path.write_text(f"{header}SHA256: dict[str, str] = {{\n{lines}}}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
