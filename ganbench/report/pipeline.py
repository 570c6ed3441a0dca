"""Results folder -> Summary, without importing torch: what `ganbench report`, `run` and notebooks show."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ganbench import probe, registry
from ganbench.api.cell import FAILURES, Provenance, RunResult, Suite
from ganbench.api.config import EvaluationConfig
from ganbench.api.metric import MetricKey
from ganbench.api.report import Report
from ganbench.api.summary import Summary
from ganbench.errors import ConfigError, NothingMatched, PluginLoadError, StoreError, did_you_mean
from ganbench.files import typed
from ganbench.links import refuse_links
from ganbench.provenance import changed_since, evaluation_key
from ganbench.redact import redact
from ganbench.report.environments import with_origins
from ganbench.report.looks import Looks
from ganbench.report.protocol import check_protocols
from ganbench.report.summarise import combination, summarise
from ganbench.report.terminal import plain
from ganbench.report.untrained import with_untrained
from ganbench.store import CellFolder, SuiteFolder, table
from ganbench.suite import load_resolved

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A suite as it was run: suite.yaml and plan.json."""

    suite: Suite
    plan: dict[str, Any]
    keys: list[MetricKey]

    @property
    def cells(self) -> list[dict[str, Any]]:
        return list(self.plan["cells"])

    @property
    def declared(self) -> list[tuple[str, str]]:
        """Every (axis, level) that is compared with the baseline, in the order of the suite."""
        named: dict[tuple[str, str], None] = {}
        for cell in self.cells:
            levels: dict[str, str] = cell["levels"]
            if len(levels) == 1:
                named.update(dict.fromkeys(levels.items()))
            elif levels:
                named[tuple(combination(self.suite, levels))] = None  # type: ignore[index]
        return list(named)


def recorded(folder: SuiteFolder) -> Recorded:
    """Raises NothingMatched where no suite was run into the folder."""
    found = folder.read_plan()
    if found is None:
        raise NothingMatched(f"{folder.path}: holds no suite that was run")
    text, plan = found
    ids = [cell["id"] for cell in plan["cells"]]
    if not all(name.isprintable() and len(name) <= 255 for name in ids):
        raise StoreError(f"{folder.path / 'plan.json'}: is damaged: a cell's name cannot be that of a folder")
    refuse_links(folder.path, ids)
    try:
        keys = [typed(MetricKey, key) for key in plan["keys"]]
    except ValueError as error:  # pydantic's ValidationError is one
        raise StoreError(f"{folder.path / 'plan.json'}: is damaged: a metric's key is not one") from error
    return Recorded(suite=load_resolved(text, str(folder.path / "suite.yaml")), plan=plan, keys=keys)


def stale(folder: CellFolder, planned: Mapping[str, Any], result: RunResult, depends: set[str] | None = None) -> str:
    """Why a result no longer holds, as far as that shows without torch and data; empty when it does.

    depends: is given the plugins, as kind/name, whose sources were compared.
    """
    if result.status == "skipped":
        return ""
    try:
        config, evaluation = folder.read_treatment()
        origin = folder.read_provenance()
    except StoreError as error:  # it is absent; a damaged one, which has just been set aside, counts as that
        return str(error) if (folder.path / "config.json").exists() else ""
    except ValueError:  # pydantic's ValidationError is one
        return "was written by another version of ganbench, which has other fields"
    if origin is not None and depends is not None:
        depends.update(origin.plugins)
    if origin is not None and (changed := changed_since(origin, config)):
        return changed
    if result.status in ("done", "collapsed") and result.evaluation and planned.get("evaluation"):
        said = (planned["evaluation"], planned["protocol"])
        # The record is kept with its key, so that no other one can get its id.
        _, now = registry.once((id(evaluation), *said), lambda: (evaluation, evaluated(evaluation, *said)))
        if {now, planned["evaluation"]} != {result.evaluation}:
            return "the evaluation has changed: run the suite again to score it anew"
    return ""


def evaluated(evaluation: EvaluationConfig, planned: str, protocol: str) -> str:
    """What a score depends on now; as it was planned where its plugins are not installed."""
    specs = [("extractor", evaluation.extractor), *(("metric", spec) for spec in evaluation.metrics)]
    installed = all(spec.name in registry.names(cast(Any, kind)) for kind, spec in specs)
    return evaluation_key(evaluation, protocol) if installed else planned


