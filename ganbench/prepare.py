"""What many cells share, made once before any cell starts: data cache, reference statistics, evaluators."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from ganbench.api.cell import Cell
from ganbench.api.config import Json
from ganbench.api.metric import MetricKey
from ganbench.cache import RealImagesOf, real_images
from ganbench.errors import ConfigError
from ganbench.evaluate import prepare_panel
from ganbench.files import plain


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The real side of each data set and evaluation that a suite uses."""

    reals: dict[str, RealImagesOf]
    keys: list[MetricKey]  # of all metrics, in the suite's order
    protocols: dict[str, dict[str, Json]]  # by group: under which scores may stand in one table
    notes: dict[str, Json]  # floors and ceilings of the baseline's evaluation

    def of(self, cell: Cell) -> RealImagesOf:
        return self.reals[group_of(cell)]


def group_of(cell: Cell) -> str:
    """Cells of one group share data set and evaluation."""
    return json.dumps(plain([cell.config.dataset, cell.evaluation]), sort_keys=True)


def prepare(cells: Iterable[Cell], *, device: torch.device, cache: Path, say: Callable[[str], None]) -> Prepared:
    """Make whatever is not in the cache yet. Raises DataError and ConfigError before any cell has cost anything.

    The weights of extractors are checked first: they are what is missing most often.
    """
    reals: dict[str, RealImagesOf] = {}
    for cell in cells:
        if group_of(cell) not in reals:
            reals[group_of(cell)] = real_images(
                cell.config.dataset, cell.evaluation, device=device, cache=cache, say=say
            )
    for real in reals.values():
        real.extractor_plugin.digest()
        if real.info.counts.get("train", 0) < 2:
            raise ConfigError(f"data set {real.dataset.name}: the training split holds fewer than 2 images")
    keys: dict[str, MetricKey] = {}
    notes: dict[str, Json] = {}
    protocols: dict[str, dict[str, Json]] = {}
    for group, real in reals.items():
        panel = prepare_panel(real.metrics, real, lambda real=real: real.network)  # type: ignore[misc]
        keys |= {key.name: key for key in panel.keys if key.name not in keys}
        notes = panel.notes | notes
        protocols[group] = panel.protocol
        real.__dict__.pop("network", None)  # cells load their own
    return Prepared(reals=reals, keys=list(keys.values()), protocols=protocols, notes=notes)
