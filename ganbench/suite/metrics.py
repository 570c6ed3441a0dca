"""Do the chosen metrics fit the data set, and is the primary one among what they measure? Can the loggers log?"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ganbench import registry
from ganbench.accuse import returned
from ganbench.api.config import RunConfig, RunOptions
from ganbench.errors import DataError, GanbenchError, did_you_mean
from ganbench.suite.build import Base, place
from ganbench.suite.yaml import Node, Problem

if TYPE_CHECKING:
    from ganbench.api.data import DatasetInfo
    from ganbench.api.dataset import Dataset
    from ganbench.api.logger import Logger
    from ganbench.api.metric import Metric


def dataset_info(config: RunConfig) -> DatasetInfo:
    """What the data set says of itself. Raises DataError, with how to get the data, when they are missing."""
    from ganbench.api.data import DatasetInfo

    plugin = cast("Dataset", registry.make("dataset", config.dataset))
    return returned(DatasetInfo, plugin, "info", plugin.info())


def check_metrics(base: Base, node: Node, primary: str, named: Node | None, problems: list[Problem]) -> None:
    """Needs the data set's info: where the data are missing, nothing is said here."""
    from ganbench.api.metric import MetricKey

    try:
        info = dataset_info(base.config)
        metrics = [cast("Metric", registry.make("metric", spec)) for spec in base.evaluation.metrics]
    except DataError:
        return
    except GanbenchError:  # reported with its place when the base was checked
        return
    keys: list[str] = []
    for index, metric in enumerate(metrics):
        keys += [returned(MetricKey, metric, "keys", key).name for key in metric.keys(info)]
        if sentence := metric.problem(info, base.evaluation):
            mark, path = place(node, ("evaluation", "metrics", index))
            problems.append(Problem(mark=mark, path=path, message=sentence))
    if keys and primary not in keys:
        mark = named.mark if named else place(node, ("evaluation", "metrics"))[0]
        message = f"{primary!r} is none of the metrics' numbers.{did_you_mean(primary, keys)}"
        problems.append(Problem(mark=mark, path="primary_metric", message=message))


def check_loggers(options: RunOptions, node: Node, problems: list[Problem]) -> None:
    """What loggers lack is said before anything runs: else every cell would fail on it."""
    for index, spec in enumerate(options.loggers):
        if sentence := cast("Logger", registry.make("logger", spec)).problem():
            mark, path = place(node, ("loggers", index))
            problems.append(Problem(mark=mark, path=path, message=sentence))
