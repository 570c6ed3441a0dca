"""Conformance checks that any plugin author can call: each raises AssertionError with a sentence.

    def test_my_trick():
        check_plugin(MyTrick(strength=0.5))

`check_plugin` knows all kinds and runs what `ganbench check` runs; the others look at one side of one kind. Everything
runs on random 16 x 16 images and on the CPU.
"""

from ganbench.testing.architectures import check_architecture
from ganbench.testing.conformance import check_plugin, outcomes
from ganbench.testing.evaluation import check_dataset, check_extractor, check_metric
from ganbench.testing.losses import check_loss
from ganbench.testing.outcome import NotChecked, Outcome
from ganbench.testing.output import check_executor, check_logger, check_report, tiny_summary
from ganbench.testing.runs import assert_same, check_options, check_run, through_file
from ganbench.testing.tiny import run_steps, tiny_config, tiny_info, tiny_parts, tiny_samples, tiny_training
from ganbench.testing.tricks import check_configure, check_procedure, check_trick

__all__ = [
    "NotChecked",
    "Outcome",
    "assert_same",
    "check_architecture",
    "check_configure",
    "check_dataset",
    "check_executor",
    "check_extractor",
    "check_logger",
    "check_loss",
    "check_metric",
    "check_options",
    "check_plugin",
    "check_procedure",
    "check_report",
    "check_run",
    "check_trick",
    "outcomes",
    "run_steps",
    "through_file",
    "tiny_config",
    "tiny_info",
    "tiny_parts",
    "tiny_samples",
    "tiny_summary",
    "tiny_training",
]