@registry.reading_once()
def rows(folder: SuiteFolder, found: Recorded) -> pd.DataFrame:
    """`store.table`, with stale cells shown as such and without their numbers: they are never mixed in."""
    frame = table(folder)
    columns = list(frame.columns)
    metrics = columns[columns.index("images_seen") + 1 :]
    frame["reason"] = [redact(str(reason)) for reason in frame["reason"]]
    for index, planned in enumerate(found.cells):
        cell = folder.cell(planned["id"])
        result = cell.load_result()
        if result is not None and (reason := stale(cell, planned, result)):
            frame.loc[index, ["status", "reason"]] = ["stale", reason]
            frame.loc[index, metrics] = float("nan")
    return frame


def summary_of(folder: SuiteFolder, metric: str | None = None) -> Summary:
    """What there is to say of a suite now. Raises ConfigError when its cells were not measured in the same way.

    metric: another one to decide by, with its own margin.
    """
    found = recorded(folder)
    suite = found.suite
    if metric is not None and metric != suite.primary_metric:
        margin = next((key.margin for key in found.keys if key.name == metric), suite.margin)
        suite = replace(suite, primary_metric=metric, margin=margin)
    frame = rows(folder, found)
    protocols = {}
    for cell_id, status in zip(frame["cell"], frame["status"], strict=True):
        result = folder.cell(cell_id).load_result() if status in ("done", "collapsed") else None
        if result is not None and result.protocol:
            protocols[cell_id] = result.protocol
    looks = Looks.read(folder)
    summary = summarise(
        suite,
        frame,
        found.keys,
        notes=found.plan.get("notes", {}),
        protocol=check_protocols(protocols),
        declared=found.declared,
        deleted=looks.deleted(found.cells) if looks else (),
        changes=looks.changes if looks else (),
    )
    return with_untrained(with_origins(summary, origins(folder, frame.to_dict("records"))), folder)


def origins(folder: SuiteFolder, rows: Iterable[Mapping[Any, Any]]) -> dict[str, Provenance]:
    """Of the cells whose results count."""
    found = {}
    for row in rows:
        if row["status"] in ("done", *FAILURES):
            with contextlib.suppress(StoreError, ValueError):  # of another version, or damaged: said elsewhere
                found[str(row["cell"])] = folder.cell(row["cell"]).read_provenance()
    return {cell: origin for cell, origin in found.items() if origin is not None}


def unfinished(summary: Summary) -> int:
    """How many cells have no result that holds."""
    return int(summary.rows["status"].isin(["pending", "stale"]).sum())


def require_complete(summary: Summary, folder: SuiteFolder) -> None:
    """A look before the declared seeds are in is a look too many, so it must be asked for."""
    if missing := unfinished(summary):
        count = len(summary.rows)
        raise ConfigError(
            f"{folder.path}: {missing} of {count} cells {'has' if missing == 1 else 'have'} no valid result yet: "
            "finish them with `ganbench run`, or see what there is with `ganbench report --allow-partial`"
        )


def to_stderr(line: str) -> None:
    print(plain(line), file=sys.stderr)


def default_formats(say: Callable[[str], None] = to_stderr) -> list[str]:
    """The formats written when none is named. One that is broken is said to be, and keeps no other from being written:
    nobody asked for it."""
    found = []
    entries = registry.entries("report")
    probe.refuse_deadly(entries)
    for name in dict.fromkeys(entry.name for entry in entries):
        try:
            made = registry.plugin_class("report", name)
        except PluginLoadError as error:
            say(f"not written: {error}")
            continue
        if issubclass(made, Report) and made.default:
            found.append(name)
    return found


def formats_of(text: str | None) -> list[str]:
    """`md,csv` as names; None is all defaults. Raises UnknownPlugin, and ConfigError where none is named."""
    if text is None:
        return default_formats()
    named = [name for name in map(str.strip, text.split(",")) if name]
    if not named:
        raise ConfigError(f"--format {text!r}: names no format.{did_you_mean('', registry.names('report'))}")
    return [registry.find("report", name).name for name in named]
