from __future__ import annotations

from pathlib import Path

import pytest
from stub_results import SUITE, make_results, write_suite

from ganbench.commands import forecast as module
from ganbench.commands.arguments import Choice, load_suites
from ganbench.commands.forecast import forecast
from ganbench.store import Store

LARGE = SUITE.replace("budget: {steps: 6}", "budget: {images: 900000000}")


def said(path: Path, store: Store, **choice: object) -> list[str]:
    chosen = Choice(suites=[path], **choice)  # type: ignore[arg-type]
    (suite,) = load_suites(chosen)
    return forecast(suite, path, chosen, store)


def test_a_large_suite_is_told_to_be_long_before_it_begins(tmp_path: Path) -> None:
    time, advice = said(write_suite(tmp_path, LARGE), Store(tmp_path / "none"), overrides=["seeds=2"], jobs=1)
    assert time.startswith("time: about ") and "for 8 cells" in time and "timed now" in time
    assert "--profile smoke" in advice


@pytest.mark.parametrize("choice", [{"executor": "slurm"}, {"cells": "baseline*"}, {"shard": "1/2"}])
def test_what_runs_elsewhere_or_in_part_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: dict[str, str]
) -> None:
    monkeypatch.setattr(module.subprocess, "run", None)
    assert said(write_suite(tmp_path, LARGE), Store(tmp_path / "none"), **choice) == []


def test_small_suites_and_those_that_have_begun_are_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.subprocess, "run", None)
    assert said(write_suite(tmp_path), Store(tmp_path / "none")) == []
    make_results(tmp_path, LARGE)
    assert said(tmp_path / "demo.yaml", Store(tmp_path)) == []


def test_what_is_wrong_is_left_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", str(tmp_path / "no_python"))
    assert said(write_suite(tmp_path, LARGE), Store(tmp_path / "none")) == []
