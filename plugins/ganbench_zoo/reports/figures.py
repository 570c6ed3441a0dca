"""Pictures for papers, through matplotlib: `pip install 'ganbench[plots]'`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from PIL import Image

from ganbench import ConfigError, Report, RunRecord, Summary
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.curves import drawn
from ganbench_zoo.reports.page import chart, pictures, tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = ("svg", "pdf", "png")
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "savefig.dpi": 200,
}
DASHES = ((), (7, 3), (2, 3), (9, 3, 2, 3))
MARKS = {"helps": "o", "hurts": "o", "no difference": "s", "unstable": "X", "not enough seeds": "o"}


@dataclass(frozen=True, kw_only=True)
class Figures(Report):
    """figures/: the forest plot and curves as SVG, PDF and PNG, sample grids as PNG, the training as WebP and GIF."""

    default: ClassVar[bool] = False  # needs matplotlib, and takes a while

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise ConfigError("figures: needs matplotlib: pip install 'ganbench[plots]'") from error
        target = folder / "figures"
        target.mkdir(exist_ok=True)
        made: list[Path] = []
        # Without dates and random ids: the same results give the same files.
        with mpl.rc_context(STYLE | {"svg.hashsalt": "ganbench"}):
            made += _save(_forest(summary), target / "forest")
            for one in drawn(summary):
                made += _save(_curve(one.lines, one.axis_title, one.title), target / one.file)
        for run in firsts(summary):
            made += _samples(run, target / f"samples-{run.cell}")
        return made


def firsts(summary: Summary) -> Iterator[RunRecord]:
    """One finished run of each level."""
    for members in tables.by_level(summary).values():
        yield from [run for run in members if run.grids and run.status == "done"][:1]


# --- plots -----------------------------------------------------------------------------------------
def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # no pyplot: it would look for a screen

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Figure, path: Path) -> list[Path]:
    made = []
    for suffix in SUFFIXES:
        file = path.with_name(f"{path.name}.{suffix}")
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
        figure.savefig(file, metadata=cast("dict[str, str]", dated))
        made.append(file)
    return made


def _forest(summary: Summary) -> Figure:
    """Changes of the primary metric with their 95 % intervals; hollow marks are not decided."""
    key = wording.primary(summary)
    effects = [effect for effect in summary.effects if effect.metric == key.name]
    shown = [effect for effect in effects if effect.change_percent is not None]
    figure, axes = _figure(5.5, 0.9 + 0.28 * max(len(shown), 1))
    part = 1.0 if key.scale == "ratio" else 0.01
    colours = {"helps": chart.COLOURS[0], "hurts": chart.COLOURS[1], "no difference": chart.COLOURS[2]}
    for place, effect in enumerate(shown):
        colour = colours.get(effect.verdict, "0.4")
        if effect.ci_low is not None and effect.ci_high is not None:
            axes.plot([part * effect.ci_low, part * effect.ci_high], [place, place], color=colour, lw=1.5)
        face = "white" if effect.verdict == "not enough seeds" else colour
        axes.plot(
            part * (effect.change_percent or 0), place, MARKS[effect.verdict], color=colour, mfc=face, clip_on=False
        )
    margin = summary.suite.margin * (100 if key.scale == "ratio" else 1)
    axes.axvspan(-margin, margin, color="0.9", lw=0, zorder=0)
    axes.axvline(0, color="0.3", lw=0.8, zorder=1)
    names = [f"{_text(wording.name_of((e.axis, e.level)))}: {e.verdict}" for e in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    figure.supxlabel(_text(f"change of {key.title or key.name}" + (", %" if key.scale == "ratio" else "")), fontsize=9)
    return figure


def _curve(lines: Sequence[chart.Line], x_title: str, y_title: str) -> Figure:
    figure, axes = _figure(5.0, 3.2)
    for line in lines:
        colour = chart.colour(line.place)
        dash = DASHES[(line.place - 1) // len(chart.COLOURS) % len(DASHES)] if line.place else ()
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.14, lw=0)
        label = _text(f"{line.name} ({line.seeds} seed{'s' * (line.seeds > 1)})")
        (drawn_line,) = axes.plot(line.x, line.mean, color=colour, lw=1.6, label=label)
        if dash:
            drawn_line.set_dashes(dash)
    axes.set_xlabel(x_title)
    axes.set_ylabel(_text(y_title))
    axes.legend(frameon=False, fontsize=7)
    return figure


def _text(text: str) -> str:
    """matplotlib reads $ as the beginning of a formula."""
    return wording.plain(text).replace("$", r"\$")


# --- samples ---------------------------------------------------------------------------------------
def _samples(run: RunRecord, path: Path) -> list[Path]:
    """The last grid as PNG, and the animation as it is and as GIF."""
    made = []
    picture = pictures.opened(run.grids[-1].path)
    if picture is not None:
        made.append(path.with_suffix(".png"))
        picture.save(made[-1])
    frames = [frame for frame in map(pictures.opened, [grid.path for grid in run.grids]) if frame is not None]
    if len(frames) > 1:
        durations = [400] * (len(frames) - 1) + [2000]
        made += [path.with_suffix(".webp"), path.with_suffix(".gif")]
        frames[0].save(made[-2], save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=85)
        # One palette for all frames: with one for each, colours would flicker.
        strip = Image.new("RGB", (frames[0].width, sum(frame.height for frame in frames)))
        for index, frame in enumerate(frames):
            strip.paste(frame, (0, index * frames[0].height))
        palette = strip.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        few[0].save(made[-1], save_all=True, append_images=few[1:], duration=durations, loop=0)
    return made
