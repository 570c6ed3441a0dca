"""What the source may not contain, what an import may not run, and that nothing listens or calls out."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_results import make_results

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "ganbench").rglob("*.py")), *sorted((ROOT / "plugins").rglob("*.py"))]
SOURCES = [file for file in FILES if "tests" not in file.relative_to(ROOT).parts]

NOWHERE = {  # pattern -> files that may have it
    r"\b(?:import|from) (?:dill|cloudpickle|joblib|shelve|marshal)\b": set(),
    r"\bpickle\.(?:loads?|Unpickler)\b|\bread_pickle\b": set(),
    r"\b(?:http\.server|socketserver|flask|fastapi|aiohttp|tornado)\b": set(),  # no server
    r"\b(?:import|from) (?:urllib|requests|httpx|http)\b|\burlopen\b": set(),
    r"\b(?:zipfile\.ZipFile|tarfile|unpack_archive)\b": {  # no archive is unpacked but our own, member by member
        "ganbench/archive.py",
    },
    r"\btempfile\.mktemp\b|[\"']/tmp/": set(),
    r"\bImage\.open\((?!.*formats=)": set(),  # no decoder but those that are named
    r"\bMAX_IMAGE_PIXELS\s*=\s*None|LOAD_TRUNCATED_IMAGES\s*=\s*True": set(),
    r"\bgetpass\b|\bgetlogin\b|\bplatform\.node\b|\bos\.uname\b": set(),
    r"autoescape\s*=\s*False|\|\s*safe\b": set(),
}


@pytest.mark.parametrize("pattern", NOWHERE)
def test_the_source_does_not_contain(pattern: str) -> None:
    assert len(SOURCES) > 150
    for file in [*SOURCES, *(ROOT / "plugins").rglob("*.jinja")]:
        name = file.relative_to(ROOT).as_posix()
        found = re.search(pattern, file.read_text("utf-8"))
        assert not found or name in NOWHERE[pattern], f"{name}: {found.group() if found else ''}"


def test_what_is_marked_as_safe_markup_is_made_by_us() -> None:
    """Markup() switches escaping off: only for our own style, script, escaped JSON and charts."""
    calls = [
        (file.name, call)
        for file in SOURCES
        for call in re.findall(r"(?<!def )\bMarkup\((.*)\)", file.read_text("utf-8"))
    ]
    assert {name for name, _ in calls} <= {"html.py"}
    assert {call.partition("(")[0].partition(")")[0] for _, call in calls} <= {
        "style",
        "script",
        "data.script_safe",
        "chart.svg",
    }


KINDS = ("architectures", "losses", "tricks", "procedures", "datasets", "extractors", "metrics", "executors", "loggers")


def test_an_installed_plugin_that_nobody_names_is_not_run(tmp_path: Path) -> None:
    """Help, schema, status, reports and plans import only what a suite names."""
    make_results(tmp_path / "results")
    about = tmp_path / "evil-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    points = "".join(f"[ganbench.{kind}]\nevil_{kind} = evil_plugin:Evil\n" for kind in KINDS)
    (about / "entry_points.txt").write_text(points)
    (tmp_path / "evil_plugin.py").write_text("import os\nos.mkdir(os.environ['CANARY'])\n")
    commands = [
        *(["--help"], ["run", "--help"], ["schema"], ["status", "--results", "results"]),
        ["report", "demo", "--results", "results", "--format", "md,html"],
        *(["plan", "results/demo.yaml", "--jobs", "1", "--results", "results"], ["show", "trick", "top_k"]),
    ]
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from typer.testing import CliRunner
from ganbench.cli import app
from ganbench import registry
assert "evil_tricks" in registry.names("trick")
for words in {commands!r}:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.stderr)
"""
    canary = tmp_path / "canary"
    environment = {"CANARY": str(canary), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert not canary.exists()


def test_a_cell_is_trained_and_scored_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_suite: Callable
) -> None:  # type: ignore[type-arg]
    from ganbench.api.config import RunOptions
    from ganbench.run import run_cell
    from ganbench.store import Store
    from ganbench.suite import expand

    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("somebody opens a connection")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (cell,) = expand(tiny_suite("", "base.training.budget={steps: 2}"))
    folder = Store(tmp_path / "results").suite("tiny").cell(cell.id)
    folder.write_config(cell, RunOptions(device="cpu"), tmp_path / "results" / ".cache")
    assert run_cell(folder).status in ("done", "collapsed")
