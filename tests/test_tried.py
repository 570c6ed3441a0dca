"""What came of trying plugins is kept between commands, for as long as it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import forget, on_path, write_distribution
from test_isolation import LOUD, TRICK

from ganbench import registry, tried
from ganbench.registry import Entry


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entry]:
    """A plugin that is installed, with a cache of its own."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    write_distribution(tmp_path, "fake-pack", {"trick.mine": "mine:Bad"}, {"mine": TRICK})
    on_path(tmp_path, monkeypatch)
    (found,) = [one for one in registry.entries("trick") if one.name == "mine"]
    yield found
    forget()


def test_an_outcome_holds_until_the_source_changes(entry: Entry, tmp_path: Path) -> None:
    assert tried.known([entry]) == {}
    tried.remember({entry: "it hangs"})
    assert tried.known([entry]) == {entry: "it hangs"}
    tried.remember({entry: None})
    assert tried.known([entry]) == {entry: None}
    (tmp_path / "mine.py").write_text(f"{TRICK}\n# mended\n")
    assert tried.known([entry]) == {}


def test_an_outcome_holds_until_something_is_installed(entry: Entry, tmp_path: Path) -> None:
    tried.remember({entry: "ModuleNotFoundError: No module named 'other'"})
    write_distribution(tmp_path, "other", {}, {})
    assert tried.known([entry]) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"plugins": 3}', '{"environment": "%s", "plugins": {"a": 1}}'])
def test_a_damaged_cache_is_none(entry: Entry, tmp_path: Path, text: str) -> None:
    tried.remember({entry: None})
    (file,) = (tmp_path / "cache" / "plugins").iterdir()
    assert (tmp_path / "cache" / "plugins").stat().st_mode & 0o777 == 0o700
    file.write_text(text.replace("%s", tried._environment()))
    assert tried.known([entry]) == {}


def test_a_cache_that_cannot_be_written_stops_nothing(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    tried.remember({entry: None})
    assert tried.known([entry]) == {}


def test_list_imports_no_plugin_and_says_which_were_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"loud": LOUD, "strange": "import os\nos.environ['LOUD']\nclass Bad: pass"}
    write_distribution(tmp_path, "loud-pack", {"trick.loud": "loud:Bad", "trick.strange": "strange:Bad"}, modules)
    for name, value in {"LOUD": tmp_path / "loud.txt", "PYTHONPATH": tmp_path, "GANBENCH_CACHE": tmp_path}.items():
        monkeypatch.setenv(name, str(value))

    def listed() -> tuple[dict[str, tuple[str | None, bool]], str]:
        code = "from ganbench.cli import app; app(['list', 'tricks', '--json'])"
        ended = subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True)
        rows = {row["name"]: (row["problem"], row["tried"]) for row in json.loads(ended.stdout)["trick"]}
        return {name: rows[name] for name in ("loud", "strange", "top_k")}, ended.stderr

    rows, said = listed()
    assert rows == {"loud": (None, False), "strange": (None, False), "top_k": (None, True)}
    assert "not tried yet" not in said, "for people, not with --json"
    assert not (tmp_path / "loud.txt").exists()
    code = "from ganbench import probe, registry; probe.problems(e for e in registry.entries() if 'loud' in str(e))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert (tmp_path / "loud.txt").read_text() == "imported "
    rows, _ = listed()
    assert rows["loud"] == (None, True) and "is not a subclass of ganbench.Trick" in (rows["strange"][0] or "")
    assert (tmp_path / "loud.txt").read_text() == "imported "
