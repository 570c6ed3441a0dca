"""Conformance checks that any plugin author can call: each raises AssertionError with a sentence.

    def test_my_trick():
        check_trick(MyTrick(strength=0.5))

Everything runs on random 16 x 16 images and on the CPU, within seconds.
"""

from ganbench.testing.architectures import check_architecture
from ganbench.testing.losses import check_loss
from ganbench.testing.runs import assert_same, check_options, check_run, through_file
from ganbench.testing.tiny import run_steps, tiny_config, tiny_info, tiny_parts, tiny_samples, tiny_training
from ganbench.testing.tricks import check_configure, check_procedure, check_trick

__all__ = [
    "assert_same",
    "check_architecture",
    "check_configure",
    "check_loss",
    "check_options",
    "check_procedure",
    "check_run",
    "check_trick",
    "run_steps",
    "through_file",
    "tiny_config",
    "tiny_info",
    "tiny_parts",
    "tiny_samples",
    "tiny_training",
]
