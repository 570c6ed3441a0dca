from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from ganbench_zoo.reports.csv import CSV, _safe


@pytest.fixture
def tables(summary, tmp_path):
    made = CSV().write(summary, tmp_path)
    assert [path.name for path in made] == ["table.csv", "effects.csv"]
    return [list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))) for path in made]


def test_columns_are_those_of_the_contract(tables):
    rows, effects = tables
    assert rows[0][:7] == ["suite", "cell", "axis", "level", "levels", "seed", "status"]
    assert rows[0][7:] == ["fid", "fid_last", "fid_best", "share", "reason", "seconds", "images_seen"]
    assert effects[0] == [
        *("axis", "level", "metric", "n", "baseline_n", "baseline_score", "score", "change_percent", "ci_low"),
        *("ci_high", "p_value", "p_adjusted", "verdict", "seeds_needed", "failures", "baseline_failures", "note"),
    ]


def test_numbers_stay_numbers_with_all_their_digits(tables, tmp_path, summary):
    frame = pd.read_csv(tmp_path / "table.csv")
    assert frame["fid"].tolist()[:3] == [49.0, 1 / 3, 40.0]
    assert frame["share"][2] == -0.25  # a minus sign does not make a number a formula
    assert tables[0][1][5] == "0"
    assert tables[0][1][-1] == "640"
    effects = pd.read_csv(tmp_path / "effects.csv")
    assert effects["change_percent"][0] == -20.0
    assert effects["seeds_needed"][2] == 12


def test_what_is_missing_is_empty(tables):
    diverged, pending = tables[0][4], tables[0][5]
    assert diverged[7:11] == [""] * 4
    assert pending[-2:] == ["", ""]  # infinity, too, is no number for others
    assert tables[1][2][6:12] == [""] * 6


def test_text_cannot_become_a_formula(tables):
    assert tables[0][4][3].startswith("'=cmd")
    assert tables[0][4][11] == "'@loss is NaN"
    assert tables[0][5][3] == "'-5 | x |"
    assert tables[1][2][1].startswith("'=cmd")
    assert [_safe(text) for text in ("+1", " =1", "\tx", "a=b", "")] == ["'+1", "' =1", " x", "a=b", ""]
    assert [_safe(text) for text in ("a; =1", "\ufeff=1", "\uff1d1", "a\n-b")] == ["a;' =1", "'=1", "'\uff1d1", "a -b"]
