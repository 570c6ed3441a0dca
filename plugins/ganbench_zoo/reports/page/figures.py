"""Figures that need no script: the rows of the forest plot, and quality against cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ganbench import Effect, MetricKey
from ganbench_zoo.reports.wording import number

# --- forest plot -----------------------------------------------------------------------------------
WIDTH, HEIGHT = 320, 24  # of one row, in units of its view box
EDGE = 10  # room for the arrows of intervals that are cut
TICKS = (5.0, 10, 20, 30, 50, 100, 200, 400, 900)
ROOM = 34  # between tick labels


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Change -> place. Ratios are drawn on a log scale, on which half and twice are equally far from nothing."""

    reach: float  # the largest change that is shown, either way, on the scale's own measure
    ratio: bool

    def measure(self, change: float) -> float:
        return math.log1p(max(change, -99.9) / 100) if self.ratio else change / 100

    def cut(self, change: float) -> bool:
        return abs(self.measure(change)) > self.reach * 1.0001

    def __call__(self, change: float) -> float:
        share = max(-1.0, min(1.0, self.measure(change) / self.reach))
        return round(WIDTH / 2 + share * (WIDTH / 2 - EDGE), 1)


def scale_for(effects: Iterable[Effect], key: MetricKey, margin: float) -> Scale:
    """Wide enough for all changes, and for all intervals but those that would press the others into a dot."""
    unit = Scale(reach=1.0, ratio=key.scale == "ratio")
    found = [effect for effect in effects if effect.change_percent is not None]
    changes = [abs(unit.measure(effect.change_percent or 0)) for effect in found]
    ends = [abs(unit.measure(end)) for e in found for end in (e.ci_low, e.ci_high) if end is not None]
    usual = sorted(ends)[int(0.8 * (len(ends) - 1))] if ends else 0.0
    widest = min(max(ends, default=0.0), 2 * usual)
    return Scale(reach=1.08 * max([*changes, widest, 2 * abs(unit.measure(100 * margin)), 1e-9]), ratio=unit.ratio)


def ticks(scale: Scale, key: MetricKey) -> list[tuple[float, str]]:
    """Places and labels of the axis, none so near another that they touch."""
    if scale.ratio:
        wanted = [0.0, *(sign * tick for tick in TICKS for sign in (-1, 1) if sign * tick > -95)]
    else:
        step = 10 ** math.floor(math.log10(scale.reach))
        wanted = [0.0, *(100 * sign * n * step for n in (1, 2, 5, 0.5) for sign in (-1, 1))]
    taken: list[tuple[float, str]] = []
    for change in sorted((c for c in wanted if not scale.cut(c)), key=lambda c: (c != 0, -abs(scale.measure(c)))):
        x = scale(change)
        if all(abs(x - other) >= ROOM for other, _ in taken):
            label = f"{change:+g} %" if key.scale == "ratio" else f"{change / 100:+.3g}"
            taken.append((x, "0" if change == 0 else label))
    return sorted(taken)


# --- quality against cost --------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Point:
    """One level in the plot of quality against cost; its mark is the number of its row in the table."""

    mark: str
    name: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Places in a view box of PLOT units."""

    points: list[Point]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


PLOT = (760, 340)
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 30, 46


def plot(points: Sequence[Point]) -> Plot:
    width, height = PLOT
    to_x, x_ticks = axis([p.x for p in points], LEFT, width - RIGHT)
    to_y, y_ticks = axis([p.y for p in points], height - BOTTOM, TOP)
    placed = [Point(mark=p.mark, name=p.name, x=to_x(p.x), y=to_y(p.y)) for p in points]
    return Plot(points=placed, x_ticks=x_ticks, y_ticks=y_ticks)


def axis(values: Sequence[float], start: float, end: float) -> tuple[_Linear, list[tuple[float, str]]]:
    """A linear axis around the values, with round ticks."""
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = (low - room if low < 0 or low - room > 0 else 0.0), high + room
    linear = _Linear(low, high, start, end)
    return linear, [(linear(value), number(value, 6)) for value in round_numbers(low, high)]


@dataclass(frozen=True)
class _Linear:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def round_numbers(low: float, high: float, about: int = 5) -> list[float]:
    """About so many multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= raw * 0.999)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
