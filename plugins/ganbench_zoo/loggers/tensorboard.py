"""Curves, samples and settings for TensorBoard: `pip install 'ganbench[tensorboard]'`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ganbench import Cell, ConfigError, Json, Logger

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

MISSING = "tensorboard is not installed: pip install 'ganbench[tensorboard]'"


@dataclass(frozen=True, kw_only=True)
class TensorBoard(Logger):
    """Losses, health, metrics, the fixed latents and the settings of each cell, as TensorBoard's event files."""

    folder: str = "tensorboard"  # below the cell's folder; `tensorboard --logdir results` finds all of them
    images: bool = True  # the grid of the fixed latents too, at every evaluation

    def __post_init__(self) -> None:
        path = PurePath(self.folder)
        if path.is_absolute() or ".." in path.parts or not self.folder.isprintable():
            raise ValueError(f"folder must lie in the cell's folder, not {self.folder!r}")

    def problem(self) -> str | None:
        return MISSING if find_spec("tensorboard") is None else None

    def open(self, cell: Cell, folder: Path) -> TensorBoardWriter:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(f"loggers: {MISSING}") from error
        writer = SummaryWriter(log_dir=str(folder / self.folder))
        settings = dict(flat(asdict(cell.config)))
        said = {**cell.levels, "seed": cell.seed, **settings}
        text = "\n".join(f"    {name}: {value}" for name, value in said.items())  # indented: code, to Markdown
        writer.add_text("settings", text, 0)
        return TensorBoardWriter(writer, settings | {"seed": cell.seed}, self.images)


@dataclass
class TensorBoardWriter:
    """Everything has the step as its place: one generator update."""

    writer: SummaryWriter
    settings: dict[str, Any]
    with_images: bool

    def history(self, record: Mapping[str, Json]) -> None:
        step = int(str(record["step"]))
        warning = record.get("warning")
        if isinstance(warning, dict):
            self.writer.add_text("health/warnings", f"{warning.get('name')}: {warning.get('message')}", step)
        for name, value in record.items():
            if name not in ("step", "progress") and isinstance(value, int | float):
                self.writer.add_scalar(name if "/" in name else f"run/{name}", value, step)
        self.writer.flush()

    def snapshot(self, record: Mapping[str, Json]) -> None:
        """Metrics; those of the larger last evaluation have a name of their own, and stand beside the settings."""
        step, metrics = int(str(record["step"])), record["metrics"]
        assert isinstance(metrics, dict)
        values = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
        for name, value in values.items():
            self.writer.add_scalar(f"{'final' if record.get('final') else 'metrics'}/{name}", value, step)
        if record.get("final"):
            self._settings(values)
        self.writer.flush()

    def images(self, step: int, path: Path) -> None:
        if self.with_images:
            with Image.open(path, formats=["WEBP", "PNG"]) as opened:
                pixels = np.asarray(opened.convert("RGB"))
            self.writer.add_image("samples", pixels, step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()

    def _settings(self, values: Mapping[str, float]) -> None:
        """For TensorBoard's table of hyper-parameters: in this run's folder, not in a new one named by the time."""
        from torch.utils.tensorboard.summary import hparams

        file_writer: Any = self.writer._get_file_writer()  # type: ignore[no-untyped-call]
        scores = {f"final/{name}": value for name, value in values.items()}
        for summary in hparams(self.settings, scores):  # type: ignore[no-untyped-call]
            file_writer.add_summary(summary)


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings under dotted names; lists as JSON."""
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from flat(item, f"{prefix}{name}.")
        elif isinstance(item, bool | int | float | str):
            yield f"{prefix}{name}", item
        elif item is not None and item != {}:
            yield f"{prefix}{name}", json.dumps(item)
