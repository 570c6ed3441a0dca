"""The verdict table for terminals."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from ganbench.api.metric import MetricKey
from ganbench.api.summary import Effect, Summary, against_baseline
from ganbench.report.words import change_text

_STYLES = {"helps": "green", "hurts": "red", "unstable": "yellow", "no difference": "cyan", "not enough seeds": "dim"}


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """As much of a summary as a terminal shows."""

    suite: str
    key: MetricKey  # of the primary metric
    effects: list[Effect]  # on it
    warnings: list[str]
    answer: str

    @classmethod
    def of(cls, summary: Summary) -> Verdicts:
        key = next(key for key in summary.keys if key.name == summary.suite.primary_metric)
        effects = [effect for effect in summary.effects if effect.metric == key.name]
        folder, warnings = summary.suite.folder, list(summary.warnings)
        return cls(suite=folder, key=key, effects=effects, warnings=warnings, answer=summary.answer)


def verdict_table(said: Verdicts, width: int) -> Table:
    """The effects on the primary metric. Narrow terminals lose columns, the least needed first."""
    key, effects = said.key, said.effects
    title = plain(f"{said.suite}: {key.title or key.name}")
    table = Table(title=Text(title), title_justify="left", width=min(width, 160))
    table.add_column("level", overflow="fold", min_width=min(24, width // 4), ratio=1)
    columns = [name for name, least in _WIDTHS.items() if width >= least]
    for name in columns:
        if name == "note":
            table.add_column(name, overflow="fold", ratio=1)
        else:
            justify: Literal["left", "right"] = "left" if name == "verdict" else "right"
            table.add_column(name, justify=justify, overflow="fold", no_wrap=width >= 60)
    if first := against_baseline(effects):
        started = first.baseline_n + first.baseline_failures
        cells = {"score": _number(first.baseline_score), "seeds": f"{first.baseline_n}/{started}"}
        table.add_row(Text("baseline"), *(Text(cells.get(name, "")) for name in columns))
    for effect in effects:
        cells = {
            "score": _number(effect.score),
            "change": "" if effect.change_percent is None else change_text(effect.change_percent, key),
            "95 %": "",
            "p": "" if effect.p_adjusted is None else f"{effect.p_adjusted:.2g}",
            "seeds": f"{effect.n}/{effect.n + effect.failures}",
            "verdict": effect.verdict,
            "note": _note(effect),
        }
        if effect.ci_low is not None and effect.ci_high is not None:
            cells["95 %"] = f"{change_text(effect.ci_low, key)} .. {change_text(effect.ci_high, key)}"
        name = f"{effect.axis}: {effect.level}" if effect.axis else effect.level
        style = _STYLES[effect.verdict]
        table.add_row(
            Text(plain(name)), *(Text(plain(cells[c]), style=style if c == "verdict" else "") for c in columns)
        )
    return table


# Column -> the terminal width from which on it is shown, in order of appearance.
_WIDTHS = {"score": 72, "change": 0, "95 %": 88, "p": 96, "seeds": 60, "verdict": 0, "note": 128}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _note(effect: Effect) -> str:
    needed = f"{effect.seeds_needed} seeds would do" if effect.seeds_needed else ""
    return "; ".join(filter(None, [effect.note, needed]))


def plain(text: str) -> str:
    """Without control, escape and bidirectional characters, which could rewrite the screen."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
