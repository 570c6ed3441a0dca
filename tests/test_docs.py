"""What the documentation says is true: names, links, commands, suites, and the code that it quotes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import shlex
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from ganbench import ImageSet, Measured, Metric, Trick, registry
from ganbench.api.config import EvaluationConfig, PluginSpec, RunConfig, RunOptions
from ganbench.suite import load
from ganbench.suite.yaml import parse
from ganbench.testing import check_loss, check_options, check_trick

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = [*ROOT.glob("*.md"), ROOT / "results" / "README.md", *sorted(DOCS.rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, *languages):
    """Fenced blocks of a page in these languages, without their indent."""
    for indent, language, text in FENCE.findall(page.read_text("utf-8")):
        if language in languages:
            yield re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def everything():
    return "\n".join(page.read_text("utf-8") for page in DOCS.rglob("*.md"))


# --- names and links -------------------------------------------------------------------------------
def test_every_built_in_plugin_is_named_in_the_documentation():
    text = everything()
    known = [name for group in PROJECT["entry-points"].values() for name in group]
    assert known
    assert [name for name in known if f"`{name}`" not in text] == []


def anchors(page):
    """Anchors of headings, as code hosts make them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page):
    text = FENCE.sub("", page.read_text("utf-8"))
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_every_page_is_reached_from_the_index():
    text = (DOCS / "index.md").read_text("utf-8")
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "index.md"]
    assert [page for page in pages if f"({page})" not in text] == []


