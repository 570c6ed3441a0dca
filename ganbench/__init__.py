"""ganbench: which GAN training tricks matter? Everything a plugin author or a notebook imports, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ganbench.version import __version__

if TYPE_CHECKING:
    from ganbench.api.architecture import Architecture
    from ganbench.api.cell import Cell, RunResult, Suite
    from ganbench.api.config import (
        Budget,
        EvaluationConfig,
        Json,
        LatentsConfig,
        NetworkConfig,
        OptimizerConfig,
        PluginSpec,
        RunConfig,
        RunOptions,
        TrainingConfig,
    )
    from ganbench.api.data import Batch, Data, DatasetInfo, ImageSet, LabelInfo, Labels, Samples, Split, rgb
    from ganbench.api.dataset import Dataset
    from ganbench.api.executor import Executor, Exit, Job, Workers
    from ganbench.api.extractor import Extractor, FeatureExtractor, Features
    from ganbench.api.logger import Logger, LogWriter
    from ganbench.api.loss import Loss, reduce
    from ganbench.api.metric import Judge, Measured, Metric, MetricKey, Real
    from ganbench.api.plugin import Plugin
    from ganbench.api.procedure import Procedure
    from ganbench.api.report import Report
    from ganbench.api.summary import Effect, Summary
    from ganbench.api.training import (
        Discriminate,
        DOutput,
        Forward,
        Game,
        Moment,
        Networks,
        Parts,
        SamplingInputs,
        Targets,
        Terms,
        Training,
        per_sample,
        weighted_mean,
    )
    from ganbench.api.trick import Trick, change
    from ganbench.errors import ConfigError, DataError, GanbenchError
    from ganbench.notebook import effects, plan, report, run, table

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
    "api.data": ["Batch", "Data", "DatasetInfo", "ImageSet", "LabelInfo", "Labels", "Samples", "Split", "rgb"],
    "api.dataset": ["Dataset"],
    "api.executor": ["Executor", "Exit", "Job", "Workers"],
    "api.extractor": ["Extractor", "FeatureExtractor", "Features"],
    "api.logger": ["LogWriter", "Logger"],
    "api.loss": ["Loss", "reduce"],
    "api.metric": ["Judge", "Measured", "Metric", "MetricKey", "Real"],
    "api.plugin": ["Plugin"],
    "api.procedure": ["Procedure"],
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
    "errors": ["ConfigError", "DataError", "GanbenchError"],
    "notebook": ["effects", "plan", "report", "run", "table"],
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
