from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganbench import Architecture, DatasetInfo, LabelInfo, Parts, RunConfig, Trick, change, registry
from ganbench.api.cell import Suite
from ganbench.api.config import PluginSpec
from ganbench.api.dataset import Dataset
from ganbench.api.plugin import Plugin
from ganbench.errors import ConflictError, DataError, PluginLoadError
from ganbench.suite import check, conflict, expand, missing_data, parts, refusals

Load = Callable[..., Suite]
INFO = DatasetInfo(shape=(3, 32, 32), counts={"train": 8}, labels={"hair": LabelInfo(kind="class", size=6)})


@dataclass(frozen=True, kw_only=True)
class Set(Trick):
    """Sets one field of D."""

    name: str = "norm"
    to: str | float | dict[str, int] = "none"

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        value = config.discriminator.heads | self.to if isinstance(self.to, dict) else self.to
        return change(config, discriminator={self.name: value})


@dataclass(frozen=True, kw_only=True)
class SetToo(Set):
    """The same, under another name."""


@dataclass(frozen=True, kw_only=True)
class Refuses(Trick):
    """Refuses everything."""

    after: str = "always"

    def conflict(self, parts: Parts) -> str | None:
        return f"it says so {self.after}"


@dataclass(frozen=True, kw_only=True)
class Broken(Trick):
    """Raises."""

    def configure(self, config: RunConfig, info: DatasetInfo) -> RunConfig:
        raise KeyError("hair")


@dataclass(frozen=True, kw_only=True)
class Stubborn(Architecture):
    """Obeys the norm of D only."""

    obeys = frozenset({"discriminator.norm"})


@dataclass(frozen=True, kw_only=True)
class Translator(Architecture):
    """Its G hears of labels in a way of its own."""

    obeys = frozenset({"discriminator.conditioning"})


@dataclass(frozen=True, kw_only=True)
class Absent(Dataset):
    """Is not there."""

    def info(self) -> DatasetInfo:
        raise DataError("no images in data/: download them first")


FAKES: dict[tuple[str, str], type[Plugin]] = {
    ("trick", "set"): Set,
    ("trick", "set_too"): SetToo,
    ("trick", "refuses"): Refuses,
    ("trick", "broken"): Broken,
    ("architecture", "stubborn"): Stubborn,
    ("architecture", "translator"): Translator,
    ("dataset", "absent"): Absent,
}


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.plugin_class
    found = lambda kind, name: FAKES.get((kind, name)) or real(kind, name)
    monkeypatch.setattr(registry, "plugin_class", found)


def tricks(*specs: PluginSpec | str) -> RunConfig:
    return RunConfig(tricks=tuple(PluginSpec(name=spec) if isinstance(spec, str) else spec for spec in specs))


def set_to(name: str, to: Any, plugin: str = "set") -> PluginSpec:
    return PluginSpec(name=plugin, options={"name": name, "to": to})


def test_tricks_are_applied_sorted_and_a_second_instance_is_numbered() -> None:
    built = parts(tricks(set_to("width", 8), "refuses", set_to("norm", "none")), INFO)
    assert list(built.tricks) == ["refuses", "set", "set#2"]
    assert (built.config.discriminator.width, built.config.discriminator.norm) == (8, "none")
    assert built.config.generator == RunConfig().generator


def test_two_tricks_that_set_one_field_to_different_values_are_refused_by_name() -> None:
    with pytest.raises(ConflictError, match=r"set sets discriminator.norm to 'none' and set_too to 'layer'"):
        parts(tricks(set_to("norm", "layer", "set_too"), "set"), INFO)


def test_tricks_may_agree_and_may_add_different_heads() -> None:
    assert parts(tricks("set", "set_too"), INFO).config.discriminator.norm == "none"
    both = parts(tricks(set_to("heads", {"a": 1}), set_to("heads", {"b": 2}, "set_too")), INFO)
    assert both.config.discriminator.heads == {"a": 1, "b": 2}
    with pytest.raises(ConflictError, match=r"discriminator.heads.a to 1 and set_too to 2"):
        parts(tricks(set_to("heads", {"a": 1}), set_to("heads", {"a": 2}, "set_too")), INFO)


