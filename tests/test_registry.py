from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganbench import registry, source
from ganbench.api.config import LatentsConfig, NetworkConfig, PluginSpec
from ganbench.errors import ConfigError, PluginLoadError, UnknownPlugin

GOOD = '''
"""A module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import fake_helpers.numbers
from ganbench import Trick
from .shared import SCALE


@dataclass(frozen=True, kw_only=True)
class Good(Trick):
    """Does good (Nobody et al., 2030).

    More about it.
    """

    # of the effect
    strength: float = 1.0  # at least 0,
                           # and finite
    mode: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1, 2)

    count: int = 3  # how many
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a distribution with tricks on sys.path: name -> entry-point value, and module -> source."""
    before = set(sys.modules)

    def make(distribution: str, tricks: dict[str, str], modules: dict[str, str]) -> None:
        home = tmp_path / distribution
        info = home / f"{distribution}-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        lines = "".join(f"{name} = {value}\n" for name, value in tricks.items())
        (info / "entry_points.txt").write_text(f"[ganbench.tricks]\n{lines}")
        for module, text in modules.items():
            file = home / f"{module.replace('.', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        monkeypatch.syspath_prepend(str(home))
        importlib.invalidate_caches()
        registry._scan.cache_clear()
        registry.plugin_class.cache_clear()

    yield make
    for module in set(sys.modules) - before:
        if module.startswith("fake"):
            del sys.modules[module]
    monkeypatch.undo()
    registry._scan.cache_clear()
    registry.plugin_class.cache_clear()


def one(**options: object) -> PluginSpec:
    return PluginSpec(name="good", options=options)  # type: ignore[arg-type]


@pytest.fixture
def good(install: Callable[..., None]) -> None:
    modules = {"fake.__init__": "", "fake.good": GOOD, "fake.shared": "from fake import deep\nSCALE = 1\n"}
    modules |= {"fake.deep": "DEEP = 1\n", "fake.other": "raise SystemExit(3)\n"}
    modules |= {"fake_helpers.__init__": "", "fake_helpers.numbers": ""}
    install("fake", {"good": "fake.good:Good"}, modules)


def test_listing_imports_nothing(good: None) -> None:
    entry = registry.find("trick", "good")
    assert (entry.kind, entry.distribution, entry.version, entry.problem) == ("trick", "fake", "1.5", None)
    assert registry.summary(entry) == "Does good (Nobody et al., 2030)."
    assert registry.source_digest(entry)
    assert "fake" not in sys.modules


def test_listing_needs_neither_torch_nor_pydantic_nor_the_plugins() -> None:
    code = """
import sys
from ganbench import registry
entries = registry.entries()
assert len(entries) > 20 and all(registry.source_digest(entry) for entry in entries)
assert {"torch", "pydantic", "ganbench_zoo"}.isdisjoint(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_built_in_has_a_first_line(good: None) -> None:
    ours = [entry for entry in registry.entries() if entry.distribution == "ganbench"]
    assert ours and [entry.name for entry in ours if not registry.summary(entry)] == []


def test_an_unknown_name_is_answered_with_a_guess(good: None) -> None:
    with pytest.raises(UnknownPlugin, match=r"no trick is called 'god'. Did you mean good\?"):
        registry.plugin_class("trick", "god")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import nothing_like_that", "ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("x = (", "SyntaxError"),
        ("", "AttributeError"),
        ("class Good: pass", "is not a subclass of ganbench.Trick"),
        ("def Good(): pass", "is not a subclass of ganbench.Trick"),
        (GOOD.replace("from .shared import SCALE", "").replace("float", "Nowhere"), "options that cannot be checked"),
    ],
)
def test_a_broken_plugin_is_named_and_stops_nothing_else(install: Callable[..., None], text: str, reason: str) -> None:
    install("fake", {"good": "fake_good:Good"}, {"fake_good": text, "fake_helpers.numbers": ""})
    with pytest.raises(PluginLoadError) as caught:
        registry.plugin_class("trick", "good")
    assert "trick 'good' (fake_good:Good, from fake 1.5)" in str(caught.value) and reason in str(caught.value)
    assert registry.plugin_class("trick", "top_k").__name__ == "TopK"


def test_two_plugins_of_one_name_are_a_problem_and_neither_wins(install: Callable[..., None]) -> None:
    install("fake", {"good": "fake_good:Good"}, {})
    install("fake2", {"good": "fake_good2:Good"}, {})
    found = [entry for entry in registry.entries("trick") if entry.name == "good"]
    assert len(found) == 2
    for entry in found:
        assert entry.problem is not None and "fake 1.5" in entry.problem and "fake2 1.5" in entry.problem
    with pytest.raises(PluginLoadError, match=r"more than one trick is called 'good': .* Uninstall one"):
        registry.plugin_class("trick", "good")


def test_a_name_that_no_suite_could_write_is_a_problem(install: Callable[..., None]) -> None:
    install("fake", {"a.b": "fake_good:Good"}, {})
    with pytest.raises(PluginLoadError, match="is no name"):
        registry.plugin_class("trick", "a.b")


def test_a_value_that_names_no_class_is_a_problem(install: Callable[..., None]) -> None:
    install("fake", {"good": "not a module at all!!"}, {})
    with pytest.raises(PluginLoadError, match="'not a module at all!!', which fake announces, is no `module:Class`"):
        registry.plugin_class("trick", "good")


def test_options_are_checked_strictly_and_have_defaults(good: None) -> None:
    plugin = registry.make("trick", one(strength=2, sizes=[4]))
    assert registry.options(plugin) == {"strength": 2.0, "mode": "a", "sizes": [4], "count": 3}
    assert plugin.sizes == (4,) and type(plugin.strength) is float  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"strenth": 1}, "here: good.strenth: unknown field. Did you mean strength?"),
        ({"strength": "5"}, 'good.strength: expected a number, not "5", which is text: write it without quotes'),
        ({"count": True}, "good.count: expected a whole number, not true"),
        ({"count": 1.5}, "good.count: expected a whole number, not 1.5"),
        ({"count": 2.0}, "not 2.0: write 2"),
        ({"mode": "c"}, 'good.mode: "c" is not possible here. Known: a, b.'),
        ({"sizes": 3}, "good.sizes: expected a list, not 3"),
        ({"sizes": [1, "x"]}, 'good.sizes.1: expected a whole number, not "x"'),
        ({"memory": {}}, "good.memory: unknown field."),
    ],
)
def test_a_wrong_option_is_one_line(good: None, options: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.make("trick", one(**options), where="here")
    assert line in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_all_wrong_options_are_told(good: None) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.make("trick", one(strength="x", count=None, moed="a"))
    assert len(str(caught.value).splitlines()) == 3


def test_the_digest_follows_imports_inside_the_package_only(good: None, tmp_path: Path) -> None:
    def digest() -> str:
        return registry.source_digest(registry.find("trick", "good"))

    first = digest()
    for name, counts in [
        ("fake/deep", True),
        ("fake/__init__", True),
        ("fake/other", False),
        ("fake_helpers/numbers", False),
    ]:
        file = tmp_path / "fake" / f"{name}.py"
        text = file.read_text()
        file.write_text(text + "# changed\n")
        assert (digest() != first) is counts, name
        file.write_bytes(text.replace("\n", "\r\n").encode())  # line ends do not count
        assert digest() == first


def test_describe_tells_types_defaults_and_comments(good: None) -> None:
    told = {option.name: option for option in registry.describe(registry.plugin_class("trick", "good"))}
    assert list(told) == ["strength", "mode", "sizes", "count"]
    assert told["strength"] == source.Option(
        name="strength", type="float", default="1.0", comment="of the effect at least 0, and finite"
    )
    assert (told["mode"].type, told["mode"].comment) == ("Literal['a', 'b']", "")
    assert told["count"].comment == "how many"


def test_describe_reads_the_configuration_records_too() -> None:
    told = {option.name: option.comment for option in registry.describe(NetworkConfig)}
    assert told["dropout"] == "probability in [0, 1)" and told["norm"] == ""
    (size, distribution) = registry.describe(LatentsConfig)
    assert size.default == "100" and distribution.comment.startswith("normal: N(0, I)")
