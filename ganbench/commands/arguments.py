"""What people name on the command line or in a notebook -> suites, requests, folders, cells."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import ConfigError, NothingMatched, did_you_mean
from ganbench.store import CellFolder, Store, SuiteFolder

if TYPE_CHECKING:
    from ganbench.api.cell import Suite
    from ganbench.runner import Request

RETRY = ("failed", "stale")
PATTERN = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which suites to run, and how; the options of `ganbench run` and `ganbench.run`."""

    suites: Sequence[Path]
    profile: str | None = None
    device: str | None = None
    seeds: int | None = None
    overrides: Sequence[str] = ()
    large: bool = False  # grids above 10,000 cells are meant
    jobs: int | None = None
    executor: str = "local"
    executor_options: Sequence[str] = ()
    cells: str | None = None
    shard: str | None = None
    retry: Sequence[str] = ()
    fail_fast: bool = False
    max_hours: float | None = None
    profile_cell: bool = False


def load_suites(choice: Choice) -> list[Suite]:
    """All of them are read before any is run: mistakes cost nothing."""
    from ganbench.suite import load

    loaded: list[Suite] = []
    mistakes: list[str] = []
    for path in choice.suites:
        try:
            suite = load(
                existing(path),
                profile=choice.profile,
                overrides=choice.overrides,
                seeds=choice.seeds,
                allow_large=choice.large,
            )
        except ConfigError as error:
            mistakes.append(str(error))
            continue
        if choice.device is not None:
            suite = replace(suite, options=replace(suite.options, device=choice.device))
        if choice.profile_cell:
            suite = replace(suite, options=replace(suite.options, profile_cell=True))
        if suite.folder in [other.folder for other in loaded]:
            mistakes.append(f"{path}: another suite is called {suite.folder} too, and they would share a folder")
        loaded.append(suite)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return loaded


def existing(path: Path) -> Path:
    """The path of a suite file; a wrong one is told with what was probably meant."""
    if path.is_file():
        return path
    what = "is a folder" if path.is_dir() else "there is no such file"
    known = sorted(file for folder in (path.parent, Path("suites")) for file in folder.glob("*.yaml"))
    hint = next((f" Did you mean {file}?" for file in known if file.stem == path.stem), None)
    raise ConfigError(f"{path}: {what}.{hint or did_you_mean(str(path), map(str, known))}")


def request_of(choice: Choice) -> Request:
    from ganbench.commands.prepare import spec_of
    from ganbench.runner import Request
    from ganbench.shard import Shard

    unknown = [word for word in choice.retry if word not in RETRY]
    if unknown:
        raise ConfigError(f"--retry {unknown[0]}: is none of {', '.join(RETRY)}")
    if choice.jobs is not None and choice.jobs < 1:
        raise ConfigError(f"--jobs {choice.jobs}: at least 1")
    if choice.max_hours is not None and not choice.max_hours > 0:
        raise ConfigError(f"--max-hours {choice.max_hours:g}: more than 0")
    return Request(
        jobs=choice.jobs,
        executor=spec_of(choice.executor, choice.executor_options, "--executor-option"),
        cells=choice.cells,
        shard=None if choice.shard is None else Shard.parse(choice.shard),
        retry=frozenset(choice.retry),
        fail_fast=choice.fail_fast,
        max_seconds=None if choice.max_hours is None else choice.max_hours * 3600,
    )


# --- what lies in a results folder ---------------------------------------------------------------
def find_suites(store: Store, words: Iterable[str] = ()) -> list[SuiteFolder]:
    """Suites that were run: by folder name, by suite name (then all its profiles), by suite file, or all of them."""
    present = list(store.suites())
    words = list(words)
    if not words:
        if not present:
            raise NothingMatched(f"{store.root}: no suite was run into this folder yet")
        return present
    found: dict[Path, SuiteFolder] = {}
    for word in words:
        named = suites_named(word, present)
        if not named:
            known = did_you_mean(word, [folder.path.name for folder in present])
            raise NothingMatched(f"{store.root}: no suite {word!r} was run into this folder yet.{known}")
        found |= {folder.path: folder for folder in named}
    return list(found.values())


def suites_named(word: str, present: Sequence[SuiteFolder]) -> list[SuiteFolder]:
    path = Path(word)
    if path.is_file():
        word = name_in(path)
    elif path.is_dir() and (path / "plan.json").exists():
        return [SuiteFolder(path)]
    exact = [folder for folder in present if folder.path.name == word]
    return exact if "@" in word else [folder for folder in present if folder.path.name.partition("@")[0] == word]


def name_in(path: Path) -> str:
    """The name that a suite file gives; nothing else of it is looked at."""
    from ganbench.suite.yaml import read

    root, problems = read(path)
    held = root.value if root is not None and isinstance(root.value, dict) else {}
    if "name" not in held:
        raise ConfigError("\n".join(map(str, problems)) or f"{path}: has no name, so it is no suite")
    return str(held["name"].value)


def find_cells(store: Store, word: str) -> list[CellFolder]:
    """Cells by id, glob, or the beginning of an id that only one has; `suite/cell` names the suite, too."""
    suite, _, name = word.rpartition("/")
    folders = find_suites(store, [suite] if suite else [])
    cells = [CellFolder(path) for folder in folders for path in folder.cell_paths()]
    if PATTERN & set(name):
        found = [cell for cell in cells if fnmatch.fnmatchcase(cell.id, name)]
    else:
        exact = [cell for cell in cells if cell.id == name]
        found = exact or [cell for cell in cells if cell.id.startswith(name)]
        if len(found) > 1:
            names = [f"{cell.path.parent.parent.name}/{cell.id}" for cell in found[:10]]
            more = f" and {len(found) - 10} more" if len(found) > 10 else ""
            raise ConfigError(f"{word}: {len(found)} cells begin like this: {', '.join(names)}{more}")
    if not found:
        raise NothingMatched(f"{word}: no such cell.{did_you_mean(name, [cell.id for cell in cells][:20])}")
    return found


def find_cell(store: Store, word: str) -> CellFolder:
    """The only cell of that name."""
    found = find_cells(store, word)
    if len(found) > 1:
        raise ConfigError(f"{word}: {len(found)} cells are called so, and one is needed")
    return found[0]
