"""What `ganbench run` says of suites that are finished, when nothing has changed since it said so for the last time.

To see that nothing is to be done, a run imports torch and the plugins and reads every result. The same command again is
answered from memory while all that it depends on is as it was: ganbench and all plugins, the suite's file, the data,
every file of the results that counts, and the report. A memory, and never the truth: it lies in the cache, is sealed,
and can be deleted at any time; where anything is in doubt, a run looks for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ganbench import registry
from ganbench.api.config import Json, PluginSpec
from ganbench.cell_folder import SHOWN
from ganbench.commands.arguments import Choice
from ganbench.errors import GanbenchError
from ganbench.files import make_folder, plain, read_json, typed, write_json
from ganbench.report.terminal import Verdicts
from ganbench.signatures import below, signature, signatures
from ganbench.store import Store, SuiteFolder
from ganbench.version import __version__

if TYPE_CHECKING:
    from ganbench.api.dataset import Dataset
    from ganbench.api.summary import Summary
    from ganbench.commands.run import Ran
    from ganbench.runner import Planned

WORTH = 100  # cells, from which on it is remembered


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that a run says of one suite at its end."""

    code: int
    record: dict[str, Json]  # for --json
    verdicts: Verdicts | None  # where there is a report
    report: str  # its folder
    notes: tuple[str, ...]  # lines on stderr


# --- remembering -------------------------------------------------------------------------------------------
def recall(choice: Choice, store: Store) -> list[Told] | None:
    """What was said of each of these suites; None where one of them has to be looked at."""
    if not plain_enough(choice):
        return None
    here = installation()
    found = [recalled(choice, Path(path), store, here) for path in choice.suites]
    told = [one for one in found if one is not None]
    return told if len(told) == len(found) else None


def recalled(choice: Choice, path: Path, store: Store, here: str) -> Told | None:
    try:
        known = read_json(place(choice, path, store))
        if known is None or known["installation"] != here or known["suite"] != digest_of_file(path):
            return None
        if Path(known["folder"]).name != known["folder"] or seen(store.suite(known["folder"])) != known["seen"]:
            return None
        if contents(typed(PluginSpec, json.loads(spec)) for spec in known["contents"]) != known["contents"]:
            return None
        return typed(Told, known["told"])
    except (OSError, GanbenchError, KeyError, TypeError, ValueError):  # damaged, or of another version
        return None


def remember(choice: Choice, path: Path, store: Store, here: str, ran: Ran, told: Told) -> None:
    """After a run of a suite whose cells all have a result that holds. here: `installation` as the run began. What has
    changed since then, or since the report was begun, is not remembered."""
    planned = ran.outcome.planned
    if len(planned) < WORTH or not (ran.report and ran.summary) or not plain_enough(choice) or here != installation():
        return
    extractors = {one.cell.evaluation.extractor.name for one in planned}
    if any(registry.find("extractor", name).distribution != "ganbench" for name in extractors):
        return  # whose weights may be others without any file of it changing
    datasets = {json.dumps(plain(one.cell.config.dataset)): one.cell.config.dataset for one in planned}
    with contextlib.suppress(GanbenchError, OSError, ValueError):
        now = seen(ran.folder)
        if unreported(ran.seen) != unreported(now) or not agrees(ran.summary, planned):
            return
        value = {
            "schema": 1,
            "installation": here,
            "suite": digest_of_file(path),
            "folder": ran.folder.path.name,
            "seen": now,
            "contents": contents(datasets.values()),
            "told": told,
        }
        make_folder(place(choice, path, store).parent)
        write_json(place(choice, path, store), value)


def plain_enough(choice: Choice) -> bool:
    """Whether a run is one of the whole suite that tries nothing again."""
    return not (choice.retry or choice.cells or choice.shard or choice.profile_cell)


def place(choice: Choice, path: Path, store: Store) -> Path:
    """One file for each command and suite."""
    said = json.dumps([asdict(choice), str(path), str(store.root)], default=str)
    return store.cache / "index" / f"run-{hashlib.sha256(said.encode()).hexdigest()[:16]}.json"


def agrees(summary: Summary, planned: Sequence[Planned]) -> bool:
    """Whether the results that a run has read are those that its report was made of, which was read later."""
    rows = summary.rows.set_index("cell")
    if len(rows) != len(planned):
        return False
    held = rows.to_dict("index")
    said = [(held.get(one.cell.id, {}), one.state, one.result.metrics if one.result else {}) for one in planned]
    return all(
        row.get("status") == state and all(row.get(name) == value for name, value in metrics.items())
        for row, state, metrics in said
    )


# --- what it depends on ------------------------------------------------------------------------------------
def installation() -> str:
    """Digest of what is installed: ganbench and the packages of all plugins, file by file, and what they announce."""
    entries = registry.entries()
    found: list[Any] = [__version__, sys.version, [[str(one), one.problem] for one in entries]]
    for name in sorted({"ganbench"} | {one.module.partition(".")[0] for one in entries}):
        try:
            spec = find_spec(name)  # of a top-level name: runs no code of it
        except (ImportError, ValueError):
            spec = None
        homes = list(spec.submodule_search_locations or ()) if spec else []
        found.append([name, [list(below(Path(home))) for home in homes]])
        found.append(signature(spec.origin) if spec and spec.origin and not homes else None)
    return digest(found)


def seen(folder: SuiteFolder) -> str:
    """Two digests of a suite's folder: of all files that a run or a report is made of, and of the report."""
    outer = [signatures(folder.path, ("plan.json", "suite.yaml", "looks.json")), list(below(folder.path / "external"))]
    inside = folder.path / "cells"
    cells = [[name, signatures(inside / name, SHOWN)] for name in sorted(folder.cell_names())]
    return f"{digest([outer, cells])} {digest(list(below(folder.report)))}"


def unreported(said: str) -> str:
    """The part of `seen` that writing a report leaves as it is."""
    return said.partition(" ")[0]


def contents(datasets: Iterable[PluginSpec]) -> dict[str, str]:
    """Data set -> digest of what lies on the disk, for those that say so; the others are made by programs."""
    found = {}
    for spec in datasets:
        identity = cast("Dataset", registry.make("dataset", spec)).identity()
        if identity is not None:
            found[json.dumps(plain(spec))] = digest(identity)
    return found


def digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
