"""A results folder full of hostile text, through every report format and every command that only looks.

The same folder is made twice: once with harmless words and once with payloads in all their places. Whatever is written
must have the same elements both times.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from payloads import FORMULAS, MARKUP, TERMINAL, TEX
from stub_results import KEYS, make_results
from typer.testing import CliRunner

from ganbench.api.cell import Cell, RunResult
from ganbench.cli import app
from ganbench.files import plain, read_json, typed, write_json
from ganbench.store import SuiteFolder
from ganbench.suite.scalars import clean

PAYLOADS = MARKUP + FORMULAS + TEX + TERMINAL
FORMATS = "md,csv,tex,html,json,curves"
STATES = ("done", "failed", "diverged", "collapsed", "done")


def words(text: str) -> str:
    """As a suite file may have them: no control characters, and not too long for a key."""
    return "".join(c for c in text if clean(c) and c not in "\t\n")[:190]


def poison(root: Path, texts: list[str]) -> SuiteFolder:
    """A finished suite with two of the texts in the name of each level, and in all that its run leaves behind."""
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    axes = {
        f"{words(a)} {place}": {f"{words(b)}{place}": {"replicate": place + 1}} for place, (a, b) in enumerate(pairs)
    }
    head = {"name": "demo", "question": " ".join(map(words, texts[:10])), "axes": axes, "seeds": 1, "baseline_seeds": 2}
    head |= {"base": {"training": {"budget": {"steps": 6}}}, "metrics": ["fid", "kid"], "options": {"device": "cpu"}}
    texts_of: dict[str, tuple[str, str]] = {}

    def change(cell: Cell, made: RunResult) -> RunResult:
        place = len(texts_of)
        a, b = texts_of[cell.id] = pairs[place % len(pairs)]
        table = {"names": [a, b], "confusion": [[1, 2], [3, 4]], "per_class_accuracy": {a: 0.5}}
        return replace(
            made,
            status="done" if cell.is_baseline else STATES[place % len(STATES)],  # type: ignore[arg-type]
            reason="" if cell.is_baseline else (a, b)[place % 2],
            metrics={**made.metrics, "conditional_accuracy/" + a: 0.5},
            health={"warnings": [{"step": 1, "name": a, "message": b}]},
            protocol={**made.protocol, "extractor_title": "X", "sampler": {a: b}, "all": dict(enumerate(texts))},
            tables={a: {b: table}},
        )

    folder = make_results(root, json.dumps(head), change)
    plan = read_json(folder.path / "plan.json")
    assert plan is not None
    titled = [replace(key, title=texts[place]) for place, key in enumerate(KEYS)]
    notes = {f"{texts[2]}_floor": 1.0, f"{texts[2]}_floor_images": texts[3], "fid_floor": 5}
    write_json(folder.path / "plan.json", {**plan, "keys": plain(titled), "notes": notes})
    (folder.path / "external").mkdir()
    for place, path in enumerate(folder.cell_paths()):
        a, b = texts_of[path.name]
        cell = folder.cell(path.name)
        (path / "log.txt").write_text(f"{a}\nlast: {b}\n{b}\n", "utf-8", errors="surrogatepass")
        for step in range(3):
            cell.append_history({"step": step, f"D/{a}": step, "warning": {"name": b, "message": a, "step": 1}})
            measured = {"fid": 9.0 - step, b: 1.0}
            cell.append_snapshot({"step": step, "progress": step / 2, "images": 32, "metrics": measured, "views": [a]})
        origin = cell.read_provenance()
        assert origin is not None
        held = replace(origin, ganbench=a, versions={a: b}, device=b, git_commit=a)
        cell.write_provenance(held)
        other = {"name": a, "images": 32, "metrics": {"fid": 5.0}, "protocol": {a: b}, "notes": {b: a}}
        write_json(folder.path / "external" / f"{place}.json", other)
    return folder


def invoke(*arguments: str) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[SuiteFolder, SuiteFolder]:
    """The harmless one and the hostile one, both with a report."""
    root = tmp_path_factory.mktemp("injection")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # a thousand files, and no power failure to fear
        harmless = poison(root / "harmless", [f"harmless text {place}" for place in range(len(PAYLOADS))])
        hostile = poison(root / "hostile", PAYLOADS)
    for folder in (harmless, hostile):
        done = invoke("report", "demo", "--results", str(folder.path.parent), "--format", FORMATS)
        assert done.exit_code == 0, done.stderr
    return harmless, hostile


def both(folders: tuple[SuiteFolder, SuiteFolder], name: str) -> tuple[str, str]:
    one, other = ((folder.report / name).read_bytes().decode("utf-8") for folder in folders)
    return one, other


# --- HTML and what browsers show --------------------------------------------------------------------
class Shape(HTMLParser):
    """Every element with the names of its attributes, and every address."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset", "data")]
        held = dict(attrs)
        if held.get("http-equiv") == "Content-Security-Policy":
            self.policy = held["content"] or ""

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", ()))

    def handle_decl(self, decl: str) -> None:
        self.elements.append((decl, ()))


