from __future__ import annotations

import shutil
import string
import subprocess
from dataclasses import replace

import pytest

from ganbench_zoo.reports.tex import TeX, best_of, escaped

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\input{table.tex}
\end{document}
"""


@pytest.fixture
def table(summary, tmp_path):
    (path,) = TeX().write(summary, tmp_path)
    return path.read_text(encoding="utf-8")


def test_the_caption_has_the_question_and_the_protocol(table):
    (caption,) = [line for line in table.splitlines() if line.startswith(r"\caption")]
    for said in ("matter?", "Score of a run: geometric mean.", "FID (Lite0, 2000 images)", "Partial: 4 of 5 cells"):
        assert said in caption


def test_rules_are_those_of_booktabs_and_rows_have_all_columns(table):
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in table
    assert r"\hline" not in table
    rows = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 5
    assert {line.replace(r"\&", "").count("&") for line in rows} == {6}


def test_bold_is_only_the_best_of_those_that_help(summary, table):
    assert table.count(r"\textbf") == 1
    assert r"norm: off & \textbf{40}" in table
    key = summary.keys[0]
    effects = [replace(summary.effects[0], score=score, verdict=verdict) for score, verdict in (
        (10.0, "not enough seeds"), (40.0, "helps"), (30.0, "helps"), (5.0, "unstable"), (1.0, "no difference"),
    )]  # fmt: skip
    assert best_of(effects, key) is effects[2]
    assert best_of(effects, replace(key, direction="higher")) is effects[1]
    assert best_of(effects[:1], key) is None


def test_digests_are_shortened(summary, tmp_path):
    (path,) = TeX().write(replace(summary, footer=[f"data {'0123456789abcdef' * 4}"]), tmp_path)
    assert "data 01234567;" not in path.read_text()
    assert "data 01234567." in path.read_text()


def test_no_sign_is_left_that_latex_acts_upon():
    assert escaped("a_b & 5 % of #1 {x}") == r"a\_b \& 5 \% of \#1 \{x\}"
    assert escaped("\\input{x} ~ ^") == r"\textbackslash{}input\{x\} \textasciitilde{} \textasciicircum{}"
    assert escaped("$x$ \n\u202e 漢") == r"\$x\$ [U+6F22]"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
@pytest.mark.parametrize("name", ["as it is", string.punctuation, "*a", "[b]", "ßéλ±…—漢 \u202e", "-- ?` !` ``''"])
def test_latex_compiles_it(summary, tmp_path, name):
    effects = [replace(effect, level=name) for effect in summary.effects]
    named = replace(summary, effects=effects, suite=replace(summary.suite, question=name, name=name))
    TeX().write(named, tmp_path)
    (tmp_path / "a.tex").write_text(DOCUMENT)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-2000:]
