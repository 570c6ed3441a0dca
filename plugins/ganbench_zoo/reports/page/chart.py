"""A small line chart as SVG: a line per level, seeds as a band. For the page without its script, and for files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from ganbench import Curve, RunRecord
from ganbench_zoo.reports.page.figures import round_numbers
from ganbench_zoo.reports.wording import number, plain

# Okabe and Ito (2008), without the yellow that fades on white; the baseline is black. After them, dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b98600", "#2f9bd8")
BASELINE_COLOUR = "#222222"
DASHES = ("", "7 3", "2 3", "9 3 2 3")
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 30, 46
POINTS = 80  # where seeds stand at different places, as over seconds
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One level: mean over seeds, and the lowest and highest seed."""

    name: str
    place: int  # of the level, which fixes its colour; 0 is the baseline
    seeds: int
    x: Floats
    mean: Floats
    low: Floats
    high: Floats


def line(name: str, place: int, runs: Iterable[RunRecord], series: str, axis: str, ratio: bool) -> Line | None:
    """The runs of a level, brought to common places by linear interpolation. A run counts as far as it went."""
    found = [
        points for run in runs for c in (run.scores, run.losses) if (points := _points(c, series, axis)) is not None
    ]
    if not found:
        return None
    if all(np.array_equal(x, found[0][0]) for x, _ in found):
        x = found[0][0]
    else:
        x = np.linspace(min(p[0][0] for p in found), max(p[0][-1] for p in found), POINTS)
    values = np.stack([np.interp(x, *p, left=np.nan, right=np.nan) for p in found])
    seen = ~np.isnan(values).all(axis=0)
    x, values = x[seen], values[:, seen]
    geometric = ratio and bool(np.nanmin(values) > 0)
    mean = np.exp(np.nanmean(np.log(values), axis=0)) if geometric else np.nanmean(values, axis=0)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return Line(name=name, place=place, seeds=len(found), x=x, mean=mean, low=low, high=high)


def _points(curve: Curve, series: str, axis: str) -> tuple[Floats, Floats] | None:
    places, values = curve.at.get(axis), curve.values.get(series)
    if places is None or values is None:
        return None
    pairs = {x: y for x, y in zip(places, values, strict=True) if x is not None and y is not None}
    if not pairs:
        return None
    x = np.array(sorted(pairs), float)
    return x, np.array([pairs[place] for place in x.tolist()], float)


def svg(lines: Sequence[Line], x_title: str, y_title: str, *, log: bool = False) -> str:
    """The chart as an SVG element, complete as a file of its own. Texts are escaped."""
    low, high = min(float(one.low.min()) for one in lines), max(float(one.high.max()) for one in lines)
    log = log and low > 0
    if high == low:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    start, end = min(float(one.x[0]) for one in lines), max(float(one.x[-1]) for one in lines)
    end = end if end > start else start + 1

    def across(x: Floats | float) -> Floats:
        return np.round(LEFT + (np.asarray(x) - start) / (end - start) * (WIDTH - LEFT - RIGHT), 1)

    def up(y: Floats | float) -> Floats:
        share = (np.log(y) - math.log(low)) / math.log(high / low) if log else (np.asarray(y) - low) / (high - low)
        return np.round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    rows = 18 * -(-len(lines) // 3) + 8
    title = escape(plain(f"{y_title} over {x_title}"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + rows}" role="img" class="chart" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#444"><title>{title}</title>'
    ]
    for value in _log_ticks(low, high) if log else round_numbers(low, high):
        y = up(value)
        parts.append(f'<path class="rule" stroke="#ddd" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{number(value, 6)}</text>')
    for value in round_numbers(start, end, 6):
        x = across(value)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(value, 6)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(plain(x_title))}</text>')
    parts.append(f'<text x="4" y="14">{escape(plain(y_title))}</text>')
    for one in lines:
        back = list(zip(across(one.x), up(one.high), strict=True))[::-1]
        area = _path([*zip(across(one.x), up(one.low), strict=True), *back])
        parts.append(
            f'<path class="band {colour_class(one.place)}" fill="{colour(one.place)}" opacity=".14" d="{area}Z"/>'
        )
    for one in lines:
        parts.append(f'<path {_stroke(one.place)} d="{_path(zip(across(one.x), up(one.mean), strict=True))}"/>')
    parts += _legend(lines)
    return "".join([*parts, "</svg>"])


def _legend(lines: Sequence[Line]) -> Iterable[str]:
    for index, one in enumerate(lines):
        x, y = LEFT + index % 3 * (WIDTH - LEFT) / 3, HEIGHT + 12 + 18 * (index // 3)
        seeds = f"{one.seeds} seed{'s' * (one.seeds > 1)}"
        yield f'<path {_stroke(one.place)} d="M{x:.0f} {y - 4}h24"/>'
        name = plain(one.name)
        shown = name if len(name) <= 24 else name[:23] + "…"
        yield f'<text x="{x + 30:.0f}" y="{y}">{escape(shown)} ({seeds})</text>'


def colour(place: int) -> str:
    return BASELINE_COLOUR if place == 0 else COLOURS[(place - 1) % len(COLOURS)]


def colour_class(place: int) -> str:
    return f"c{0 if place == 0 else (place - 1) % len(COLOURS) + 1}"


def _stroke(place: int) -> str:
    dash = DASHES[(place - 1) // len(COLOURS) % len(DASHES)] if place else ""
    pattern = f' stroke-dasharray="{dash}"' if dash else ""
    return f'class="line {colour_class(place)}" fill="none" stroke="{colour(place)}" stroke-width="2"{pattern}'


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    ticks = [n * 10.0**power for power in powers for n in steps]
    found = [tick for tick in ticks if low <= tick <= high]
    return found if len(found) > 1 else round_numbers(low, high)
