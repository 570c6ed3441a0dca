"""`ganbench score`: the suite's metrics for a folder of images that any other program has made."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.api.config import EvaluationConfig, Json, PluginSpec
from ganbench.commands.arguments import find_suites
from ganbench.commands.screen import columns, counted, document, note, safe
from ganbench.errors import ConfigError, DataError, StoreError
from ganbench.files import write_json
from ganbench.store import SCHEMA, Store, SuiteFolder

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ganbench.api.data import DatasetInfo, LabelInfo

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
DEFAULT_METRICS = ("fid", "kid")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A folder of images, measured as a suite measures its cells. Kept in the suite's folder: external/<name>.json."""

    name: str
    images: int  # that `metrics` were measured on
    metrics: dict[str, float]
    last: dict[str, float] = field(default_factory=dict)  # on the suite's final_images, where there are so many
    protocol: dict[str, Json] = field(default_factory=dict)
    notes: dict[str, Json] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)  # metrics, each with the reason
    schema: int = SCHEMA


def score(
    store: Store,
    folder: Path,
    dataset: str | None,
    options: Sequence[str],
    labels: Path | None,
    suite: str | None,
    name: str | None,
    device: str,
    as_json: bool,
) -> int:
    """The command; returns the exit code. With a suite, the scores go into its next report."""
    from ganbench.commands.prepare import spec_of

    name = name or folder.resolve().name
    place = None
    evaluation: EvaluationConfig | None = None
    spec = spec_of(dataset, options) if dataset else None
    cache = store.cache
    if suite is not None:
        (place, *more) = find_suites(store, [suite])
        if more:
            raise ConfigError(f"--suite {suite}: names several: {', '.join(p.path.name for p in [place, *more])}")
        used, evaluation, cache = of_suite(place)
        if spec is not None and spec.name != used.name:
            raise ConfigError(f"--dataset {spec.name}: the suite {place.path.name} is about {used.name}")
        spec = used
    if spec is None:
        raise ConfigError("score: name the real images with --dataset, or a suite that was run with --suite")
    scored = score_images(folder, spec, evaluation, labels, cache=cache, device=device, name=name)
    target = None
    if place is not None:
        target = external_path(place, name)
        try:
            target.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{target.parent}: cannot be made ({error.strerror or error})") from error
        write_json(target, scored)
    if as_json:
        document({"scored": scored, "file": str(target) if target else None})
        return 0
    last = {key: f"last {value:.5g}" for key, value in scored.last.items()}
    rows = [(key, f"{value:.5g}", last.get(key, "")) for key, value in scored.metrics.items()]
    print(safe(f"{name}: {counted(scored.images, 'image')}"))
    for line in columns(rows, indent="  "):
        print(line)
    for line in scored.left_out:
        note(line)
    if place is not None:
        print(safe(f"will stand in the next report of {place.path.name}"))
    return 0


def of_suite(folder: SuiteFolder) -> tuple[PluginSpec, EvaluationConfig, Path]:
    """Data set, evaluation and cache of the first cell of a suite that was run."""
    for path in folder.cell_paths():
        if (path / "config.json").exists():
            cell, _, cache = folder.cell(path.name).read_config()
            return cell.config.dataset, cell.evaluation, cache
    raise StoreError(f"{folder.path}: no cell has been started, so it is not known how its images are measured")


def external_path(folder: SuiteFolder, name: str) -> Path:
    """Where a score is kept: the name as far as a file may have it, and a digest that keeps names apart."""
    slug = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "images"
    return folder.path / "external" / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"


