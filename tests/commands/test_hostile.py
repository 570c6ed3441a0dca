"""Damaged folders and careless words: one clear line, never a traceback."""

from __future__ import annotations

from typing import Any

import pytest
from stub_results import SUITE
from typer.testing import CliRunner

from ganbench.cli import app
from ganbench.errors import StoreError
from ganbench.files import read_json, write_json
from ganbench.report.looks import Declared, Looks
from ganbench.store import SuiteFolder

READERS = (
    ("status",),
    ("report", "demo", "--allow-partial", "--format", "md,json"),
    ("gate", "demo", "--max", "fid=110"),
    ("compare", "demo", "baseline", "linear"),
)
LOOKS = Looks(
    declared=Declared(seeds=3, baseline_seeds=4, top_up=None, margin=0.05, primary_metric="fid"),
    baseline="b",
    levels={"key": "output=linear"},
)


def invoke(*words: str) -> Any:
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plan.json", "{}"),
        ("plan.json", '{"schema": "new", "cells": [], "keys": []}'),
        ("plan.json", '{"cells": [{}], "keys": []}'),
        ("plan.json", '{"cells": [{"id": "../../other", "levels": {}, "seed": 0}], "keys": []}'),
        ("looks.json", "{}"),
        ("looks.json", '{"declared": {"seeds": "x"}, "second": null}'),
        ("suite.yaml", "\xff\xfe"),
        ("suite.yaml", "[]"),
    ],
)
def test_a_damaged_suite_is_refused_with_its_file(demo: SuiteFolder, name: str, content: str) -> None:
    (demo.path / name).write_bytes(content.encode("latin-1"))
    for words in READERS:
        if name == "looks.json" and words == ("status",):
            continue  # it does not look into it
        done = invoke(*words)
        assert done.exit_code == 2
        assert name in done.stderr


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"cell": 1, "options": 2, "cache": 3}', '{"name": "x"}'])
def test_a_damaged_cell_takes_nothing_else_with_it(demo: SuiteFolder, content: str) -> None:
    cell = demo.cell_paths()[0]
    for name in ("config.json", "result.json", "provenance.json", "history.jsonl", "snapshots.jsonl"):
        (cell / name).write_text(content)
    (demo.path / "external").mkdir()
    (demo.path / "external" / "x.json").write_text(content)
    for words in READERS[:2]:
        assert invoke(*words).exit_code == 0


def test_what_was_declared_is_read_as_it_was_written(demo: SuiteFolder) -> None:
    LOOKS.write(demo)
    assert Looks.read(demo) == LOOKS
    held = read_json(demo.path / "looks.json")
    assert held is not None
    write_json(demo.path / "looks.json", {name: value for name, value in held.items() if name != "levels"})
    with pytest.raises(StoreError, match="is damaged"):
        Looks.read(demo)


def test_words_that_no_file_can_have(demo: SuiteFolder) -> None:
    for command in (("status",), ("report",), ("gate", "--max", "fid=1"), ("score", "--dataset", "faces")):
        done = invoke(*command, "a" * 5000)
        assert done.exit_code == 2
        assert "File name too long" in done.stderr
    done = invoke("report", "demo", "--format", " , ")
    assert done.exit_code == 2
    assert "names no format" in done.stderr


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_a_plan_says_which_logger_lacks_its_package(
    demo: SuiteFolder, monkeypatch: pytest.MonkeyPatch, logger: str
) -> None:
    path = demo.path / "with_logger.yaml"
    path.write_text(SUITE.replace("{device: cpu}", f"{{device: cpu, loggers: [console, {logger}]}}"))
    words = ("plan", str(path), "--jobs", "1")
    monkeypatch.setattr(f"ganbench_zoo.loggers.{logger}.find_spec", lambda name: name)
    assert invoke(*words).exit_code == 0
    monkeypatch.setattr(f"ganbench_zoo.loggers.{logger}.find_spec", lambda name: None)
    done = invoke(*words)
    assert done.exit_code == 2
    assert f"options.loggers.1: {logger} is not installed: pip install 'ganbench[{logger}]'" in done.stderr
