from __future__ import annotations

import re

import pytest

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
    assert rows[3][:2] == ["floor (real images)", "12.5"]
    assert rows[4] == [
        *("norm: off", "40", "41", "2", "-20.0 % [-25.0, -15.0]", "< 0.0001", "**helps**", "5/5", "0", ""),
    ]
    assert rows[5][6:] == ["unstable", "0/1", "1", "1 of 1 failed"]
    assert rows[6][4:] == ["", "", "not enough seeds", "0/0", "0", "12 seeds would do"]  # no bold, no interval
    assert len(rows) == 7


def test_other_metrics_stand_apart_with_their_ceiling(text):
    rows = table(text, "Other metrics")
    assert rows[0] == ["level", r"Share \| of what"]
    assert rows[2:5] == [
        ["baseline", "50"],
        ["ceiling (real images)", "0.99"],
        ["norm: off", "0.4 -0.2 [-0.25, -0.15]"],
    ]
    assert "Exploratory" in text


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
