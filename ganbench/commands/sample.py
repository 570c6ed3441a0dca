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

    from ganbench.api.config import Distribution
    from ganbench.api.data import LabelInfo
    from ganbench.api.training import SamplingInputs, Training

LONGEST_NAME = 120  # characters of a file's name
ROWS = "interpolations.webp"  # the picture of rows between two latents


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Images of a cell, and the labels they were asked to have."""

    cell: str
    step: int
    images: Tensor  # uint8, N 3 H W
    labels: dict[str, list[str]]  # label -> its value for each image, in words


def sample_cell(
    folder: CellFolder,
    count: int,
    labels: Sequence[str] = (),
    *,
    seed: int = 0,
    device: str = "cpu",
    interpolate: int | None = None,
) -> Sampled:
    """Sample the last generator that was kept, as the evaluation of the cell does (averaged weights, batch norm).

    With `interpolate`, `count` rows of so many images each, from one latent to another, with the labels of the first.
    """
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
    inputs = sampling_inputs(training, count if interpolate is None else 2 * count, data, f"sample {seed}")
    inputs = with_labels(inputs, training, labels)
    if interpolate is not None:
        inputs = in_rows(inputs, interpolate, cell.config.latents.distribution)
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


# --- interpolation ---------------------------------------------------------------------------------
def in_rows(inputs: SamplingInputs, steps: int, distribution: Distribution) -> SamplingInputs:
    """`steps` inputs from each even one to the odd one after it."""
    if inputs.latents is None:
        raise ConfigError("--interpolate: this model makes images from images; there are no latents to go between")
    rows = between(inputs.latents[::2], inputs.latents[1::2], steps, distribution)
    labels = {name: value[::2].repeat_interleave(steps, 0) for name, value in inputs.labels.items()}
    return replace(inputs, latents=rows.flatten(0, 1), labels=labels)


def between(first: Tensor, last: Tensor, steps: int, distribution: Distribution) -> Tensor:
    """Latents [N, steps, Z] from `first` to `last`, both [N, Z] and included.

    Normal latents and those on a sphere lie in a thin shell, so the way is along the great circle (White, 2016;
    ganhacks 3); the straight one passes through lengths that G has never seen. Uniform ones fill a cube: straight.
    """
    import torch

    share = torch.linspace(0, 1, steps, dtype=torch.float64, device=first.device)[None, :, None]
    start, end = first[:, None].double(), last[:, None].double()  # in float32 the angle of opposites is off by 1e-3
    straight = start.lerp(end, share)
    if distribution in ("uniform", "unit_uniform"):
        return straight.to(first)
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=2).clamp(-1, 1)
    angle = cosine.acos()[:, :, None]
    curved = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
    # Equal directions need no great circle, and opposite ones have too many.
    return straight.where(angle.sin() < 1e-6, curved).to(first)


# --- labels ----------------------------------------------------------------------------------------
def with_labels(inputs: SamplingInputs, training: Training, wanted: Sequence[str]) -> SamplingInputs:
    """The same inputs, with some labels the same for all images."""
    if wanted and inputs.images is not None:
        raise ConfigError("--labels: this model makes images from images, and keeps their labels")
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


def write_rows(sampled: Sampled, output: Path, columns: int) -> list[Path]:
    """One picture, an interpolation in each row."""
    from ganbench.pictures import save_grid

    path = output / ROWS
    try:
        output.mkdir(parents=True, exist_ok=True)
        save_grid(sampled.images, path, columns)
    except OSError as error:
        raise StoreError(f"{path}: the picture cannot be written ({error.strerror or error})") from error
    return [path]


def file_name(index: int, labels: Mapping[str, str]) -> str:
    """`0003-hair-red-eyes-blue.png`, with letters that every file system takes."""
    from ganbench.suite.identity import slug

    parts = [f"{slug(name)}-{slug(value)}" for name, value in labels.items()]
    return "-".join([f"{index:04d}", *parts])[:LONGEST_NAME].rstrip("-") + ".png"


def sample(
    store: Store,
    cell: str,
    count: int,
    output: Path,
    labels: Sequence[str],
    seed: int,
    device: str,
    interpolate: int | None,
    as_json: bool,
) -> int:
    """The command; returns the exit code."""
    sampled = sample_cell(find_cell(store, cell), count, labels, seed=seed, device=device, interpolate=interpolate)
    files = write_images(sampled, output) if interpolate is None else write_rows(sampled, output, interpolate)
    if as_json:
        document({"cell": sampled.cell, "step": sampled.step, "files": [str(f) for f in files]})
    else:
        note(f"{sampled.cell}, step {sampled.step}: {len(sampled.images)} images")
        print(output)
    return 0
