"""`ganbench sample`: images from the generator of a finished cell, with the labels that are asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.commands.arguments import find_cell
from ganbench.commands.screen import document, note
from ganbench.errors import ConfigError, StoreError, did_you_mean
from ganbench.store import CellFolder, Store

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ganbench.api.data import LabelInfo
    from ganbench.api.training import SamplingInputs, Training

LONGEST_NAME = 120  # characters of a file's name


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Images of a cell, and the labels they were asked to have."""

    cell: str
    step: int
    images: Tensor  # uint8, N 3 H W
    labels: dict[str, list[str]]  # label -> its value for each image, in words


def sample_cell(
    folder: CellFolder, count: int, labels: Sequence[str] = (), *, seed: int = 0, device: str = "cpu"
) -> Sampled:
    """Sample the last generator that was kept, as the evaluation of the cell does (averaged weights, batch norm)."""
    from ganbench import device as devices
    from ganbench.api.data import rgb
    from ganbench.assemble import assemble
    from ganbench.cache import real_images
    from ganbench.phases import sample, sampling_inputs
    from ganbench.streams import sampling_streams

    cell, _, cache = folder.read_config()
    snapshot = next((s for s in reversed(folder.snapshots()) if s.get("generator")), None)
    if folder.load_result() is None or snapshot is None:
        raise StoreError(f"{folder.id}: has no finished generator to sample from; `ganbench status` says how far it is")
    state = folder.load_generator(snapshot["step"], snapshot["generator"])
    if state is None:
        raise StoreError(f"{folder.id}: the generator of step {snapshot['step']} is missing or damaged")
    where = devices.pick(device)
    devices.configure(where, cell.config.training.threads, deterministic=True)
    training = assemble(cell, where)
    for name, network in training.networks.items():
        if name in state:
            network.load_state_dict(state[name])
    training.step = snapshot["step"]
    real = real_images(cell.config.dataset, cell.evaluation, device=where, cache=cache, say=note)
    data = sampling_streams(training, real)["data"]
    inputs = sampling_inputs(training, count, data, f"sample {seed}")
    inputs = with_labels(inputs, training, labels)
    config = cell.evaluation
    made = sample(
        training,
        inputs,
        purpose="sample",
        weights=config.weights,
        batch_norm=config.batch_norm,
        batch_size=config.batch_size,
    )
    known = training.parts.info.labels
    named = {name: [word(known[name], value) for value in inputs.labels[name].cpu()] for name in inputs.labels}
    return Sampled(cell=folder.id, step=snapshot["step"], images=rgb(made), labels=named)


# --- labels ----------------------------------------------------------------------------------------
def with_labels(inputs: SamplingInputs, training: Training, wanted: Sequence[str]) -> SamplingInputs:
    """The same inputs, with some labels the same for all images."""
    known = training.parts.info.labels
    labels = dict(inputs.labels)
    for text in wanted:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--labels {text}: expected name=value, such as hair=red")
        if name not in labels:
            raise ConfigError(f"--labels {text}: there is no label {name!r}.{did_you_mean(name, labels)}")
        row = parsed(known[name], value, f"--labels {text}")
        labels[name] = row.to(labels[name]).expand_as(labels[name]).clone()
    return replace(inputs, labels=labels)


def parsed(label: LabelInfo, text: str, where: str) -> torch.Tensor:
    """A class by name or index; flags by the names or indices of those that are set; values as numbers."""
    import torch

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if label.kind == "value":
        try:
            values = [float(part) for part in parts]
        except ValueError:
            values = []
        if len(values) != label.size:
            raise ConfigError(f"{where}: expected {label.size} numbers, with commas between them")
        return torch.tensor(values)
    chosen = [index_of(label, part, where) for part in parts]
    if label.kind == "flags":
        flags = torch.zeros(label.size)
        flags[chosen] = 1.0
        return flags
    if len(chosen) != 1:
        raise ConfigError(f"{where}: expected one of {', '.join(map(label.name, range(label.size)))}")
    return torch.tensor(chosen[0])


def index_of(label: LabelInfo, text: str, where: str) -> int:
    names = [label.name(index) for index in range(label.size)]
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < label.size:
        return int(text)
    raise ConfigError(f"{where}: there is no {text!r}.{did_you_mean(text, names)}")


def word(label: LabelInfo, value: Tensor) -> str:
    """`red`, or `red cube+blue ball`."""
    if label.kind == "class":
        return label.name(int(value))
    if label.kind == "flags":
        return "+".join(label.name(int(i)) for i in value.nonzero().flatten()) or "none"
    return "+".join(f"{float(v):.3g}" for v in value)


# --- files -------------------------------------------------------------------------------------------
def write_images(sampled: Sampled, output: Path) -> list[Path]:
    """A PNG per image, and labels.csv."""
    from PIL import Image

    files = []
    table = io.StringIO()
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(["file", "index", *sampled.labels])
    try:
        output.mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(sampled.images.permute(0, 2, 3, 1).numpy()):
            labels = {name: values[index] for name, values in sampled.labels.items()}
            path = output / file_name(index, labels)
            Image.fromarray(image).save(path, format="PNG")
            lines.writerow([path.name, index, *labels.values()])
            files.append(path)
        (output / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output}: the images cannot be written ({error.strerror or error})") from error
    return files


def file_name(index: int, labels: Mapping[str, str]) -> str:
    """`0003-hair-red-eyes-blue.png`, with letters that every file system takes."""
    from ganbench.suite.identity import slug

    parts = [f"{slug(name)}-{slug(value)}" for name, value in labels.items()]
    return "-".join([f"{index:04d}", *parts])[:LONGEST_NAME].rstrip("-") + ".png"


def sample(
    store: Store, cell: str, count: int, output: Path, labels: Sequence[str], seed: int, device: str, as_json: bool
) -> int:
    """The command; returns the exit code."""
    sampled = sample_cell(find_cell(store, cell), count, labels, seed=seed, device=device)
    files = write_images(sampled, output)
    if as_json:
        document({"cell": sampled.cell, "step": sampled.step, "files": [str(f) for f in files]})
    else:
        note(f"{sampled.cell}, step {sampled.step}: {len(files)} images")
        print(output)
    return 0
