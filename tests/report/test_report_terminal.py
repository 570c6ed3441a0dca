from __future__ import annotations

import io

import pytest
from result_rows import FID
from rich.console import Console

from ganbench.report.summarise import summarise
from ganbench.report.terminal import Verdicts, plain, verdict_table


def printed(summary, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(verdict_table(Verdicts.of(summary), width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [36, 60, 80, 100, 140])
def test_verdicts_fit_terminals_of_every_width(rows, suite, width):
    summary = summarise(suite, rows.add({"norm": "off"}, 40).add({"opt": "sgd"}, 60).frame, [FID])
    text = printed(summary, width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("helps", "hurts", "-20"):
        assert word in text
    assert ("95 %" in text) == (width >= 88)


def test_level_names_cannot_write_to_the_screen(rows, suite):
    summary = summarise(suite, rows.add({"norm": "\x1b[2Joff\u202e [red]x"}, 40).frame, [FID])
    text = printed(summary, 140)
    assert "norm: [2Joff [red]x" in text  # neither escape codes nor markup
    assert not any(c in text for c in "\x1b\u202e")
    assert plain("a\x07\u200bb\u2028") == "ab"
