"""Whatever stands in the files of a results folder: commands that look at it end with words, never with a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from payloads import MARKUP, TERMINAL
from properties import quick, soaking
from stub_results import SUITE, make_results
from typer.testing import CliRunner

from ganbench.cli import app
from ganbench.files import seal

FILES = ("result.json", "result.json", "history.jsonl", "snapshots.jsonl", "provenance.json", "progress.json")
OURS = ("plan.json", "looks.json", "external/x.json")
NAMES = [
    *("status", "reason", "metrics", "fid", "health", "warnings", "protocol", "images", "notes", "fid_floor", "tables"),
    *(
        "names",
        "confusion",
        "conditional_accuracy",
        "sampler",
        "step",
        "progress",
        "views",
        "warning",
        "message",
        "name",
    ),
    *(
        "text",
        "last_step",
        "generator",
        "fractions",
        "schema",
        "seconds",
        "updates",
        "extractor_title",
        "keys",
        "title",
    ),
    *("cells", "levels", "seed", "conflict", "evaluation", "plugins", "options", "declared", "cell", "level", "last"),
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([10**400, -(10**30), 1e308, -1e308, 5e-324, float("nan"), float("inf"), 2**63])
    | st.sampled_from([*MARKUP[:5], *TERMINAL, "", "done"])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
changes = st.lists(
    st.tuples(
        st.sampled_from([*FILES, *OURS]), st.integers(0, 5), st.lists(st.sampled_from(NAMES), max_size=3), values
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "results"
    make_results(root, SUITE.replace("seeds: 3", "seeds: 2").replace("baseline_seeds: 4", "baseline_seeds: 2"))
    return root


def put(path: Path, keys: list[str], value: Any, indent: int | None = None) -> None:
    """The value at these keys of a JSON file, as far as they lead; all of it without keys. Seals hold, and with the
    indent of 1 the text is as ganbench writes it."""
    lines = path.suffix == ".jsonl"
    held = json.loads(path.read_text()) if path.exists() and not lines else {"step": 1, "images": 32, "metrics": {}}
    if not isinstance(held, dict):  # what an earlier change has left
        held = {}
    held.pop("seal", None)
    place = held
    for key in keys[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    if keys:
        place[keys[-1]] = value
    else:
        held = value
    if isinstance(held, dict) and not lines:
        held["seal"] = seal(held)
    path.parent.mkdir(exist_ok=True)
    with path.open("a" if lines else "w") as file:
        file.write(json.dumps(held, indent=None if lines else indent) + "\n")


def check_damage(finished: Path, tmp_path: Path, found: list[tuple[str, int, list[str], Any]]) -> None:
    root = tmp_path / "results"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(finished, root)
    cells = sorted((root / "demo" / "cells").iterdir())
    for name, number, keys, value in found:
        put((root / "demo" if name in OURS else cells[number % len(cells)]) / name, keys, value, indent=number % 2)
    for words in (["status"], ["report", "demo", "--allow-partial", "--format", "md,csv,tex,html,json"]):
        done = CliRunner().invoke(app, [*words, "--results", str(root)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code in (0, 2, 5)
        assert done.exit_code == 0 or done.stderr


@pytest.mark.parametrize("keys", [[None], [{}], ["fid"], [{"name": 1}], [[]]], ids=str)
def test_a_plan_without_proper_metrics_is_damaged(finished: Path, tmp_path: Path, keys: list[Any]) -> None:
    check_damage(finished, tmp_path, [("plan.json", 0, ["keys"], keys)])


@settings(quick, max_examples=12)
@given(found=changes)
def test_arbitrary_values_in_results_never_give_a_traceback(
    finished: Path, tmp_path: Path, found: list[tuple[str, int, list[str], Any]]
) -> None:
    check_damage(finished, tmp_path, found)


@pytest.mark.soak
@soaking
@given(found=changes)
def test_arbitrary_values_for_long(
    finished: Path, tmp_path: Path, found: list[tuple[str, int, list[str], Any]]
) -> None:
    check_damage(finished, tmp_path, found)
