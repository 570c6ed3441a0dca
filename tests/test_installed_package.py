"""A package of somebody else's, from its scaffold over pip to a result; edited, its results no longer hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_plugins

from ganbench.commands.new import new

SUITE = """
name: tiny
question: Does it matter?
base:
  dataset: tiny
  generator: {width: 4}
  discriminator: {width: 4}
  latents: {size: 8}
  training: {budget: {steps: 6}, batch_size: 4}
  evaluation: {extractor: pixels, resize: null, images: 12, window: 1, curve: 1, final_images: 20, batch_size: 8}
axes:
  grey: {on: {tricks+: [grey_views]}}
metrics: [colour]
seeds: [0]
baseline_seeds: [0]
options: {device: cpu}
"""


def python(*words: str, folder: Path, environment: dict[str, str], code: int | None = 0) -> str:
    """What it prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def ganbench(tmp_path: Path) -> Callable[..., str]:
    """The command, in an empty folder, where the packages that pip has put into `site` are installed, too."""
    start = tmp_path / "start"
    start.mkdir()
    lines = ["import site, sysconfig", f"base = {str(tmp_path / 'site')!r}"]
    lines += ["site.addsitedir(sysconfig.get_path('purelib', vars={'base': base, 'platbase': base}))"]
    (start / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    known = os.pathsep.join([str(start), tiny_plugins.announce(tmp_path / "tiny")])

    def command(*words: str, code: int | None = 0) -> str:
        environment = {"PYTHONPATH": known, "OMP_NUM_THREADS": "1"}
        return python("-m", "ganbench.cli", *words, folder=tmp_path, environment=environment, code=code)

    return command


def install(package: Path, editable: bool) -> None:
    """As a user would, into a folder of its own, and without asking an index."""
    pytest.importorskip("hatchling")
    how = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    where = ["--prefix", str(package.parent / "site"), "--ignore-installed", *(["--editable"] if editable else [])]
    python(*how, *where, str(package), folder=package.parent, environment={})


@pytest.mark.parametrize(
    "editable", [pytest.param(True, id="editable"), pytest.param(False, id="wheel", marks=pytest.mark.soak)]
)
def test_from_scaffold_to_report_and_stale_when_edited(
    editable: bool, ganbench: Callable[..., str], tmp_path: Path
) -> None:
    assert new("plugin", "grey_views", [], tmp_path, as_json=False) == 0
    package = tmp_path / "ganbench_grey_views"
    install(package, editable)
    (tmp_path / "tiny.yaml").write_text(SUITE)
    ganbench("run", "tiny.yaml", "--jobs", "1")

    (cell,) = [path for path in (tmp_path / "results/tiny/cells").iterdir() if path.name.startswith("grey")]
    used = json.loads((cell / "provenance.json").read_text())["plugins"]["trick/grey_views"]
    assert (used["distribution"], used["version"]) == ("ganbench-grey-views", "0.1.0") and len(used["digest"]) == 64
    states = cells(ganbench("status", "--json"))
    assert states == {"baseline": ("done", ""), "grey=on": ("done", "")}
    report = json.loads(ganbench("report", "--format", "csv,json", "--json"))["reports"][0]
    assert report["finished"] == 2 and any(effect["level"] == "on" for effect in report["effects"])

    source = package / "ganbench_grey_views" / "grey_views.py"
    source.write_text(source.read_text().replace("images.mean(1", "images.amax(1"))
    if not editable:
        install(package, editable)
    states = cells(ganbench("status", "--json"))
    assert states == {"baseline": ("done", ""), "grey=on": ("stale", "changed since: trick/grey_views")}
    table = json.loads(ganbench("report", "--allow-partial", "--format", "csv", "--json"))["reports"][0]
    assert table["finished"] == 1 and all(effect["score"] is None for effect in table["effects"])
    ganbench("run", "tiny.yaml", code=3)  # nothing is trained again in silence
    assert json.loads((cell / "provenance.json").read_text())["plugins"]["trick/grey_views"] == used


def cells(document: str) -> dict[str, tuple[str, str]]:
    (suite,) = json.loads(document)["suites"]
    named = {"=".join(*cell["levels"].items()) if cell["levels"] else "baseline": cell for cell in suite["cells"]}
    return {name: (cell["state"], cell["reason"]) for name, cell in named.items()}
