"""The report for Sphinx."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganbench import MetricKey, Report, Summary


@dataclass(frozen=True, kw_only=True)
class RST(Report):
    """table.rst: question, answer and verdicts as reStructuredText, to be included in pages that Sphinx makes."""

    default: ClassVar[bool] = False  # only where `--format rst` asks for it: installing a plugin changes no report

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        path = folder / "table.rst"
        path.write_text("\n".join(document(summary)) + "\n", encoding="utf-8")
        return [path]


# Verdicts, scores and titles are in the summary: a format shows them and computes nothing.
def document(summary: Summary) -> Iterable[str]:
    key = next(key for key in summary.keys if key.name == summary.suite.primary_metric)
    effects = [effect for effect in summary.effects if effect.metric == key.name]
    yield from (f"**{text(summary.suite.question)}**", "", text(summary.answer), "")
    for warning in summary.warnings:
        yield from (".. warning::", f"   {text(warning)}", "")
    yield from (f".. list-table:: {text(key.title or key.name)}", "   :header-rows: 1", "")
    yield from row("level", "score", "change", "95 % interval", "p (adjusted)", "verdict", "seeds", "failures")
    if first := summary.baseline(key.name):
        yield from row("baseline", number(first.baseline_score), *[""] * 4, first.baseline_n, first.baseline_failures)
    for effect in effects:
        name = f"{effect.axis}: {effect.level}" if effect.axis else effect.level
        interval = f"{change(effect.ci_low, key)} to {change(effect.ci_high, key)}" if effect.ci_low is not None else ""
        yield from row(
            *(name, number(effect.score), change(effect.change_percent, key), interval, number(effect.p_adjusted, 2)),
            *(effect.verdict, effect.n, effect.failures),
        )
    yield ""
    yield from (f"* {text(line)}" for line in summary.footer)


def row(*cells: object) -> Iterable[str]:
    for i, cell in enumerate(cells):
        yield f"   {'  -' if i else '* -'} {text(str(cell))}".rstrip()


def number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def change(value: float | None, key: MetricKey) -> str:
    """Per cent for ratios; the difference itself for differences, which are kept as 100 times that."""
    if value is None:
        return ""
    return f"{value:+.1f} %" if key.scale == "ratio" else f"{value / 100:+.3g}"


def text(words: str) -> str:
    """One line that is read as it is: names of levels are anybody's."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(words.split()))
    escaped = re.sub(r"([\\`*_|]|:(?=:)|(?<=:):)", r"\\\1", line)
    # What a line begins with may make it a list, a comment or a rule.
    begins = re.match(r"[^\w\\]|\(?\w{1,8}[.)](\s|$)", escaped)
    return f"\\{escaped}" if begins else escaped
