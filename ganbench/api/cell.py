"""Suites, cells and results, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ganbench.api.config import EvaluationConfig, Json, PluginSpec, RunConfig, RunOptions

Design = Literal["one_at_a_time", "grid", "leave_one_out", "paired"]
Status = Literal["done", "diverged", "collapsed", "failed", "skipped"]
FAILURES: tuple[Status, ...] = ("diverged", "collapsed", "failed")


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Combinations that are left out, and why."""

    levels: dict[str, str]  # axis -> level
    because: str


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One question, as a list of levels to compare. `ganbench.suite.load` makes it; every mistake is found there."""

    name: str
    question: str
    base: dict[str, Json]  # the merged `base:`, with profile and --set applied
    axes: dict[str, dict[str, dict[str, Json]]] = field(default_factory=dict)  # axis -> level -> path -> value
    design: Design = "one_at_a_time"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # of a level
    baseline_seeds: tuple[int, ...] = tuple(range(10))
    top_up: int | None = None  # one declared second look, at so many seeds per level
    margin: float = 0.05  # differences of the primary metric below it do not matter
    primary_metric: str = "fid"
    exclude: tuple[Exclusion, ...] = ()
    options: RunOptions = RunOptions()
    profile: str | None = None
    profiles: tuple[str, ...] = ()  # names of those that the file offers

    @property
    def folder(self) -> str:
        """Name of its folder under results/."""
        return self.name if self.profile is None else f"{self.name}@{self.profile}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One configuration and one seed: the unit that is trained, stored and counted."""

    id: str  # readable slug + 12 hex of the digest
    suite: str  # the suite's folder name
    levels: dict[str, str]  # axis -> level; empty for the baseline
    seed: int  # as listed in the suite; the streams are derived from it and config.replicate
    config: RunConfig
    evaluation: EvaluationConfig
    conflict: str | None = None  # why it cannot run, decided before any GPU second

    @property
    def digest(self) -> str:
        """The 12 hex digits that identify it."""
        return self.id.rsplit("-", 1)[-1]

    @property
    def is_baseline(self) -> bool:
        return not self.levels


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What result.json holds. Its existence means that the cell is over."""

    status: Status
    reason: str = ""  # for all but `done`: one sentence
    metrics: dict[str, float] = field(default_factory=dict)  # scores over the window, `<key>_last`, `<key>_best`
    updates: dict[str, int] = field(default_factory=dict)  # {"d": ..., "g": ...}
    steps: int = 0
    images_seen: int = 0
    seconds: float = 0.0  # of training
    evaluation_seconds: float = 0.0
    peak_memory_mib: float = 0.0
    profile: dict[str, float] = field(default_factory=dict)  # part -> seconds, where `profile_cell` asks for it
    health: dict[str, Json] = field(default_factory=dict)
    protocol: dict[str, Json] = field(default_factory=dict)  # how it was measured; compared before rows are mixed
    notes: dict[str, Json] = field(default_factory=dict)  # floors and ceilings
    tables: dict[str, Json] = field(default_factory=dict)  # per metric: confusion matrices and the like
    evaluation: str = ""  # digest of the evaluation and its plugins: when it differs, the cell is scored again
    schema: int = 1


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a result came from: compared on every run, so that a changed plugin or data set makes it stale."""

    ganbench: str
    versions: dict[str, str]  # python, torch, ...
    plugins: dict[str, dict[str, str]]  # "trick/top_k" -> {distribution, version, digest}
    dataset: str  # digest of the training split
    extractor: str  # digest of its weights
    device: str
    git_commit: str | None = None
    started: str = ""  # ISO 8601, UTC
    settings: dict[str, bool | int] = field(default_factory=dict)  # of the kernels: TF32, determinism, threads
    left_out: dict[str, str] = field(default_factory=dict)  # compile, cuda_graphs -> why a run does without
    options: RunOptions = RunOptions()
    # Versions under which earlier parts of the training ran, of a cell that was continued: {"torch": ..., ...} each.
    continued: tuple[dict[str, str], ...] = ()
    self_check: dict[str, Json] = field(default_factory=dict)  # first steps run twice: {"steps": 6, ..., "equal": true}


__all__ = [
    "FAILURES",
    "Cell",
    "Design",
    "Exclusion",
    "PluginSpec",
    "Provenance",
    "RunResult",
    "Status",
    "Suite",
]
