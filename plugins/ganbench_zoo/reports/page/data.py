"""What the script of the page draws: curves of all runs and frames of the galleries, as one JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganbench import Curve, MetricKey, RunRecord
from ganbench_zoo.reports.page.pictures import Gallery
from ganbench_zoo.reports.wording import BASELINE, Level, name_of, plain

AXES = {  # column of a curve -> what its axis is called; the first is shown first
    "step": "step (generator updates)",
    "images_seen": "real images seen",
    "seconds": "seconds of training",
    "d_updates": "discriminator updates",
}
DIGITS = 5


def document(
    levels: Sequence[Level],
    strongest: Sequence[Level],
    keys: Sequence[MetricKey],
    runs: Sequence[RunRecord],
    galleries: Sequence[Gallery],
) -> dict[str, Any]:
    """levels: baseline first; what refers to a level refers to its place in this list."""
    place = {level: index for index, level in enumerate(levels)}
    series = _series(keys, runs)
    number = {item["key"]: index for index, item in enumerate(series)}
    return {
        "levels": [plain(name_of(level)) for level in levels],
        "shown": [place[level] for level in strongest if level in place],
        "axes": [
            [name, title] for name, title in AXES.items() if any(name in c.at for run in runs for c in curves(run))
        ],
        "series": series,
        "runs": [
            {"level": place[run.level], "seed": run.seed, "curves": [_curve(c, number) for c in curves(run) if c.at]}
            for run in runs
            if run.level in place
        ],
        "galleries": [
            {
                "level": place[one.level],
                "seed": one.seed,
                "frames": [[frame.step, frame.progress, frame.data] for frame in one.frames],
            }
            for one in galleries
        ],
        "baseline": place.get(BASELINE, -1),
    }


def curves(run: RunRecord) -> tuple[Curve, Curve]:
    return run.scores, run.losses


def _series(keys: Sequence[MetricKey], runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Metrics as the suite names them, then all else that was recorded."""
    known = {key.name: key for key in keys}
    scores = dict.fromkeys([*known, *(name for run in runs for name in run.scores.values)])
    losses = dict.fromkeys(name for run in runs for name in run.losses.values)
    found = []
    for group, names in (("Evaluations", scores), ("Training", losses)):
        for name in names:
            key = known.get(name)
            ratio = key is not None and key.scale == "ratio"
            better = "" if key is None else key.direction
            title = plain((key.title if key else "") or name)
            found.append(
                {"key": name, "name": plain(name), "title": title, "group": group, "ratio": ratio} | {"better": better}
            )
    return found


def _curve(curve: Curve, number: Mapping[str, int]) -> dict[str, Any]:
    return {
        "at": {name: list(map(_short, values)) for name, values in curve.at.items() if name in AXES},
        "y": {str(number[name]): list(map(_short, values)) for name, values in curve.values.items() if name in number},
    }


def _short(value: float | None) -> float | int | None:
    """Fewer digits: nobody sees more in a curve, and they would be half of the page."""
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, int):
        return value
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def script_safe(value: Any) -> str:
    """JSON that cannot end the element it stands in, whatever the texts in it say."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII: no U+2028
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
