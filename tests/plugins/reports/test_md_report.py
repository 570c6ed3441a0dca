from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ganbench import ExternalScore, Records
from ganbench_zoo.reports.md import Markdown


@pytest.fixture
def text(summary, tmp_path):
    (path,) = Markdown().write(summary, tmp_path)
    assert path == tmp_path / "table.md"
    return path.read_text()


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    lines = text.split(f"## {heading}", 1)[1].split("\n## ", 1)[0].splitlines()
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]


def test_question_answer_and_warnings_stand_first(text):
    first = text.index("matter?"), text.index("Of 3 levels: 1 helps."), text.index("> Warning: the baseline")
    assert sorted(first) == list(first)
    assert first[-1] < text.index("## FID (Lite0, 2000 images)")


def test_the_verdict_table_has_a_row_per_level(text):
    rows = table(text, "FID")
    assert rows[0] == [
        *("level", "score (lower is better)", "last", "best (optimistic)", "change [95 % interval]"),
        *("p (adjusted)", "verdict", "seeds", "failures", "note"),
    ]
    assert {len(row) for row in rows} == {10}
    assert rows[2] == ["baseline", "50", "8", "1", "", "", "", "2/3", "1", ""]  # 8: the geometric mean of 4 and 16
    assert rows[3] == [
        *("norm: off", "40", "41", "2", "-20.0 % [-25.0, -15.0]", "< 0.0001", "**helps**", "5/5", "0", ""),
    ]
    assert rows[4][6:] == ["unstable", "0/1", "1", "1 of 1 failed"]
    assert rows[5][4:] == ["", "", "not enough seeds", "0/0", "0", "12 seeds would do"]  # no bold, no interval
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("notes", "row"),
    [
        ({"fid_floor": 12.5, "fid_floor_images": 2000}, "12.5"),
        ({"fid_floor": 12.5}, "12.5"),
        ({"fid_floor": 12.5, "fid_floor_images": 1000, "fid_floor_halves": 13.5}, "13.5"),
        ({"fid_floor": 12.5, "fid_floor_images": 1000}, None),
    ],
)
def test_the_floor_is_that_of_as_many_images_as_are_scored(summary, tmp_path, notes, row):
    (path,) = Markdown().write(replace(summary, notes=notes), tmp_path)
    floors = [cells[1] for cells in table(path.read_text(), "FID") if cells[0] == "floor (real images)"]
    assert floors == ([row] if row else [])


def test_other_metrics_stand_apart_with_their_ceiling(text):
    rows = table(text, "Other metrics")
    assert rows[0] == ["level", r"Share \| of what"]
    assert rows[2:5] == [
        ["baseline", "50"],
        ["ceiling (real images)", "0.99"],
        ["norm: off", "0.4 -0.2 [-0.25, -0.15]"],
    ]
    assert "Exploratory" in text


def test_images_of_other_programs_have_scores_and_no_verdict(summary, tmp_path):
    same = ExternalScore(name="a | b", images=2000, metrics={"fid": 77.125}, note="one set")
    other = ExternalScore(name="c", images=500, metrics={}, note="measured in another way: data")
    told = replace(summary, records=Records(external=[same, other]))
    (path,) = Markdown().write(told, tmp_path)
    rows = table(path.read_text(), "Images of other programs")
    assert rows[0] == ["images of", "images", "FID (Lite0, 2000 images)", "note"]
    assert rows[2:] == [[r"a \| b", "2000", "77.12", "one set"], ["c", "500", "", "measured in another way: data"]]


def test_each_level_has_its_cost(recorded, tmp_path):
    (path,) = Markdown().write(recorded, tmp_path)
    rows = table(path.read_text(), "Cost of a run")
    assert rows[0] == ["level", "training", "evaluation", "peak memory"]
    assert rows[2][0] == "baseline" and all(cell.endswith((" s", " min", " MiB")) for cell in rows[2][1:])


def test_the_footer_stands_last_with_floors_and_ceilings(text):
    assert text.endswith("- Real images reach: fid\\_floor 12.5 (1000 images), share\\_ceiling 0.99.\n")
    assert "- Score of a run: geometric mean." in text


def test_text_of_others_cannot_become_markup(text):
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert r"\[a\](http://b)" in text
    assert r"lr: -5 \| x \|" in text
    assert r"\`x\`" in text