def test_the_page_has_no_element_attribute_or_address_of_anybody_else(folders: Any) -> None:
    one, other = map(Shape, both(folders, "index.html"))
    assert len(PAYLOADS) >= 40
    assert other.elements == one.elements
    assert not [name for _, names in other.elements for name in names if name.startswith("on") or name == "style"]
    assert "default-src 'none'" in other.policy and "unsafe" not in other.policy
    assert all(address.startswith(("#", "data:image/webp;base64,", "data:,")) for address in other.addresses)


def test_every_payload_is_on_the_page_as_text(folders: Any) -> None:
    from ganbench_zoo.reports.wording import plain as shown

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.said: list[str] = []

        def handle_data(self, data: str) -> None:
            self.said.append(data)

    page = Words()
    page.feed(both(folders, "index.html")[1])
    said = " ".join(" ".join(page.said).split())
    assert [text for text in PAYLOADS if " ".join(shown(text).split()) not in said] == []


def test_markdown_renders_to_the_same_elements(folders: Any) -> None:
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    one, other = (Shape(renderer.render(text)) for text in both(folders, "table.md"))
    assert Counter(tag for tag, _ in one.elements)["tr"] > len(PAYLOADS) / 2
    assert other.elements == one.elements


def test_curves_are_drawn_with_the_same_elements(folders: Any) -> None:
    drawings = [sorted((folder.report / "curves").iterdir()) for folder in folders]
    shapes = [
        Counter(
            (element.tag, *element.attrib)
            for path in paths
            for element in ElementTree.fromstring(path.read_bytes()).iter()  # it must be XML in the first place
        )
        for paths in drawings
    ]
    assert len(drawings[0]) == len(drawings[1]) > 10
    assert shapes[0] == shapes[1]
    assert all(re.fullmatch(r"[a-z0-9-]+\.svg", path.name) for path in drawings[1])


# --- CSV, JSON, LaTeX ------------------------------------------------------------------------------
NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("name", ["table.csv", "effects.csv"])
def test_no_cell_of_a_spreadsheet_is_a_formula_whatever_separates_cells(folders: Any, name: str) -> None:
    one, other = both(folders, name)
    rows = [list(csv.reader(io.StringIO(text, newline=""))) for text in (one, other)]
    assert [len(row) for row in rows[1]] == [len(row) for row in rows[0]]
    assert len(other.splitlines()) == len(rows[1]), "a row is a line"
    cells = [cell for row in rows[1] for cell in row]
    cells += [cell for separator in ";\t" for line in other.splitlines() for cell in line.split(separator)]
    for cell in cells:
        seen = "".join(c for c in cell if unicodedata.category(c) not in ("Cf", "Cc")).lstrip(' "\u00a0')
        assert not seen.startswith(FORMULA) or NUMBER.fullmatch(cell), cell
    assert printable(other)


def test_levels_stay_json_in_the_table(folders: Any) -> None:
    for row in csv.DictReader(io.StringIO(both(folders, "table.csv")[1], newline="")):
        assert isinstance(json.loads(row["levels"]), dict)


def test_the_summary_is_json_with_the_texts_as_they_are_and_can_be_printed(folders: Any) -> None:
    text = both(folders, "summary.json")[1]
    found = json.loads(text)
    assert sorted(found["protocol"]["all"].values()) == sorted(map(plain, PAYLOADS))
    assert printable(text)


