from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from ganbench.api.cell import Suite
from ganbench.api.config import Json, NetworkConfig, OptimizerConfig, PluginSpec, RunConfig
from ganbench.suite import base_levels, canonical, cell_digest, expand, topped_up

Load = Callable[..., Suite]
AXES = """axes:
  ema: {a: {ema: 0.9}, b: {ema: 0.99}}
  norm: {off: {generator.norm: none}, no D: {discriminator.norm: none}}"""


def levels(suite: Suite) -> list[dict[str, str]]:
    seen: list[dict[str, str]] = []
    for cell in expand(suite):
        if cell.levels not in seen:
            seen.append(cell.levels)
    return seen


def test_the_baseline_comes_first_and_has_its_own_seeds(suite: Load) -> None:
    cells = expand(suite(f"{AXES}\nseeds: 2\nbaseline_seeds: 3"))
    assert [cell.seed for cell in cells[:3]] == [0, 1, 2] and all(cell.is_baseline for cell in cells[:3])
    assert len(cells) == 3 + 4 * 2 and not any(cell.is_baseline for cell in cells[3:])


@pytest.mark.parametrize("design", ["one_at_a_time", "leave_one_out"])
def test_each_level_alone(suite: Load, design: str) -> None:
    found = levels(suite(f"{AXES}\ndesign: {design}"))
    assert found == [{}, {"ema": "a"}, {"ema": "b"}, {"norm": "off"}, {"norm": "no D"}]


def test_a_grid_has_all_combinations_and_the_base_level_of_each_axis(suite: Load) -> None:
    found = levels(suite(f"{AXES}\ndesign: grid"))
    assert len(found) == 3 * 3 and found[0] == {}
    assert {"ema": "base", "norm": "off"} in found and {"ema": "b", "norm": "no D"} in found
    assert {"ema": "base", "norm": "base"} not in found


def test_a_grid_may_name_its_base_level(suite: Load) -> None:
    loaded = suite("axes: {ema: {without: {}, a: {ema: 0.9}}, norm: {off: {generator.norm: none}}}\ndesign: grid")
    assert base_levels(loaded.axes) == {"ema": "without", "norm": "base"}
    assert levels(loaded) == [
        {},
        {"ema": "without", "norm": "off"},
        {"ema": "a", "norm": "base"},
        {"ema": "a", "norm": "off"},
    ]


def test_paired_axes_go_in_step(suite: Load) -> None:
    assert levels(suite(f"{AXES}\ndesign: paired")) == [{}, {"ema": "a", "norm": "off"}, {"ema": "b", "norm": "no D"}]


def test_exclusions_remove_every_combination_that_has_all_their_levels(suite: Load) -> None:
    loaded = suite(
        f"{AXES}\ndesign: grid\nexclude: [{{ema: a, norm: no D, because: too slow}}, {{norm: off, because: x}}]"
    )
    found = levels(loaded)
    assert {"ema": "a", "norm": "no D"} not in found and not any(cell.get("norm") == "off" for cell in found)
    assert len(found) == 9 - 1 - 3
    assert loaded.exclude[0].because == "too slow"


def test_large_grids_must_be_allowed_and_are_counted_without_being_made(
    suite: Load, mistakes: Callable[..., list[str]]
) -> None:
    paths = ["generator.width", "discriminator.width", "latents.size", "training.batch_size", "training.d_updates"]
    levels = lambda path: ", ".join(f"{i}: {{{path}: {i + 200}}}" for i in range(10))
    axes = ", ".join(f"axis {path}: {{{levels(path)}}}" for path in [*paths, "replicate"])
    (line,) = mistakes(f"axes: {{{axes}}}\ndesign: grid")
    assert f"{(11**6 - 1) * 5 + 10:,} cells" in line and "--yes" in line
    assert len(suite(f"axes: {{{axes}}}\ndesign: grid", allow_large=True).axes) == 6


def test_an_a_a_test_is_a_level_with_replicate(suite: Load) -> None:
    cells = expand(suite("axes: {a: {again: {replicate: 1}}}"))
    assert len({cell.digest for cell in cells}) == len(cells)


