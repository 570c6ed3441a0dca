"""Any table of results: every format is written, in bytes that do not depend on the order of the rows."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from payloads import MARKUP, TERMINAL
from properties import quicker, soaking

from ganbench.api.cell import Suite
from ganbench.api.metric import MetricKey
from ganbench.report.build import write
from ganbench.report.summarise import summarise

KEYS = [
    MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID"),
    MetricKey(name="kid", direction="lower", scale="difference", margin=0.005, title="KID"),
]
STATUSES = ("done", "done", "done", "diverged", "collapsed", "failed", "skipped", "pending", "stale")
scores = st.floats(0.1, 500) | st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e-300, 1e300, 5e-324, -1e9, 50.0])
texts = st.sampled_from(["off", "on", *MARKUP[:8], *TERMINAL, ""]) | st.text(max_size=8)
row = st.fixed_dictionaries(
    {"place": st.integers(0, 3), "seed": st.integers(0, 4), "status": st.sampled_from(STATUSES)},
    optional={"fid": scores, "kid": scores, "fid_last": scores, "fid_best": scores, "reason": texts, "seconds": scores},
)


def table(levels: list[tuple[str, str]], rows: list[dict[str, Any]]) -> pd.DataFrame:
    made = []
    for number, one in enumerate(rows):
        axis, level = [("", "baseline"), *levels][one["place"] % (len(levels) + 1)]
        held = {"suite": "s", "cell": f"c{number}", "axis": axis, "level": level, "images_seen": 5}
        held |= {"levels": json.dumps({axis: level} if axis else {}), "seed": one["seed"], "status": one["status"]}
        numbers = {name: one.get(name, math.nan) for name in ("fid", "fid_last", "fid_best", "kid", "seconds")}
        made.append(held | numbers | {"reason": one.get("reason", "")})
    columns = ["suite", "cell", "axis", "level", "levels", "seed", "status", "reason", "seconds", "images_seen"]
    return pd.DataFrame(made, columns=[*columns, "fid", "fid_best", "fid_last", "kid"])


def check_report(
    tmp_path: Path, names: list[tuple[str, str]], rows: list[dict[str, Any]], seed: int, top_up: bool
) -> None:
    levels = [(axis or "a", f"{level}{place}") for place, (axis, level) in enumerate(names)]
    axes: dict[str, Any] = {}
    for place, (axis, level) in enumerate(levels):
        axes.setdefault(axis, {})[level] = {"replicate": place + 1}
    suite = Suite(name="s", question="q?", base={}, axes=axes, seeds=(0, 1), top_up=4 if top_up else None)
    frame = table(levels, rows)
    order = list(range(len(frame)))
    random.Random(seed).shuffle(order)
    found = []
    for name, one in (("first", frame), ("second", frame.iloc[order].reset_index(drop=True))):
        summary = summarise(suite, one, KEYS, declared=levels, protocol={"images": 5})
        files = write(summary, tmp_path / name, ["md", "csv", "tex", "html", "json", "curves"])
        found.append({path.name: path.read_bytes() for path in files})
    assert found[0].keys() >= {"table.md", "table.csv", "effects.csv", "table.tex", "index.html", "summary.json"}
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []
    json.loads(found[0]["summary.json"], parse_constant=pytest.fail)  # NaN and Infinity are no JSON


levels = st.lists(st.tuples(texts, texts), min_size=0, max_size=3)


@quicker
@given(names=levels, rows=st.lists(row, max_size=12), seed=st.integers(0, 9), top_up=st.booleans())
def test_any_rows_make_a_report_whose_bytes_do_not_depend_on_their_order(
    tmp_path: Path, names: list[tuple[str, str]], rows: list[dict[str, Any]], seed: int, top_up: bool
) -> None:
    check_report(tmp_path, names, rows, seed, top_up)


@pytest.mark.soak
@soaking
@given(names=levels, rows=st.lists(row, max_size=30), seed=st.integers(0, 9), top_up=st.booleans())
def test_any_rows_for_long(
    tmp_path: Path, names: list[tuple[str, str]], rows: list[dict[str, Any]], seed: int, top_up: bool
) -> None:
    check_report(tmp_path, names, rows, seed, top_up)
