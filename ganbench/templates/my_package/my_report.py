"""A format of reports, in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganbench import Report, Summary


@dataclass(frozen=True, kw_only=True)
class MyReport(Report):
    """Verdicts as plain text, one a line (say what it writes here)."""

    default = False  # true: written by every `ganbench report`; false: when `--format` names it

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        lines = [summary.suite.question, summary.answer]
        for effect in summary.effects:
            change = "?" if effect.change_percent is None else f"{effect.change_percent:+.1f} %"
            lines.append(f"{effect.axis}={effect.level}: {effect.metric} {change}: {effect.verdict}")
        path = folder / "my_report.txt"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return [path]
