"""ganbench: which GAN training tricks matter? Everything a plugin author or a notebook imports, loaded on first use."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganbench.version import __version__

if TYPE_CHECKING:  # `X as X` marks a re-export, for the type checkers of plugin authors
    from ganbench.api.architecture import Architecture as Architecture
    from ganbench.api.cell import Cell as Cell, RunResult as RunResult, Suite as Suite
    from ganbench.api.config import (
        Budget as Budget,
        EvaluationConfig as EvaluationConfig,
        Json as Json,
        LatentsConfig as LatentsConfig,
        NetworkConfig as NetworkConfig,
        OptimizerConfig as OptimizerConfig,
        PluginSpec as PluginSpec,
        RunConfig as RunConfig,
        RunOptions as RunOptions,
        TrainingConfig as TrainingConfig,
    )
    from ganbench.api.data import (
        Batch as Batch,
        Data as Data,
        DatasetInfo as DatasetInfo,
        ImageSet as ImageSet,
        LabelInfo as LabelInfo,
        Labels as Labels,
        Samples as Samples,
        Skipped as Skipped,
        Split as Split,
        rgb as rgb,
    )
    from ganbench.api.dataset import Dataset as Dataset, report_progress as report_progress
    from ganbench.api.executor import Executor as Executor, Exit as Exit, Job as Job, Workers as Workers
    from ganbench.api.existing import ExistingNetworks as ExistingNetworks
    from ganbench.api.extractor import (
        Extractor as Extractor,
        FeatureExtractor as FeatureExtractor,
        Features as Features,
    )
    from ganbench.api.logger import Logger as Logger, LogWriter as LogWriter
    from ganbench.api.loss import Loss as Loss, reduce as reduce
    from ganbench.api.metric import (
        Judge as Judge,
        Measured as Measured,
        Metric as Metric,
        MetricKey as MetricKey,
        Real as Real,
    )
    from ganbench.api.plugin import Plugin as Plugin
    from ganbench.api.procedure import Procedure as Procedure
    from ganbench.api.recorded import (
        Curve as Curve,
        ExternalScore as ExternalScore,
        Grid as Grid,
        HealthWarning as HealthWarning,
        PublishedFigure as PublishedFigure,
        Records as Records,
        RunRecord as RunRecord,
    )
    from ganbench.api.report import Report as Report
    from ganbench.api.summary import Effect as Effect, Summary as Summary
    from ganbench.api.training import (
        Discriminate as Discriminate,
        DOutput as DOutput,
        Forward as Forward,
        Game as Game,
        Moment as Moment,
        Networks as Networks,
        Parts as Parts,
        SamplingInputs as SamplingInputs,
        Targets as Targets,
        Terms as Terms,
        Training as Training,
        per_sample as per_sample,
        weighted_mean as weighted_mean,
    )
    from ganbench.api.trick import Trick as Trick, change as change
    from ganbench.errors import (
        ConfigError as ConfigError,
        DataError as DataError,
        GanbenchError as GanbenchError,
        Unavailable as Unavailable,
    )
    from ganbench.notebook import effects as effects, plan as plan, report as report, run as run, table as table
    from ganbench.registry import plugin as plugin, plugin_digest as plugin_digest


_HOME = {
    "api.architecture": ["Architecture"],
    "api.cell": ["Cell", "RunResult", "Suite"],
    "api.config": [
        "Budget",
        "EvaluationConfig",
        "Json",
        "LatentsConfig",
        "NetworkConfig",
        "OptimizerConfig",
        "PluginSpec",
        "RunConfig",
        "RunOptions",
        "TrainingConfig",
    ],
    "api.data": [
        "Batch",
        "Data",
        "DatasetInfo",
        "ImageSet",
        "LabelInfo",
        "Labels",
        "Samples",
        "Skipped",
        "Split",
        "rgb",
    ],
    "api.dataset": ["Dataset", "report_progress"],
    "api.existing": ["ExistingNetworks"],
    "api.executor": ["Executor", "Exit", "Job", "Workers"],
    "api.extractor": ["Extractor", "FeatureExtractor", "Features"],
    "api.logger": ["LogWriter", "Logger"],
    "api.loss": ["Loss", "reduce"],
    "api.metric": ["Judge", "Measured", "Metric", "MetricKey", "Real"],
    "api.plugin": ["Plugin"],
    "api.procedure": ["Procedure"],
    "api.recorded": ["Curve", "ExternalScore", "Grid", "HealthWarning", "PublishedFigure", "Records", "RunRecord"],
    "api.report": ["Report"],
    "api.summary": ["Effect", "Summary"],
    "api.training": [
        "DOutput",
        "Discriminate",
        "Forward",
        "Game",
        "Moment",
        "Networks",
        "Parts",
        "SamplingInputs",
        "Targets",
        "Terms",
        "Training",
        "per_sample",
        "weighted_mean",
    ],
    "api.trick": ["Trick", "change"],
    "errors": ["ConfigError", "DataError", "GanbenchError", "Unavailable"],
    "notebook": ["effects", "plan", "report", "run", "table"],
    "registry": ["plugin", "plugin_digest"],
}
_MODULE_OF = {name: f"ganbench.{module}" for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): `ganbench --help` must not wait for torch."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """`ganbench.run` and `ganbench.report` are the functions of notebooks, though modules of these names exist, which
    importing would put in their place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("report", "run") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