def score_images(
    folder: Path,
    dataset: PluginSpec,
    evaluation: EvaluationConfig | None = None,
    labels: Path | None = None,
    *,
    cache: Path,
    device: str = "cpu",
    name: str = "",
) -> Scored:
    """Measure a folder of images against a data set.

    evaluation: of the suite whose table they shall stand in: then they must be as many as it scores. None: FID and KID
    of all images, under the default evaluation. labels: a CSV file with the column `file` and one per label of the data
    set, the labels that each image was asked to have; without it, metrics that judge labels are left out.
    """
    from ganbench import device as devices
    from ganbench.api.data import ImageSet
    from ganbench.api.metric import Measured
    from ganbench.cache import real_images
    from ganbench.evaluate import features_of, finite, prepare_panel

    files = image_files(folder)
    whole = evaluation or EvaluationConfig(
        images=len(files), final_images=len(files), metrics=tuple(PluginSpec(name=name) for name in DEFAULT_METRICS)
    )
    if len(files) < whole.images:
        raise DataError(f"{folder}: holds {counted(len(files), 'image')}, and {whole.images} are scored")
    where = devices.pick(device)
    real = real_images(dataset, whole, device=where, cache=cache, say=note)
    without_model = [name for name, metric in real.metrics.items() if metric.needs_gallery]
    left_out = [f"{name}: needs the model, not its images alone" for name in without_model]
    judged = [name for name, metric in real.metrics.items() if metric.images == "conditions" and labels is None]
    left_out += [f"{name}: needs --labels, which say what each image was asked to show" for name in judged]
    if left_out:
        kept = tuple(spec for spec in whole.metrics if spec.name not in [*judged, *without_model])
        if not kept:
            raise ConfigError("\n".join(left_out))
        real = real_images(dataset, replace(whole, metrics=kept), device=where, cache=cache, say=note)
    panel = prepare_panel(real.metrics, real, lambda: real.network)
    counts = [whole.images] + ([whole.final_images] if len(files) >= whole.final_images > whole.images else [])
    files = files[: max(counts)]
    asked = {} if labels is None else read_labels(labels, folder, files, real.info)
    pixels = read_images(files, real.info)
    measured = []
    for count in counts:
        images = ImageSet(images=pixels[:count], labels={label: value[:count] for label, value in asked.items()})
        seen = Measured(images=images, features=features_of(images, panel, where, lambda: None), final=True)
        measured.append(
            {
                key: v
                for name, (_, judge) in panel.judges.items()
                for key, v in finite(name, judge.measure(seen)).items()
            }
        )
    protocol = panel.protocol | ({"labels": "of the images"} if asked else {})
    return Scored(
        name=name or folder.name,
        images=counts[0],
        metrics=measured[0],
        last=measured[1] if len(counts) > 1 else {},
        protocol=protocol,
        notes=panel.notes,
        left_out=left_out,
    )


# --- files -------------------------------------------------------------------------------------------
def image_files(folder: Path) -> list[Path]:
    """Images in a folder and below it, in an order that has nothing to do with their names: by a hash of their relative
    paths, so that the first ones are a random sample. Links and hidden files are left out."""
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not path.is_symlink()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    if not found:
        raise DataError(f"{folder}: holds no images ({', '.join(FORMATS)})")
    return [found[name] for name in sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())]


def read_images(files: Sequence[Path], info: DatasetInfo) -> Tensor:
    """uint8, N 3 H W. Images must have the size of the real ones: how they are scaled can move FID more than training,
    so it is not done in silence."""
    import numpy as np
    import torch
    from PIL import Image

    pixels = np.empty((len(files), info.size, info.size, 3), np.uint8)
    for index, path in enumerate(files):
        try:
            with Image.open(path, formats=FORMATS) as opened:
                if opened.size != (info.size, info.size):
                    width, height = opened.size
                    raise DataError(
                        f"{path}: is {width} x {height} pixels, and the real images are {info.size} x {info.size}: "
                        "scale all of them as they shall be judged"
                    )
                if odd := oddity(opened):
                    raise DataError(f"{path}: {odd}: save all of them as 8-bit grey or RGB, as they shall be judged")
                pixels[index] = np.asarray(opened.convert("L" if info.channels == 1 else "RGB").convert("RGB"))
        except DataError:
            raise
        except Exception as error:  # decoders of broken files raise nearly anything
            raise DataError(f"{path}: cannot be read as an image ({error})") from error
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def oddity(image: Image.Image) -> str:
    """What would have to be guessed to make grey or RGB of an image; empty for one that is just that."""
    if image.has_transparency_data:
        return "has transparent pixels"
    if image.mode not in ("L", "RGB", "P", "1"):
        return f"has pixels of the mode {image.mode}"
    if getattr(image, "n_frames", 1) > 1:
        return "is animated"
    return "is to be turned, says its EXIF" if image.getexif().get(0x0112, 1) != 1 else ""


def read_labels(table: Path, folder: Path, files: Sequence[Path], info: DatasetInfo) -> dict[str, Tensor]:
    """Label -> values in the order of the files. Written as `ganbench sample` writes labels.csv: `red`, `red+blue`.
    The column `file` has paths from the folder, or names alone where only one file has each."""
    import torch

    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows: dict[str, Mapping[str, str | None]] = {str(row.get("file")): row for row in reader}
            header = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read ({error})") from error
    missing = [column for column in ("file", *info.labels) if column not in header]
    if missing:
        raise DataError(f"{table}: has no column {missing[0]!r}. Needed: file, {', '.join(info.labels)}.")
    found: dict[str, list[Tensor]] = {label: [] for label in info.labels}
    alike = Counter(path.name for path in image_files(folder))
    for path in files:
        name = path.relative_to(folder).as_posix()
        row = rows.get(name) or (rows.get(path.name) if alike[path.name] == 1 else None)
        if row is None:
            raise DataError(f"{table}: has no row for {name}")
        for label, values in found.items():
            values.append(value(info.labels[label], row.get(label) or "", f"{table}: {name}: {label}"))
    return {label: torch.stack(values) for label, values in found.items()}


def value(label: LabelInfo, text: str, where: str) -> Tensor:
    from ganbench.commands.sample import parsed

    return parsed(label, "" if label.kind == "flags" and text == "none" else text.replace("+", ","), where)
