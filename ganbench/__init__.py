"""ganbench: which GAN training tricks matter? Everything a plugin author or a notebook imports, loaded on first use."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganbench.version import __version__

if TYPE_CHECKING:  # `X as X` marks a re-export, for the type checkers of plugin authors
    from ganbench.api.architecture import Architecture as Architecture
    from ganbench.api.cell import Cell as Cell
    from ganbench.api.cell import RunResult as RunResult
    from ganbench.api.cell import Suite as Suite
    from ganbench.api.config import (
        Budget as Budget,
    )
    from ganbench.api.config import (
        EvaluationConfig as EvaluationConfig,
    )
    from ganbench.api.config import (
        Json as Json,
    )
    from ganbench.api.config import (
        LatentsConfig as LatentsConfig,
    )
    from ganbench.api.config import (
        NetworkConfig as NetworkConfig,
    )
    from ganbench.api.config import (
        OptimizerConfig as OptimizerConfig,
    )
    from ganbench.api.config import (
        PluginSpec as PluginSpec,
    )
    from ganbench.api.config import (
        RunConfig as RunConfig,
    )
    from ganbench.api.config import (
        RunOptions as RunOptions,
    )
    from ganbench.api.config import (
        TrainingConfig as TrainingConfig,
    )
    from ganbench.api.data import (
        Batch as Batch,
    )
    from ganbench.api.data import (
        Data as Data,
    )
    from ganbench.api.data import (
        DatasetInfo as DatasetInfo,
    )
    from ganbench.api.data import (
        ImageSet as ImageSet,
    )
    from ganbench.api.data import (
        LabelInfo as LabelInfo,
    )
    from ganbench.api.data import (
        Labels as Labels,
    )
    from ganbench.api.data import (
        Samples as Samples,
    )
    from ganbench.api.data import (
        Split as Split,
    )
    from ganbench.api.data import (
        rgb as rgb,
    )
    from ganbench.api.dataset import Dataset as Dataset
    from ganbench.api.executor import Executor as Executor
    from ganbench.api.executor import Exit as Exit
    from ganbench.api.executor import Job as Job
    from ganbench.api.executor import Workers as Workers
    from ganbench.api.extractor import (
        Extractor as Extractor,
    )
    from ganbench.api.extractor import (
        FeatureExtractor as FeatureExtractor,
    )
    from ganbench.api.extractor import (
        Features as Features,
    )
    from ganbench.api.logger import Logger as Logger
    from ganbench.api.logger import LogWriter as LogWriter
    from ganbench.api.loss import Loss as Loss
    from ganbench.api.loss import reduce as reduce
    from ganbench.api.metric import (
        Judge as Judge,
    )
    from ganbench.api.metric import (
        Measured as Measured,
    )
    from ganbench.api.metric import (
        Metric as Metric,
    )
    from ganbench.api.metric import (
        MetricKey as MetricKey,
    )
    from ganbench.api.metric import (
        Real as Real,
    )
    from ganbench.api.plugin import Plugin as Plugin
    from ganbench.api.procedure import Procedure as Procedure
    from ganbench.api.report import Report as Report
    from ganbench.api.summary import Effect as Effect
    from ganbench.api.summary import Summary as Summary
    from ganbench.api.training import (
        Discriminate as Discriminate,
    )
    from ganbench.api.training import (
        DOutput as DOutput,
    )
    from ganbench.api.training import (
        Forward as Forward,
    )
    from ganbench.api.training import (
        Game as Game,
    )
    from ganbench.api.training import (
        Moment as Moment,
    )
    from ganbench.api.training import (
        Networks as Networks,
    )
    from ganbench.api.training import (
        Parts as Parts,
    )
    from ganbench.api.training import (
        SamplingInputs as SamplingInputs,
    )
    from ganbench.api.training import (
        Targets as Targets,
    )
    from ganbench.api.training import (
        Terms as Terms,
    )
    from ganbench.api.training import (
        Training as Training,
    )
    from ganbench.api.training import (
        per_sample as per_sample,
    )
    from ganbench.api.training import (
        weighted_mean as weighted_mean,
    )
    from ganbench.api.trick import Trick as Trick
    from ganbench.api.trick import change as change
    from ganbench.errors import ConfigError as ConfigError
    from ganbench.errors import DataError as DataError
    from ganbench.errors import GanbenchError as GanbenchError
    from ganbench.notebook import effects as effects
    from ganbench.notebook import plan as plan
    from ganbench.notebook import report as report
    from ganbench.notebook import run as run
    from ganbench.notebook import table as table


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


class _Package(ModuleType):
    """`ganbench.run` and `ganbench.report` are the functions of notebooks, though modules of these names exist, which
    importing would put in their place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("report", "run") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
