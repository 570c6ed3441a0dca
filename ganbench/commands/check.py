"""`ganbench check`: does a plugin keep to the contract, does a suite load?"""

from __future__ import annotations

import importlib.util
import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganbench import registry
from ganbench.api.plugin import KINDS, Kind
from ganbench.commands.plugins import kind_of
from ganbench.commands.screen import columns, document, note, safe
from ganbench.errors import ConfigError, UnknownPlugin, did_you_mean
from ganbench.isolated import Died, records
from ganbench.registry import Entry

READY = 300.0  # seconds that python may take to start and to import torch
SECONDS = 120.0  # that one step of a check may take
LONGEST = 1000  # characters of a target: file systems refuse to look at much longer ones


@dataclass(frozen=True, kw_only=True)
class Target:
    """One plugin to check, and where python finds it."""

    entry: Entry
    path: tuple[str, ...] = ()  # folders to put before sys.path: of packages that are not installed


@dataclass(kw_only=True)
class Report:
    """What was found of one plugin."""

    entry: Entry
    checks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(check["state"] != "failed" for check in self.checks)


def check(
    targets: Sequence[str],
    as_json: bool,
    *,
    only: Sequence[str] | None = None,
    seconds: float = SECONDS,
    limits: dict[str, float] | None = None,
) -> int:
    """The command; returns the exit code: 2 where anything does not hold. `seconds` and `limits` (of
    ganbench.testing.program) are for tests."""
    suites = [Path(word) for word in targets if Path(word).suffix in (".yaml", ".yml")]
    mistakes = [mistake for path in suites if (mistake := check_suite(path))]
    found = []
    for target in [one for word in targets if Path(word) not in suites for one in find(word)]:
        if not as_json:
            print(safe(str(target.entry)))
        report = check_one(target, only, seconds, limits or {}, (lambda row: None) if as_json else show)
        found.append(report)
    good = not mistakes and all(report.ok for report in found)
    if as_json:
        rows = [asdict(report.entry) | {"ok": report.ok, "checks": report.checks} for report in found]
        document(
            {"ok": good, "plugins": rows, "suites": [{"path": str(path)} for path in suites], "problems": mistakes}
        )
        return 0 if good else 2
    for mistake in mistakes:
        note(mistake)
    failed = [report.entry.name for report in found if not report.ok]
    if suites and not mistakes:
        print(f"{', '.join(map(str, suites))}: no mistakes")
    if found:
        print(safe(f"does not conform: {', '.join(failed)}" if failed else "conforms"))
    return 0 if good else 2


def check_suite(path: Path) -> str:
    """What is wrong in a suite file; empty where nothing is."""
    from ganbench.commands.arguments import existing
    from ganbench.suite import load

    try:
        load(existing(path))
    except ConfigError as error:
        return str(error)
    return ""


def show(row: dict[str, Any]) -> None:
    """A line as soon as it is known."""
    marks = {"ok": "ok", "skipped": "skipped", "failed": "FAILED"}
    first, *rest = safe(row["message"]).split("\n")
    print(columns([(marks[row["state"]].ljust(7), row["check"].ljust(15), first)], indent="  ")[0], flush=True)
    for line in rest:
        print(f"    {line}")


def check_one(
    target: Target,
    only: Sequence[str] | None,
    seconds: float,
    limits: dict[str, float],
    show: Callable[[dict[str, Any]], None],
) -> Report:
    """All checks of one plugin, in a process that starts in an empty folder and may die."""
    report = Report(entry=target.entry)

    def add(check: str, state: str, message: str = "", seconds: float = 0.0) -> None:
        row = {"check": check, "state": state, "message": message, "seconds": seconds}
        report.checks.append(row)
        show(row)

    if problem := name_problem(target.entry):
        add("name", "failed", problem)
        return report
    add("name", "ok")
    entry = asdict(target.entry) | {"problem": None}
    request = {"entry": entry, "path": target.path, "limits": limits, "only": only}
    current, step = "import", ""
    with tempfile.TemporaryDirectory(prefix="ganbench-check-") as folder:
        told = records(
            "ganbench.testing.program", [json.dumps(request)], first=READY, seconds=seconds, folder=Path(folder)
        )
        try:
            for record in told:
                current, step = record.get("starting", current), record.get("step", "")
                if "outcome" in record:
                    outcome = record["outcome"]
                    add(outcome["check"], outcome["state"], outcome["message"], outcome["seconds"])
        except Died as death:
            when = f" in {step}" if step else ""
            add(current, "failed", f"the process of the plugin {death}{when}: it must neither end, crash nor hang")
    return report


