"""`ganbench new plugin`: what it writes works as it is."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from installed import forget, on_path, write_distribution
from typer.testing import CliRunner, Result

import ganbench
from ganbench import registry
from ganbench.api.plugin import KINDS, Kind
from ganbench.cli import app
from ganbench.commands.check import find
from ganbench.commands.new import template
from ganbench.testing import check_plugin

ALONE = ("types", "options", "documentation", "errors", "partners exist", "configure", "formulas", "behaviour")


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["new", *words])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package with a plugin of every kind, installed."""
    folder = tmp_path_factory.mktemp("new")
    kinds = [word for kind in KINDS for word in ("--kind", kind)]
    made = new("plugin", "sparkle", *kinds, "--output", str(folder))
    assert made.exit_code == 0, made.output
    package = folder / "ganbench_sparkle"
    points = {f"{kind}.sparkle_{kind}": value for kind, value in announced(package).items()}
    write_distribution(package, "ganbench-sparkle", points, {})
    with pytest.MonkeyPatch.context() as patch:
        on_path(package, patch)
        yield package
    forget()


def announced(package: Path) -> dict[Kind, str]:
    groups = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]
    return {kind: groups[registry.group(kind)][f"sparkle_{kind}"] for kind in KINDS}


def test_there_is_a_template_for_every_kind_of_plugin() -> None:
    for kind in get_args(Kind):
        assert f"class My{kind.capitalize()}({kind.capitalize()})" in template(f"my_package/my_{kind}.py")


def test_names_are_replaced_everywhere(package: Path) -> None:
    files = {str(path.relative_to(package)): path.read_text() for path in package.rglob("*") if path.is_file()}
    assert {"README.md", "pyproject.toml", "suite.yaml", "tests/test_ganbench_sparkle.py"} <= files.keys()
    for path, text in files.items():
        assert "@" not in text.replace("@dataclass", "").replace("@torch", ""), path
        assert "my_" not in text.lower() and "NAME" not in text, path
        if path.endswith(".py"):
            ast.parse(text)
    assert "ganbench" not in [line.strip() for line in files["README.md"].splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_conforms(package: Path, kind: Kind) -> None:
    """Each by itself; the tests of the package, which are in the soak test, train it with everything."""
    plugin = registry.plugin_class(kind, f"sparkle_{kind}")
    check_plugin(plugin(), only=ALONE)


def test_the_suite_of_the_package_names_them_and_has_no_mistakes(package: Path) -> None:
    text = (package / "suite.yaml").read_text()
    assert all(f"sparkle_{kind}" in text for kind in KINDS if kind not in ("report", "executor"))
    ganbench.plan(package / "suite.yaml", profile="smoke", results=package / "results")


@pytest.mark.soak
def test_the_package_passes_its_own_tests(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "11 passed" in done.stdout, done.stdout


def test_one_plugin_has_the_name_of_the_package(tmp_path: Path) -> None:
    made = new("plugin", "grey_views", "--output", str(tmp_path), "--json")
    told = json.loads(made.stdout)
    assert told["plugins"] == [{"kind": "trick", "name": "grey_views", "class": "GreyViews"}]
    folder = tmp_path / "ganbench_grey_views"
    assert all((folder / path).is_file() for path in told["files"]) and told["next"][0] == f"cd {folder}"
    (target,) = find(str(folder))
    assert target.entry.value == "ganbench_grey_views.grey_views:GreyViews"
    assert "tricks+: [grey_views]" in (folder / "suite.yaml").read_text()


def test_what_is_to_be_done_next_uses_every_plugin(tmp_path: Path) -> None:
    made = new("plugin", "shiny", "--kind", "executor", "--kind", "report", "--output", str(tmp_path), "--json")
    following = json.loads(made.stdout)["next"]
    assert "ganbench run suite.yaml --profile smoke --executor shiny_executor" in following
    assert following[-2:] == ["ganbench report", "ganbench report --format shiny_report"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plugin", "Sparkle-Noise"], "Did you mean sparkle_noise?"),
        (["plugin", "2d"], "is no name"),
        (["plugin", "class"], "is no name"),
        (["plugin", "top_k"], "trick 'top_k' (ganbench_zoo.tricks.top_k:TopK"),
        (["plugin", "zoo", "--kind", "loss"], "a package ganbench_zoo is installed already"),
        (["plugin", "glimmer", "--kind", "metrc"], "Did you mean metric?"),
        (["plugn", "glimmer"], "Did you mean plugin?"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    refused = new(*words, "--output", str(tmp_path))
    assert refused.exit_code == 2 and said in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ganbench_glimmer").mkdir()
    refused = new("plugin", "glimmer", "--output", str(tmp_path))
    assert refused.exit_code == 2 and "nothing is overwritten" in refused.stderr
    assert not list((tmp_path / "ganbench_glimmer").iterdir())
