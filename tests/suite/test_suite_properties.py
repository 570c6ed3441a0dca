"""Any suite: cells do not depend on the order in which things are written, ids name folders, and text that was damaged
gives mistakes and never a traceback."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from payloads import MARKUP, TERMINAL
from properties import quick, quicker, soaking
from typer.testing import CliRunner

from ganbench.api.config import RunConfig
from ganbench.cli import app
from ganbench.errors import ConfigError
from ganbench.suite import expand, load
from ganbench.suite.identity import cell_id, slug

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))

# --- expansion -------------------------------------------------------------------------------------
FIELDS = {  # no value is the default: a level that changes nothing is refused
    "generator.width": st.integers(2, 63),
    "discriminator.norm": st.sampled_from(["none", "instance", "layer"]),
    "ema": st.sampled_from([0.5, 0.9, 0.99]),
    "latents.size": st.integers(4, 256).filter(lambda size: size != 100),
    "training.batch_size": st.integers(2, 63),
    "replicate": st.integers(1, 9),
}
designs = st.sampled_from(["one_at_a_time", "grid", "leave_one_out"])


@st.composite
def suites(draw: Any) -> dict[str, Any]:
    """One axis per field, so that axes can be combined."""
    axes = {}
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True)):
        values = draw(st.lists(FIELDS[field], min_size=1, max_size=3, unique=True))
        axes[f"axis {field}"] = {f"level {value}": {field: value} for value in values}
    seeds = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True))
    return {
        "name": "s",
        "question": "q",
        "axes": axes,
        "design": draw(designs),
        "seeds": seeds,
        "baseline_seeds": seeds,
    }


def check_expansion(tmp_path: Path, held: dict[str, Any], seed: int) -> None:
    def cells(held: dict[str, Any]) -> list[Any]:
        path = tmp_path / "suite.yaml"
        path.write_text(json.dumps(held))
        return expand(load(path))

    first = cells(held)
    assert len({cell.id for cell in first}) == len(first)
    assert {cell.id for cell in cells(held)} == {cell.id for cell in first}
    rng = random.Random(seed)
    shuffled = dict(rng.sample(sorted(held.items()), len(held)))
    shuffled["axes"] = {
        axis: dict(rng.sample(sorted(levels.items()), len(levels)))
        for axis, levels in rng.sample(sorted(held["axes"].items()), len(held["axes"]))
    }
    shuffled["seeds"] = shuffled["baseline_seeds"] = rng.sample(held["seeds"], len(held["seeds"]))
    other = cells(shuffled)
    same = {(frozenset(cell.levels.items()), cell.seed): cell.digest for cell in first}
    assert {(frozenset(cell.levels.items()), cell.seed): cell.digest for cell in other} == same
    sizes = [len(levels) for levels in held["axes"].values()]
    combinations = sum(sizes)
    if held["design"] == "grid":
        combinations = 1
        for size in sizes:
            combinations *= size + 1
        combinations -= 1
    assert len(first) == (combinations + 1) * len(held["seeds"])


@quick
@given(held=suites(), seed=st.integers(0, 99))
def test_cells_are_the_same_in_whatever_order_a_suite_is_written(
    tmp_path: Path, held: dict[str, Any], seed: int
) -> None:
    check_expansion(tmp_path, held, seed)


@pytest.mark.soak
@soaking
@given(held=suites(), seed=st.integers(0, 99))
def test_cells_are_the_same_in_whatever_order_for_long(tmp_path: Path, held: dict[str, Any], seed: int) -> None:
    check_expansion(tmp_path, held, seed)


# --- names -----------------------------------------------------------------------------------------
odd = st.sampled_from(
    ["..", ".", "CON", "nul", "COM1", "a/b", "C:\\", "~", "-", "ß", "Ⅷ", "x" * 300, *MARKUP, *TERMINAL]
)
names = st.text(max_size=20) | st.text(min_size=250, max_size=300) | odd


@quick
@given(axis=names, level=names, seed=st.integers(0, 2**53 - 1))
def test_every_name_gives_a_folder_that_any_system_takes(axis: str, level: str, seed: int) -> None:
    made = cell_id(RunConfig(), seed, {axis: level})
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-s\d+-[0-9a-f]{12}", made)
    assert len(made) <= 60 and made.split("-")[0] not in ("", ".", "..")
    assert made == made.lower(), "no two ids differ in case alone"
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(level))


# --- damaged text ----------------------------------------------------------------------------------
PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", ": ", ",", "-", "- ", "&a ", "*a", "<<: *a", "!!python/object:os.system ", "|", ">"),
        *(
            "'",
            '"',
            "#",
            "%",
            "@",
            "`",
            "?",
            "~",
            "\t",
            "\n",
            "\r",
            "\0",
            "\x1b",
            "\u2028",
            "\ufeff",
            "\u202e",
            "---\n",
        ),
        *(
            "null",
            "true",
            "on",
            "017",
            "1e999",
            ".nan",
            "12:30",
            "9" * 400,
            "x" * 250,
            "base",
            "axes",
            "faces",
            "{}",
            "[]",
        ),
    ]
)
edits = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(["insert", "delete", "swap", "double", "cut"]), st.integers(1, 40), PIECES
    ),
    min_size=1,
    max_size=6,
)


def mutated(text: str, changes: list[tuple[float, str, int, str]]) -> str:
    for where, how, length, piece in changes:
        at = int(where * len(text))
        before, part, after = text[:at], text[at : at + length], text[at + length :]
        text = {
            "insert": before + piece + part + after,
            "delete": before + after,
            "swap": before + after[:length] + part + after[length:],
            "double": before + part + part + after,
            "cut": before,
        }[how]
    return text


def check_mutation(path: Path, suite: Path, changes: list[tuple[float, str, int, str]]) -> None:
    path.write_text(mutated(suite.read_text("utf-8"), changes), "utf-8")
    try:
        load(path)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert 0 < len(lines) <= 101
        assert all(line.startswith((f"{path}:", "... and ")) and line.isprintable() for line in lines)


@quick
@given(suite=st.sampled_from(SUITES), changes=edits)
def test_a_damaged_suite_gives_mistakes_with_their_places(
    tmp_path: Path, suite: Path, changes: list[tuple[float, str, int, str]]
) -> None:
    check_mutation(tmp_path / "fuzz.yaml", suite, changes)


@pytest.mark.soak
@soaking
@given(suite=st.sampled_from(SUITES), changes=edits)
def test_a_damaged_suite_for_long(tmp_path: Path, suite: Path, changes: list[tuple[float, str, int, str]]) -> None:
    check_mutation(tmp_path / "fuzz.yaml", suite, changes)


@quicker
@given(content=st.binary(max_size=200), override=names, profile=st.none() | names)
def test_no_bytes_and_no_words_of_a_command_line_give_a_traceback(
    tmp_path: Path, content: bytes, override: str, profile: str | None
) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_bytes(content)
    words = ["plan", str(path), "--set", override, *(["--profile", profile] if profile else [])]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit)
