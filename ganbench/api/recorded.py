"""What a run left behind, for report formats that draw: its numbers along the way, its sample grids, its warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ganbench.api.cell import RunResult


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Numbers along a run, in columns of equal length. None where a record lacks the number, or it was not finite."""

    at: dict[str, list[float | None]] = field(default_factory=dict)  # step, seconds, images_seen, ...: where they stand
    values: dict[str, list[float | None]] = field(default_factory=dict)  # `D/adversarial`, `fid`, ...


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The fixed latents of a run, drawn at one evaluation."""

    step: int
    progress: float  # share of the budget, 0..1
    path: Path  # WebP, GRID_GAP pixels of white between images
    views: tuple[str, ...] = ()  # what stands side by side for each input; empty: samples alone


@dataclass(frozen=True, kw_only=True)
class HealthWarning:
    """What looked wrong while a cell trained, and when."""

    step: int | None
    text: str
    last_step: int | None = None  # until when it was as bad


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One cell and seed, in the order of the rows of its summary."""

    cell: str
    level: tuple[str, str]  # axis and level as in effects; ("", "baseline") of the baseline
    seed: int
    status: str  # as in the table: also pending and stale
    reason: str = ""
    losses: Curve = Curve()  # history.jsonl: loss terms, gradient norms, health, memory
    scores: Curve = Curve()  # snapshots.jsonl: metrics and diversity, at the number of images that is scored
    grids: list[Grid] = field(default_factory=list)
    animation: Path | None = None
    result: RunResult | None = None
    warnings: list[HealthWarning] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # the last lines, of cells that failed
    retry: str = ""  # the command that runs it again, of cells that failed (diverged and collapsed are outcomes)


@dataclass(frozen=True, kw_only=True)
class PublishedFigure:
    """A number of somebody else's, to be shown beside ours and never ranked with it."""

    metric: str
    model: str
    value: float
    spread: float | None
    data: str
    images: str
    settings: str
    measured_by: str
    source: str
    checked: bool  # whether it was read in its source


@dataclass(frozen=True, kw_only=True)
class ExternalScore:
    """Images that another program made, measured like the suite's: one set, so no seeds and no verdict."""

    name: str
    images: int
    metrics: dict[str, float]  # empty where they were measured otherwise, as `note` says
    last: dict[str, float] = field(default_factory=dict)  # on final_images
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Records:
    """All that was recorded beside the table. Paths point into the results folder and the cache."""

    runs: list[RunRecord] = field(default_factory=list)
    real: Path | None = None  # images.npy, uint8 N C H W: the split that scores are measured against
    training: Path | None = None  # images.npy of the training split
    published: list[PublishedFigure] = field(default_factory=list)  # on the same data, or to the same question
    external: list[ExternalScore] = field(default_factory=list)  # of `ganbench score`


GRID_GAP = 2  # pixels between the images of a grid