def test_every_part_may_refuse_in_a_sentence(suite: Load) -> None:
    assert conflict(tricks("refuses")) == "it says so always."
    again = PluginSpec(name="refuses", options={"after": "twice"})
    assert conflict(tricks("refuses", again)) == "it says so always. it says so twice."
    assert conflict(RunConfig()) is None


def test_fields_that_an_architecture_does_not_obey_are_refused() -> None:
    config = RunConfig(architecture=PluginSpec(name="stubborn"))
    assert conflict(config) is None
    assert conflict(change(config, discriminator={"norm": "none"}, latents={"distribution": "uniform"})) is None
    found = conflict(change(config, generator={"norm": "none"}, input_range=(0.0, 1.0)))
    assert found == "stubborn does not obey generator.norm, input_range, so setting it would change nothing."
    # what a trick sets must be obeyed, too; optimisers are the harness's
    slow = change(config, generator={"optimizer": RunConfig().generator.optimizer})
    assert conflict(slow) is None
    by_trick = RunConfig(architecture=config.architecture, tricks=(set_to("heads", {"a": 1}),))
    assert "discriminator.heads" in str(conflict(by_trick))


@pytest.mark.parametrize("conditioning", ["concat", "embedding", "projection"])
def test_labels_in_d_that_g_never_heard_of_are_refused(conditioning: str) -> None:
    config = change(RunConfig(), discriminator={"conditioning": conditioning})
    found = conflict(config)
    assert found is not None and found.startswith(f"discriminator.conditioning is {conditioning}, so D is shown fakes")
    assert found.count(". ") == 0  # one sentence
    for g in ("concat", "embedding", "conditional_norm"):
        assert conflict(change(config, generator={"conditioning": g})) is None


def test_labels_in_g_alone_or_that_only_d_learns_are_no_conflict() -> None:
    assert conflict(change(RunConfig(), generator={"conditioning": "concat"})) is None
    semi = PluginSpec(name="auxiliary_classifier", options={"g_weight": 0.0})
    assert conflict(RunConfig(tricks=(semi,))) is None
    config = RunConfig(architecture=PluginSpec(name="translator"))
    assert conflict(change(config, discriminator={"conditioning": "projection"})) is None


def test_without_labels_only_their_lack_is_told() -> None:
    config = change(RunConfig(), discriminator={"conditioning": "projection"})
    unlabelled = DatasetInfo(shape=(3, 32, 32), counts={"train": 8})
    assert list(refusals(parts(config, unlabelled))) == [
        "discriminator: conditioning projection needs labels; the dataset has none"
    ]


def test_check_fills_in_conflicts_and_changes_nothing_else(suite: Load) -> None:
    cells = expand(suite("axes: {a: {fine: {ema: 0.9}, not: {tricks+: [refuses]}}}\nseeds: 2\nbaseline_seeds: 2"))
    checked = check(cells)
    assert [cell.id for cell in checked] == [cell.id for cell in cells]
    assert {cell.levels.get("a"): cell.conflict for cell in checked} == {
        None: None,
        "fine": None,
        "not": "it says so always.",
    }


def test_a_suite_can_be_planned_without_its_data(suite: Load) -> None:
    loaded = suite("base: {dataset: absent, tricks: [refuses]}\nprimary_metric: anything")
    assert {cell.conflict for cell in check(expand(loaded))} == {None}
    assert missing_data(expand(loaded)[0].config) == "no images in data/: download them first"
    assert missing_data(RunConfig()) is None


def test_a_plugin_that_raises_is_named() -> None:
    with pytest.raises(PluginLoadError, match=r"Broken failed in configure\(\), called as broken: KeyError: 'hair'"):
        conflict(tricks("broken"))


ZOO = """
import sys
from pathlib import Path
from ganbench.suite import check, expand, load
suites = sorted(Path(sys.argv[1]).rglob("*.yaml"))
assert len(suites) > 10
for path in suites:
    for profile in (None, "smoke", "cpu"):
        cells = check(expand(load(path, profile=profile)))
        assert cells and not any(cell.conflict for cell in cells), (path, profile, [cell.conflict for cell in cells])
"""


def test_the_suites_that_ship_have_no_conflicts() -> None:
    suites = Path(__file__).parents[2] / "suites"
    subprocess.run([sys.executable, "-c", ZOO, str(suites)], check=True)