# --- commands --------------------------------------------------------------------------------------
def commands(page):
    """The words of each `ganbench ...` in the shell blocks of a page."""
    for block in blocks(page, "sh", "bash", "shell", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            starts = [i for i, word in enumerate(words) if word == "ganbench"]
            for start in starts:
                rest = words[start + 1 :]
                end = next((i for i, word in enumerate(rest) if word in ("&&", "||", ";", "|", ">", ">>")), len(rest))
                yield rest[:end]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_parses(page):
    typer = pytest.importorskip("typer")
    if importlib.util.find_spec("ganbench.cli") is None:
        pytest.skip("there is no command line yet")
    group = typer.main.get_command(importlib.import_module("ganbench.cli").app)
    for words in commands(page):
        said = "ganbench " + " ".join(words)
        names = [word for word in words if not word.startswith("-")]
        known = group.params
        if names:
            assert names[0] in group.commands, f"{said}: there is no such command"
            known = [*known, *group.commands[names[0]].params]
        options = {option for parameter in known for option in parameter.opts} | {"--help", "-h"}
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= options, f"{said}: no such options: {given - options}"
        missing = [word for word in words if word.startswith("suites/") and not (ROOT / word).exists()]
        assert not missing, f"{said}: there is no {missing}"


def test_commands_are_found():
    found = [words[0] for page in PAGES for words in commands(page)]
    assert {"run", "plan", "report", "status", "logs", "sample"} <= set(found)


# --- suites and code -------------------------------------------------------------------------------
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_suite_loads_and_every_part_of_one_is_yaml(page, tmp_path):
    for text in blocks(page, "yaml"):
        node, problems = parse(text, page.name)
        assert problems == []
        if node.value.keys() & {"base", "profiles"}:  # axes and exclusions alone need what they refer to
            if "name" not in node.value:
                text = f"name: part\nquestion: Does it load?\n{text}"
            path = tmp_path / "suite.yaml"
            path.write_text(text, "utf-8")
            load(path)


def test_the_tutorial_shows_a_whole_suite():
    (text,) = blocks(DOCS / "tutorial.md", "yaml")
    assert text.startswith("name:")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_block_is_python(page):
    for text in blocks(page, "python"):
        ast.parse(text)


@pytest.fixture(scope="module")
def sync():
    spec = importlib.util.spec_from_file_location("docs_sync", DOCS / "sync.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_quoted_files_and_tables_are_up_to_date(page, sync):
    text = page.read_text("utf-8")
    assert sync.synced(text) == text, "python docs/sync.py mends this"


def test_all_records_of_a_suite_have_a_table():
    text = (DOCS / "suites.md").read_text("utf-8")
    waiting, seen = [RunConfig, EvaluationConfig, RunOptions], set()
    while waiting:
        record = waiting.pop()
        if record in seen or record is PluginSpec:
            continue
        seen.add(record)
        types = get_type_hints(record)
        held = [arm for field in fields(record) for arm in (types[field.name], *get_args(types[field.name]))]
        waiting += [arm for arm in held if isinstance(arm, type) and is_dataclass(arm)]
        for field in fields(record):
            assert f"| `{field.name}` |" in text
    assert {record.__name__ for record in seen} <= set(re.findall(r"<!-- begin: (\w+) -->", text))


def test_every_moment_is_documented_with_a_built_in_trick_that_uses_it():
    page = (DOCS / "write-a-trick.md").read_text("utf-8")
    rows = re.findall(r"^\| \d \| `(\w+)\(.*?\)` \|.*\| (.*) \|$", page, re.MULTILINE)
    moments = [name for name, member in vars(Trick).items() if inspect.isfunction(member) and not name.startswith("_")]
    assert [name for name, _ in rows] == [name for name in moments if name != "conflict"]
    for moment, uses in rows:
        users = {
            name
            for name in PROJECT["entry-points"]["ganbench.tricks"]
            if getattr(registry.plugin_class("trick", name), moment) is not getattr(Trick, moment)
        }
        named = set(re.findall(r"`(\w+)`", uses))
        assert named <= users
        assert named or not users, f"{moment} is used by {users}, and the page names none"


# --- the example packages --------------------------------------------------------------------------
@pytest.fixture
def example(monkeypatch):
    for package in EXAMPLES.iterdir():
        monkeypatch.syspath_prepend(package)

    def find(value):
        module, _, name = value.partition(":")
        return getattr(importlib.import_module(module), name)

    return find


@pytest.mark.parametrize("package", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_example_packages_announce_plugins_that_conform(package, example):
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    built_in = {name for group in PROJECT["entry-points"].values() for name in group}
    for group, entries in project["entry-points"].items():
        assert group in PROJECT["entry-points"]
        for name, value in entries.items():
            plugin = example(value)
            assert plugin.__module__.rpartition(".")[2] == name, "the file is named like the entry point"
            assert name not in built_in, "two plugins of one name cannot be installed together"
            check_options(plugin())


def test_the_example_trick_passes_the_conformance_checks(example):
    mirror = example("my_tricks.mirror:Mirror")
    assert check_trick(mirror(), losses=["non_saturating"]) == []
    with pytest.raises(ValueError, match="share"):
        mirror(share=0.0)


def test_the_example_loss_passes_the_conformance_checks(example):
    check_loss(example("my_plugins.squared_hinge:SquaredHinge")(margin=0.7))


def test_the_example_data_set_and_metric_work_together(example):
    stripes = example("my_plugins.stripes:Stripes")(size=16, train=30, held_out=10)
    made = {split: stripes.make(split) for split in ("train", "held_out", "conditions")}
    assert {split: len(samples) for split, samples in made.items()} == stripes.info().counts
    train = made["train"]
    assert train.images.shape == (30, 3, 16, 16)
    assert train.images.dtype == np.uint8
    assert train.digest == stripes.make("train").digest
    lying = train.labels["direction"] == 1
    constant_rows = (train.images == train.images[:, :, :, :1]).all((1, 2, 3))
    assert (constant_rows == lying).all()

    metric: Metric = example("my_plugins.saturation_gap:SaturationGap")()
    assert metric.problem(stripes.info(), EvaluationConfig()) is None
    real = SimpleNamespace(info=stripes.info(), config=EvaluationConfig(), samples=lambda split: made[split])
    judge = metric.prepare(real)
    (key,) = metric.keys(stripes.info())
    same = Measured(images=ImageSet(images=torch.from_numpy(train.images)), features=None)
    grey = Measured(images=ImageSet(images=torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)), features=None)
    assert judge.measure(same) == {key.name: 0.0}
    assert judge.measure(grey)[key.name] == judge.notes["saturation_of_real_images"] > 0
