"""Reading by the seal of the text gives what `read_json` gives, or nothing."""

from __future__ import annotations

import gc
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ganbench import sealed
from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import EvaluationConfig, NetworkConfig, RunConfig, RunOptions
from ganbench.cell_folder import CellFolder
from ganbench.errors import StoreError
from ganbench.files import SCHEMA, read_json, seal, typed, write_json
from ganbench.seldom import seldom

TEXTS = st.text() | st.sampled_from(["a,\n b", "a, b", '",\n "', "\\n", '  "config": {', "schema", "é\u2028"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
RESULT = RunResult(
    status="done", reason="a,  b\n", metrics={"fid": 83.21}, tables={"t": [[1, 2.5], {}]}, notes={"é": None, "n": []}
)
several = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def text_of(path: Path, line: bytes = b"") -> Any:
    found = sealed.parts(str(path), line)
    return None if found is None else json.loads(b"".join(found))


@several
@given(value=st.dictionaries(TEXTS.filter(lambda key: key not in ("seal", "schema")), JSON, min_size=1, max_size=4))
def test_what_was_written_is_what_is_read(tmp_path: Path, value: dict[str, Any]) -> None:
    path = tmp_path / "x.json"
    write_json(path, value)
    assert text_of(path) == read_json(path)
    first = f' "{next(iter(value))}'.encode()
    assert text_of(path, first) in (None, read_json(path))


def test_a_file_is_cut_where_a_line_begins(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": {"b": '  c": {', "c": {"d": 1}}})
    head, tail = b'{\n "a": {\n  "b": "  c\\": {"', b',\n  "c": {\n   "d": 1\n  }\n }\n}'
    assert sealed.parts(str(path), b'  "c": {') == (head, tail)
    assert sealed.parts(str(path), b'  "e": {') is None


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_read_of_a_file_that_was_changed(tmp_path: Path, seed: int) -> None:
    path, rng = tmp_path / "result.json", random.Random(seed)
    write_json(path, RESULT)
    content = path.read_bytes()
    for _ in range(200):
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        assert sealed.record(RunResult, str(path)) in (None, RESULT)
        assert CellFolder(tmp_path).load_result() in (None, RESULT)
        path.write_bytes(content[:at])
        assert sealed.record(RunResult, str(path)) is None
    path.write_bytes(content)
    assert sealed.record(RunResult, str(path)) == RESULT


def test_what_reads_otherwise_is_left_to_those_who_know(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, RESULT)
    whole = path.read_bytes()
    lines = whole.replace(b'"a,  b', b'"a,\n b')  # the right text but for its layout, and no JSON
    compact = json.dumps(json.loads(whole)).encode()
    value = {"schema": SCHEMA + 1, "a": 1}
    newer = json.dumps(value | {"seal": seal(value)}, indent=1).encode() + b"\n"
    unsealed = json.dumps({"a": 1}, indent=1).encode()
    for content in (b"", lines, compact, newer, unsealed, b" " * sealed.LARGEST + whole):
        path.write_bytes(content)
        assert sealed.record(RunResult, str(path)) is None
    assert sealed.record(RunResult, str(tmp_path)) is sealed.record(RunResult, str(tmp_path / "nothing")) is None
    assert sealed.record(RunResult, "\0") is None


def test_a_line_break_in_a_text_is_no_layout(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, RunResult(status="failed", reason="a, b"))
    path.write_bytes(path.read_bytes().replace(b"a, b", b"a,\n b"))
    assert sealed.parts(str(path)) is not None and sealed.record(RunResult, str(path)) is None
    assert CellFolder(tmp_path).load_result() is None and (tmp_path / "result.json.corrupt").exists()


# --- what a cell was asked to do ---------------------------------------------------------------------------
def written(folder: Path, seed: int, width: int, **more: Any) -> CellFolder:
    """A cell whose config.json says more than it should, sealed nevertheless."""
    config = RunConfig(generator=NetworkConfig(width=width))
    levels = {'x "config': '"config": {', "config": "{"}
    cell = Cell(id=f"x-s{seed}-0", suite="s", levels=levels, seed=seed, config=config, evaluation=EvaluationConfig())
    found = CellFolder(folder / f"x-s{seed}-0")
    found.write_config(cell, RunOptions(), folder)
    if more:
        path = found.path / "config.json"
        value = read_json(path)
        assert value is not None
        value["cell"] |= more
        write_json(path, value)
    return found


def test_seeds_of_a_level_share_what_they_are_asked(tmp_path: Path) -> None:
    first, same, other = (written(tmp_path, seed, width) for seed, width in ((0, 8), (1, 8), (2, 16)))
    assert first.read_treatment() == same.read_treatment() != other.read_treatment()
    assert first.read_treatment()[0] is same.read_treatment()[0]
    assert other.read_treatment()[0].generator.width == 16


def test_it_is_the_same_however_the_file_is_laid_out(tmp_path: Path) -> None:
    cell = written(tmp_path, 0, 8)
    found = cell.read_treatment()
    path = cell.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert sealed.parts(str(path)) is None and cell.read_treatment() == found


@pytest.mark.parametrize("more", [{"colour": "red"}, {"config": {"colour": "red"}}, {"evaluation": {"window": "wide"}}])
def test_what_another_version_has_written_is_told(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"colour|window"):
        written(tmp_path, 0, 8, **more).read_treatment()


def test_a_flipped_bit_among_the_seeds_of_a_level_is_seen(tmp_path: Path) -> None:
    first, same = (written(tmp_path, seed, 8) for seed in (0, 1))
    first.read_treatment()
    path = same.path / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"width": 8', b'"width": 9'))
    with pytest.raises(StoreError, match="damaged"):
        same.read_treatment()


def test_provenance_is_read_the_same_way(tmp_path: Path) -> None:
    origin = Provenance(ganbench="1", versions={}, plugins={}, dataset="d", extractor="e", device="cpu")
    folder = CellFolder(tmp_path)
    folder.write_provenance(origin)
    assert folder.read_provenance() == origin == sealed.record(Provenance, str(tmp_path / "provenance.json"))
    assert typed(Provenance, read_json(tmp_path / "provenance.json")) == origin


# --- garbage -----------------------------------------------------------------------------------------------
def test_garbage_is_searched_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), seldom():
        assert gc.get_threshold()[0] > before[0] and gc.isenabled()
        raise KeyError
    assert gc.get_threshold() == before
