r"""A table for papers: LaTeX with booktabs, and \input-able as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ganbench import Effect, MetricKey, Report, Summary
from ganbench_zoo.reports import wording

# What LaTeX would act upon, and signs that the fonts of pdflatex lack.
_ESCAPES = {
    **{"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_"},
    **{"^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}"},
    **{"|": r"\textbar{}", '"': r"{\char34}", "[": "{[}", "*": "{*}", "`": r"\textasciigrave{}", "-": "{-}"},
    **{
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": "--",
        "–": "--",
        "—": "---",
        "…": r"\dots{}",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
    },
    **{"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "λ": r"$\lambda$", "σ": r"$\sigma$", "µ": r"$\mu$"},
}

_LETTERS = "".join(chr(code) for code in range(0xC0, 0x100) if chr(code) not in "ÐÞðþ÷")  # in every font


@dataclass(frozen=True, kw_only=True)
class TeX(Report):
    """table.tex: the verdicts with booktabs, bold only where a verdict says that it helps."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        path = folder / "table.tex"
        path.write_text("\n".join(_table(summary)) + "\n", encoding="utf-8")
        return [path]


def _table(summary: Summary) -> Iterable[str]:
    key = wording.primary(summary)
    effects = [effect for effect in summary.effects if effect.metric == key.name]
    others = [other for other in summary.keys if other is not key and "/" not in other.name]
    found = {(e.axis, e.level, e.metric): e for e in summary.effects}
    yield r"% \usepackage{booktabs}"
    yield from (r"\begin{table}", r"\centering", rf"\caption{{{_caption(summary, key)}}}")
    yield rf"\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', summary.suite.folder)}}}"
    yield rf"\begin{{tabular}}{{l{'r' * (3 + len(others))}lr}}"
    arrow = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
    titles = [f"{escaped(_short(one))} {arrow[one.direction]}" for one in (key, *others)]
    yield r"\toprule"
    yield _row("level", titles[0], r"change", r"$p$", *titles[1:], "verdict", "seeds")
    yield r"\midrule"
    if first := summary.baseline(key.name):
        base = [found[first.axis, first.level, other.name].baseline_score for other in others]
        seeds = f"{first.baseline_n}/{first.baseline_n + first.baseline_failures}"
        yield _row("baseline", _number(first.baseline_score), "", "", *map(_number, base), "", seeds)
        yield r"\midrule"
    best = best_of(effects, key)
    for effect in effects:
        score = _number(effect.score)
        more = [_number(found[effect.axis, effect.level, other.name].score) for other in others]
        yield _row(
            escaped(wording.name_of((effect.axis, effect.level))),
            rf"\textbf{{{score}}}" if effect is best else score,
            _change(effect, key),
            _p(effect.p_adjusted),
            *more,
            escaped(effect.verdict),
            f"{effect.n}/{effect.n + effect.failures}",
        )
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}")


def best_of(effects: Iterable[Effect], key: MetricKey) -> Effect | None:
    """The best of those that help: what is merely the lowest number is not printed in bold."""
    helping = [effect for effect in effects if effect.verdict == "helps" and effect.score is not None]
    sign = 1 if key.direction == "lower" else -1
    return min(helping, key=lambda effect: sign * (effect.score or 0.0), default=None)


def _caption(summary: Summary, key: MetricKey) -> str:
    """The question, then how the numbers were made: a table without its protocol says nothing."""
    partial = f"Partial: {summary.finished} of {summary.planned} cells. " if summary.partial else ""
    bold = f"Bold: the best {_short(key)} among levels that help. "
    sentences = " ".join(f"{line.rstrip('.')}." for line in summary.footer)
    said = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1", sentences)  # digests, as far as people read them
    return escaped(
        f"{summary.suite.question} {partial}{bold}{key.title or key.name}; changes with 95 % intervals. {said}"
    )


def _row(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _short(key: MetricKey) -> str:
    """The title without its protocol, which the caption has."""
    return (key.title or key.name).partition(" (")[0]


def _number(value: float | None) -> str:
    return wording.number(value).replace("-", "$-$")


def _change(effect: Effect, key: MetricKey) -> str:
    if effect.change_percent is None:
        return ""
    changed = wording.change(effect.change_percent, key)
    interval = wording.interval(effect, key)
    text = f"{changed} [{interval.replace(' to ', ', ').removesuffix(' %')}]" if interval else changed
    return text.replace("%", r"\%").replace("-", "$-$").replace("+", "$+$")


def _p(value: float | None) -> str:
    return wording.p_value(value).replace("< 0.0001", "$<$0.0001").replace("-", "$-$")


def escaped(text: str) -> str:
    """One line that LaTeX prints as it is. What pdflatex has no letter for becomes its code point."""
    line = " ".join(wording.plain(text).split())
    return "".join(_ESCAPES.get(c, c if c.isascii() or c in _LETTERS else f"[U+{ord(c):04X}]") for c in line)