def name_problem(entry: Entry) -> str:
    """A name that suites cannot write, or that another plugin of the kind has."""
    if entry.problem:
        return entry.problem
    if not entry.name.isidentifier():
        return f"{entry.name!r} is no name: letters, digits and _ only"
    for other in registry.entries(entry.kind):
        if other.name == entry.name and other.value != entry.value:
            return f"{other} has that name already, and neither could be used: call yours otherwise"
    return ""


# --- what is meant -----------------------------------------------------------------------------------
def find(word: str) -> list[Target]:
    """`top_k`, `trick:top_k`, the name of a distribution, the folder of a package, or a file with plugins in it."""
    path = Path(word)
    if len(word) > LONGEST:
        raise ConfigError(f"{word[:40]}...: no plugin, package or path has a name of {len(word)} characters")
    if path.is_dir() and ((path / "pyproject.toml").is_file() or not installed(word)):
        return of_folder(path)
    if path.suffix == ".py" and path.is_file():
        return of_file(path)
    kind, _, name = word.rpartition(":")
    if kind:
        return [Target(entry=entry) for entry in named(kind_of(kind), name)]
    if not (found := installed(word)):
        known = {name for entry in registry.entries() for name in (entry.name, entry.distribution)}
        raise UnknownPlugin(f"no plugin or package is called {word!r}, and there is no such path.{meant(word, known)}")
    return [Target(entry=entry) for entry in found]


def installed(word: str) -> list[Entry]:
    """Plugins of that name, of any kind; or those of the distribution of that name."""
    found = [entry for entry in registry.entries() if entry.name == word]
    return found or [entry for entry in registry.entries() if plain(entry.distribution) == plain(word)]


def named(kind: Kind, name: str) -> list[Entry]:
    registry.find(kind, name)
    return [entry for entry in registry.entries(kind) if entry.name == name]


def meant(word: str, known: Iterable[str]) -> str:
    """Without the list of all that is known, which is long."""
    return did_you_mean(word, known).partition(" Known:")[0]


def plain(name: str) -> str:
    """Of a distribution: case and separators do not count."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_folder(folder: Path) -> list[Target]:
    """The plugins that the pyproject.toml of a package announces; it need not be installed."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise ConfigError(f"{folder}: has no pyproject.toml, so it is no package")
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    project = table(told.get("project", {}), "project", file)
    groups = {
        group: table(points, f'project.entry-points."{group}"', file)
        for group, points in table(project.get("entry-points", {}), "project.entry-points", file).items()
    }
    unknown = [group for group in groups if group.startswith("ganbench.") and group not in map(registry.group, KINDS)]
    if unknown:
        raise ConfigError(f"{file}: there is no kind of plugin for {unknown[0]!r}.{meant(unknown[0], groups_known())}")
    path = tuple(str(place.resolve()) for place in (folder / "src", folder) if place.is_dir())
    home, version = str(project.get("name", folder.name)), str(project.get("version", "?"))
    found = [
        Entry(kind=kind, name=name, value=str(value), distribution=home, version=version)
        for kind in KINDS
        for name, value in groups.get(registry.group(kind), {}).items()
    ]
    if not found:
        raise ConfigError(
            f'{file}: announces no plugins of ganbench: it has no [project.entry-points."ganbench.tricks"]'
        )
    return [Target(entry=entry, path=path) for entry in found]


def table(value: object, name: str, file: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: [{name}] must be a table")
    return value


def groups_known() -> list[str]:
    return [registry.group(kind) for kind in KINDS]


def of_file(file: Path) -> list[Target]:
    """All classes in a file that have a base class named like a kind: `class Mirror(Trick)`."""
    import ast

    if not file.stem.isidentifier():
        tame = re.sub(r"\W+", "_", file.stem)
        raise ConfigError(f"{file}: python imports no module of that name: call it {tame}.py, for example")
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        raise ConfigError(f"{file}:{error.lineno}: {error.msg}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error
    kinds = {kind.capitalize(): kind for kind in KINDS}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found = []
    for node in classes:
        bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        for kind in (kinds[base] for base in bases if base in kinds):
            name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
            value = f"{file.stem}:{node.name}"
            entry = Entry(kind=kind, name=name, value=value, distribution=str(file), version="(a file)")
            found.append(Target(entry=entry, path=(str(file.parent.resolve()),)))
    if not found:
        raise ConfigError(f"{file}: has no class with a base class of ganbench ({', '.join(kinds)})")
    other = importlib.util.find_spec(file.stem) if file.stem != "__main__" else None
    if other is not None and Path(other.origin or "").resolve() != file.resolve():
        raise ConfigError(f"{file}: there is a module {file.stem} already ({other.origin}): call yours otherwise")
    return found
