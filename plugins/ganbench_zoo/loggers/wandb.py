"""Curves, samples and settings for Weights & Biases, offline: `pip install 'ganbench[wandb]'`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from ganbench import Cell, ConfigError, Json, Logger

MISSING = "wandb is not installed: pip install 'ganbench[wandb]'"


@dataclass(frozen=True, kw_only=True)
class WandB(Logger):
    """One W&B run per cell, in the cell's folder. Offline unless told otherwise: `wandb sync` sends it later."""

    project: str = "ganbench"  # under which W&B files the runs
    mode: Literal["offline", "online", "disabled"] = "offline"  # online sends data away, and needs an account

    def problem(self) -> str | None:
        return MISSING if find_spec("wandb") is None else None

    def open(self, cell: Cell, folder: Path) -> WandBWriter:
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(f"loggers: {MISSING}") from error
        run = wandb.init(
            project=self.project,
            mode=self.mode,
            dir=str(folder),
            id=cell.id[-64:],  # the same after a resumption
            name=cell.id,
            group=cell.suite,
            config={"levels": cell.levels, "seed": cell.seed, **asdict(cell.config)},
            resume="allow" if self.mode == "online" else None,
            # Nothing about the machine, its user or the code beside: the cell's provenance says what is needed.
            settings=wandb.Settings(
                console="off", disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True, silent=True
            ),
        )
        run.define_metric("*", step_metric="step")  # W&B's own counter may not go back, as a resumed run does
        return WandBWriter(run)


@dataclass
class WandBWriter:
    run: Any

    def history(self, record: Mapping[str, Json]) -> None:
        self.run.log({name: value for name, value in record.items() if isinstance(value, int | float)})
        warning = record.get("warning")
        if isinstance(warning, dict):
            self.run.alert(title=str(warning.get("name")), text=str(warning.get("message")))

    def snapshot(self, record: Mapping[str, Json]) -> None:
        metrics = record["metrics"]
        assert isinstance(metrics, dict)
        kind = "final" if record.get("final") else "metrics"
        self.run.log({"step": record["step"], **{f"{kind}/{name}": value for name, value in metrics.items()}})

    def images(self, step: int, path: Path) -> None:
        import wandb

        with Image.open(path, formats=["WEBP", "PNG"]) as opened:
            self.run.log({"step": step, "samples": wandb.Image(opened.convert("RGB"))})

    def close(self) -> None:
        import wandb

        self.run.finish()
        wandb.teardown()  # and wait for W&B's own process, which writes the file
