"""Figures that others have published, as data (published.yaml): shown next to ours with their settings, never ranked
with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ganbench.api.validate import validate
from ganbench.suite.yaml import read

TABLE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published number."""

    metric: str  # `fid`, `inception_score`, `kid`, `conditional_accuracy`
    model: str
    value: float  # as published; accuracies as shares
    data: str  # what the images were
    images: str  # how many generated and real ones it was measured on
    settings: str  # network, training, which checkpoint
    measured_by: str
    source: str
    checked: bool  # whether we have read it in its source
    spread: float | None = None  # the standard deviation that was given with it
    dataset: str = ""  # the plugin that reads such images
    suites: tuple[str, ...] = ()  # suites that ask the same question, whatever data they run on


def published(dataset: str, metric: str, suite: str = "") -> list[Figure]:
    """Figures for a data set and a metric, or one of its variants (`fid_last`), and those that a suite is about. In the
    order of the table, which is no order of merit."""
    wanted = metric.partition("/")[0].removesuffix("_last").removesuffix("_best")
    return [
        figure
        for figure in figures()
        if figure.metric == wanted and ((dataset and figure.dataset == dataset) or (suite and suite in figure.suites))
    ]


@cache
def figures() -> tuple[Figure, ...]:
    """The whole table."""
    root, problems = read(TABLE)
    assert root is not None and not problems, problems
    found: list[Figure] = []
    for node in root.value if isinstance(root.value, list) else []:
        figure, faults = validate(Figure, node.plain())
        assert figure is not None, (str(node.mark), faults)
        found.append(figure)
    return tuple(found)
