"""Any record survives the store: what is written comes back, also beside others and after a cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from payloads import MARKUP, TERMINAL
from properties import quick

from ganbench.api.cell import RunResult
from ganbench.files import plain
from ganbench.store import CellFolder

texts = st.text(max_size=10) | st.sampled_from([*MARKUP[:5], *TERMINAL])
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
records = st.dictionaries(texts.filter(lambda name: name not in ("crc32", "schema", "seal")), values, max_size=4)


@pytest.fixture(autouse=True)
def no_power_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of files that need not outlive one."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@quick
@given(
    status=st.sampled_from(["done", "diverged", "collapsed", "failed", "skipped"]),
    reason=texts,
    metrics=st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    more=records,
)
def test_any_result_comes_back_as_it_was(
    tmp_path: Path, status: Any, reason: str, metrics: dict[str, float], more: dict[str, Any]
) -> None:
    cell = CellFolder(tmp_path)
    made = RunResult(status=status, reason=reason, metrics=metrics, health=more, protocol=more, tables=more)
    cell.save_result(made)
    found = cell.load_result()
    assert found is not None and plain(found) == plain(made)


@quick
@given(lines=st.lists(records, min_size=1, max_size=4), cut=st.floats(0, 1))
def test_any_lines_come_back_up_to_where_they_are_cut(tmp_path: Path, lines: list[dict[str, Any]], cut: float) -> None:
    cell = CellFolder(tmp_path)
    cell.replace_snapshots([])
    for line in lines:
        cell.append_snapshot(line)
    kept = [plain(line) for line in lines]
    assert cell.snapshots() == kept
    path = tmp_path / "snapshots.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    found = cell.snapshots()
    assert found == kept[: len(found)] and len(found) >= content[: int(cut * len(content))].count(b"\n")
    cell.append_snapshot({"last": 1})
    assert cell.snapshots() == [*found, {"last": 1}]
