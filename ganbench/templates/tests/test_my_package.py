from __future__ import annotations

from pathlib import Path

import ganbench
from ganbench.testing import check_plugin
from my_package.my_trick import MyTrick

SUITE = Path(__file__).parents[1] / "suite.yaml"


# --- plugin
def test_my_trick_conforms() -> None:
    check_plugin(MyTrick())


# --- plugin


def test_the_suite_has_no_mistakes() -> None:
    ganbench.plan(SUITE, profile="smoke")
