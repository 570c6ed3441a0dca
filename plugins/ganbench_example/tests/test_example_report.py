"""The reStructuredText says what the summary says, whatever levels are called."""

from __future__ import annotations

import pandas as pd
import pytest

from ganbench import Effect, MetricKey, Suite, Summary, registry
from ganbench.testing import check_options
from ganbench_example.rst import RST, text

NASTY = "- *a* `b` |c| d_ e:: http://f \\ .. x"
FID = MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID (Lite0, 300 images)")
OTHER = MetricKey(name="recall", direction="higher", scale="difference", margin=0.02)


def effect(level, metric="fid", **more):
    nothing = dict.fromkeys(("score", "change_percent", "ci_low", "ci_high", "p_value", "p_adjusted", "seeds_needed"))
    usual = {"n": 0, "baseline_n": 6, "baseline_score": 50.0, "verdict": "not enough seeds", "failures": 0}
    return Effect(axis="norm", level=level, metric=metric, **(nothing | usual | {"baseline_failures": 1} | more))


@pytest.fixture
def summary():
    changed = {"score": 40.0, "change_percent": -20.0, "ci_low": -25.0, "ci_high": -15.0, "p_adjusted": 0.0012345}
    return Summary(
        suite=Suite(name="demo", question="Does *it* matter?", base={}, primary_metric="fid"),
        rows=pd.DataFrame(),
        effects=[effect("off", n=5, verdict="helps", **changed), effect(NASTY, failures=2), effect("off", "recall")],
        keys=[FID, OTHER],
        protocol={},
        answer="Of 2 levels: 1 helps.",
        warnings=["the baseline failed once"],
        footer=["Score of a run: geometric mean."],
    )


def test_it_is_offered_and_not_written_unasked():
    assert registry.plugin_class("report", "rst") is RST and not RST.default
    check_options(RST())


def test_the_table_shows_the_primary_metric(summary, tmp_path):
    (path,) = RST().write(summary, tmp_path)
    assert path == tmp_path / "table.rst"
    written = path.read_text("utf-8").replace("\\", "")
    cells = ("40", "-20.0 %", "-25.0 % to -15.0 %", "0.0012", "helps", "5", "0")
    assert "".join(f"     - {cell}\n" for cell in cells) in written
    assert "**Does *it* matter?**" in written and ".. warning::" in written
    assert written.count("   * -") == 4  # header, baseline, two levels; nothing of the other metric


def test_docutils_reads_back_what_was_meant(summary, tmp_path):
    core = pytest.importorskip("docutils.core")
    nodes = pytest.importorskip("docutils.nodes")
    (path,) = RST().write(summary, tmp_path)
    settings = {"report_level": 1, "halt_level": 2, "file_insertion_enabled": False}  # any complaint is an error
    tree = core.publish_doctree(path.read_text("utf-8"), settings_overrides=settings)
    (table,) = tree.findall(nodes.table)
    rows = [[entry.astext() for entry in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
    assert [len(row) for row in rows] == [8] * 4
    assert rows[1][0] == "baseline" and rows[2][5] == "helps" and rows[3][0] == f"norm: {NASTY}"
    assert not list(table.findall(nodes.emphasis)) and "Does *it* matter?" in tree.astext()


@pytest.mark.parametrize("words", [NASTY, "-5", "1. a", "(iv) b", ">>> c", ".. d", "+", "a\nb", ":field: e", "f::"])
def test_words_are_read_as_they_are(words):
    core = pytest.importorskip("docutils.core")
    settings = {"report_level": 1, "halt_level": 2}
    tree = core.publish_doctree(text(words), settings_overrides=settings)
    assert len(tree) == 1 and tree[0].tagname == "paragraph" and tree.astext() == " ".join(words.split())


def test_a_summary_without_effects_is_a_table_of_no_rows(summary, tmp_path):
    empty = Summary(**{**vars(summary), "effects": []})
    (path,) = RST().write(empty, tmp_path)
    assert path.read_text("utf-8").count("   * -") == 1