def test_levels_may_differ_in_sampling_alone(suite: Load) -> None:
    cells = expand(suite("axes: {bn: {batch: {evaluation.batch_norm: batch}}}\nseeds: 1\nbaseline_seeds: 1"))
    assert cells[0].digest == cells[1].digest and cells[0].id != cells[1].id
    assert (cells[0].evaluation.batch_norm, cells[1].evaluation.batch_norm) == ("running", "batch")


def test_ids_are_readable_safe_and_short(suite: Load) -> None:
    text = (
        'axes: {"../Ünï cødé/": {"C:\\\\con": {ema: 0.9}, "第": {ema: 0.8}}, '
        + f"{'long ' * 19}x: {{y: {{ema: 0.7}}}}}}"
    )
    for cell in expand(suite(text, seeds=11)):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}-[0-9a-f]{12}", cell.id)
        assert f"-s{cell.seed}-{cell.digest}" in cell.id and cell.digest == cell_digest(cell.config, cell.seed)
    assert expand(suite())[0].id.startswith("baseline-s0-")


def test_a_new_field_renames_no_cell() -> None:
    """A plain run has the digest that it had in the first versions: new fields belong into identity.LATER."""
    assert cell_digest(RunConfig(), 0) == "741cc7d7769c"
    falling = NetworkConfig(optimizer=OptimizerConfig(decay_from=0.5))
    ids = {cell_digest(replace(RunConfig(), **{side: falling}), 0) for side in ("generator", "discriminator")}
    assert len(ids - {"741cc7d7769c"}) == 2


def test_ids_depend_on_what_is_trained_and_on_nothing_else() -> None:
    config = RunConfig()
    same = [
        replace(config, dataset=PluginSpec(name="faces", options={"size": 32})),  # a default, stated
        replace(config, tricks=()),
    ]
    assert {cell_digest(other, 0) for other in same} == {cell_digest(config, 0)}
    different = [
        replace(config, dataset=PluginSpec(name="faces", options={"size": 64})),
        replace(config, replicate=1),
        replace(config, ema=0.9),
        replace(config, tricks=(PluginSpec(name="ttur"),)),
    ]
    assert len({cell_digest(other, 0) for other in [config, *different]} | {cell_digest(config, 1)}) == 6


def test_the_order_of_tricks_and_axes_does_not_matter(suite: Load) -> None:
    tricks = [PluginSpec(name=name) for name in ("ttur", "label_smoothing", "instance_noise", "ttur")]
    digests = set()
    for order in range(5):
        shuffled = random.Random(order).sample(tricks, len(tricks))
        digests.add(cell_digest(RunConfig(tricks=tuple(shuffled)), 0))
    assert len(digests) == 1
    one = suite("axes: {a: {x: {ema: 0.9}}, b: {y: {ema: 0.8}}}")
    other = suite("axes: {b: {y: {ema: 0.8}}, a: {x: {ema: 0.9}}}\nseeds: [4, 3, 2, 1, 0]\nbaseline_seeds: 10")
    assert {cell.id for cell in expand(one)} == {cell.id for cell in expand(other)}


def test_the_identity_is_pinned() -> None:
    """Changing what `canonical` says would silently retrain everybody's cells: do it knowingly."""
    plain = canonical(RunConfig())
    assert list(plain) == [
        *("dataset", "architecture", "loss", "tricks", "procedure", "generator", "discriminator", "latents"),
        *("input_range", "ema", "training", "replicate"),
    ]
    assert plain["loss"] == {"name": "non_saturating", "options": {}}
    assert plain["dataset"]["options"]["size"] == 32  # type: ignore[index,call-overload]


def test_the_second_look_keeps_all_cells_of_the_first(suite: Load) -> None:
    first = suite(f"{AXES}\nseeds: 3\ntop_up: 5")
    second = topped_up(first)
    assert (len(second.seeds), len(second.baseline_seeds), second.top_up) == (5, 10, None)
    assert {cell.id for cell in expand(first)} < {cell.id for cell in expand(second)}
    assert topped_up(second) == second


def test_expanding_twice_gives_the_same(suite: Load) -> None:
    loaded = suite(AXES)
    assert expand(loaded) == expand(loaded)


def test_an_option_that_all_losses_have_counts_only_where_it_is_set() -> None:
    def digest(options: dict[str, Json]) -> str:
        return cell_digest(RunConfig(loss=PluginSpec(name="hinge", options=options)), 0)

    assert digest({"discriminator_weight": 1}) == digest({}) != digest({"discriminator_weight": 0.5})