def test_latex_has_no_command_of_anybody_else(folders: Any) -> None:
    one, other = both(folders, "table.tex")
    ours = {r"\textbackslash", r"\textasciicircum", r"\textasciitilde", r"\textasciigrave", r"\textless", r"\textbar"}
    ours |= {r"\textgreater", r"\char", r"\dots", r"\pm", r"\times", *(rf"\{sign}" for sign in "{}$&#%_\\")}
    commands = [set(re.findall(r"\\(?:[A-Za-z]+|.)", text)) for text in (one, other)]
    assert commands[1] <= commands[0] | ours
    bare = [re.sub(r"\\(?:[A-Za-z]+|.)", "", text) for text in (one, other)]
    for sign in "&#^~":
        assert bare[1].count(sign) == bare[0].count(sign), sign
    assert bare[1].count("{") == bare[1].count("}") and other.isascii()
    assert bare[1].count("%") == 1, "the comment at the top"
    assert len(other.splitlines()) == len(one.splitlines())


# --- terminals -------------------------------------------------------------------------------------
def printable(text: str) -> bool:
    """Nothing that a terminal obeys: control, escape, direction and format characters."""
    return all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in text if c != "\n")


@pytest.mark.parametrize(
    "command",
    [
        *("report demo --format md", "status", "status demo", "status --json", "logs *", "logs * --json"),
        *("gate demo --max fid=1", "compare demo baseline LEVEL", "compare demo baseline LEVEL --json"),
        *("plan SUITE --jobs 1", "plan SUITE --jobs 1 --json", "plan SUITE --resolved", "plan SUITE --resolved --json"),
        *("status NOTHING", "logs NOTHING", "show trick NOTHING", "list NOTHING", "report demo --metric NOTHING"),
        *("report demo --format NOTHING", "plan NOTHING", "plan SUITE --set NOTHING=1", "plan SUITE --profile NOTHING"),
        *("sample NOTHING --output x", "score NOTHING --dataset faces", "gate demo --max NOTHING=1", "prepare NOTHING"),
    ],
)
def test_no_command_prints_what_a_terminal_obeys(folders: Any, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    hostile = folders[1]
    monkeypatch.setenv("GANBENCH_RESULTS", str(hostile.path.parent))
    level = next(iter(json.loads(csv_levels(hostile)[-1]).items()))
    put = {"SUITE": str(hostile.path.parent / "demo.yaml"), "LEVEL": f"{level[0]}={level[1]}"}
    nothing = "".join(TERMINAL).replace("\0", "").replace("\ud800", "").replace("\udce9", "")
    arguments = [put.get(word, word.replace("NOTHING", nothing)) for word in command.split()]
    if arguments[0] == "plan" and "--set" not in arguments:
        monkeypatch.setattr("ganbench.commands.plan.missing_weights", lambda planned: TERMINAL)
    done = invoke(*arguments)
    assert done.exit_code in (0, 2, 4, 5), done.stderr
    assert printable(done.stdout) and printable(done.stderr)
    if "--json" in arguments:
        json.loads(done.stdout)


def csv_levels(folder: SuiteFolder) -> list[str]:
    return [row["levels"] for row in csv.DictReader(io.StringIO((folder.report / "table.csv").read_text("utf-8")))]


def test_our_own_bugs_are_printed_without_what_a_terminal_obeys(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from ganbench import cli

    def fail() -> None:
        raise RuntimeError("".join(TERMINAL))

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    assert printable(said.out) and printable(said.err) and "RuntimeError" in said.err


def test_markup_of_the_console_stays_text(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """rich reads [red] and :skull: where it is not told otherwise."""
    monkeypatch.setenv("GANBENCH_RESULTS", str(folders[1].path.parent))
    monkeypatch.setenv("COLUMNS", "400")
    said = invoke("plan", str(folders[1].path.parent / "demo.yaml"), "--jobs", "1").stdout
    assert "[red]x[/red]" in said and ":skull: :x:" in said


def test_progress_in_a_notebook_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganbench.notebook_view import NotebookView, html_table

    view = NotebookView()
    monkeypatch.setattr(view, "show", lambda: None)
    for text in PAYLOADS:
        view.say(text)
        for made in (view.picture(), html_table([["cell"], [text]])):
            tags = {tag for tag, _ in Shape(made).elements}
            assert tags <= {"progress", "br", "table", "thead", "tbody", "tr", "th", "td", "small"}
            assert printable(made)


def test_halves_of_surrogate_pairs_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    """A file name that is no UTF-8 comes to the text of an exception as such halves."""
    path = tmp_path / "result.json"
    write_json(path, RunResult(status="failed", reason="no file caf\udce9.png", tables={"\ud800": 1}))
    found = typed(RunResult, read_json(path))
    assert (found.reason, found.tables) == ("no file caf?.png", {"?": 1})
