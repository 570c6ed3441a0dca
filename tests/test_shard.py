"""Shards: together every cell once, evenly, and the same ones whatever is finished already."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from ganbench.errors import ConfigError, NothingMatched
from ganbench.shard import Shard
from ganbench.suite import expand, topped_up

AXES = "axes:\n  x:\n" + "".join(f"    l{i}: {{replicate: {i}}}\n" for i in range(1, 8))


@pytest.fixture
def suite(tiny_suite: Any) -> Any:
    return replace(tiny_suite(AXES), seeds=tuple(range(3)), baseline_seeds=tuple(range(6)), top_up=5)


def parts(suite: Any, cells: Any, count: int) -> list[Any]:
    return [Shard(index=i + 1, count=count).of(suite, cells) for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 27])
def test_shards_hold_every_cell_once_and_are_even(suite: Any, count: int) -> None:
    cells = expand(suite)
    split = parts(suite, cells, count)
    assert sorted(cell.id for part in split for cell in part) == sorted(cell.id for cell in cells)
    sizes = [len(part) for part in split]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_seeds_of_the_baseline_are_spread_over_the_shards(suite: Any, count: int) -> None:
    baselines = [sum(cell.is_baseline for cell in part) for part in parts(suite, expand(suite), count)]
    assert max(baselines) - min(baselines) <= 1


def test_a_shard_keeps_the_order_of_its_cells(suite: Any) -> None:
    cells = expand(suite)
    (part, *_) = parts(suite, cells, 4)
    assert part == [cell for cell in cells if cell in part]


def test_a_second_look_moves_no_cell_of_the_first(suite: Any) -> None:
    first, more = expand(suite), expand(topped_up(suite))
    for before, after in zip(parts(suite, first, 5), parts(suite, more, 5), strict=True):
        known = {cell.id for cell in first}
        assert [cell.id for cell in before] == [cell.id for cell in after if cell.id in known]


def test_cells_that_cannot_run_are_dealt_out_apart(suite: Any) -> None:
    cells = [replace(cell, conflict="no" if i % 3 == 0 else None) for i, cell in enumerate(expand(suite))]
    for kind in ("no", None):
        sizes = Counter(i for i, part in enumerate(parts(suite, cells, 3)) for cell in part if cell.conflict == kind)
        assert max(sizes.values()) - min(sizes.values()) <= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3", "expected i/n, such as 1/4"),
        ("a/b", "expected i/n"),
        ("1/2/3", "expected i/n"),
        ("-1/2", "expected i/n"),
        ("0/4", "no shard 0 of 4. Shards count from 1: the first is 1/4"),
        ("5/4", "no shard 5 of 4"),
        ("1/0", "is split into 1 to 1,000,000 shards"),
    ],
)
def test_what_is_no_shard_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Shard.parse(text)
    assert f"--shard {text}" in str(error.value) and said in str(error.value)


def test_more_shards_than_cells_leave_nothing_to_do(suite: Any) -> None:
    cells = expand(suite)
    assert len(cells) == 27
    with pytest.raises(NothingMatched, match="--shard 28/28: tiny has 27 cells"):
        Shard(index=28, count=28).of(suite, cells)
    assert str(Shard.parse(" 2/8 ")) == "2/8"
