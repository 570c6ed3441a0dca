"""`ganbench report`: results folders -> tables, verdicts, pictures. Imports no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench.api.summary import Summary
from ganbench.commands.arguments import find_suites
from ganbench.commands.screen import document, note
from ganbench.errors import GanbenchError
from ganbench.report.build import write
from ganbench.report.curves import with_records
from ganbench.report.pipeline import formats_of, require_complete, summary_of
from ganbench.store import Store, SuiteFolder


@dataclass(frozen=True, kw_only=True)
class Written:
    """The report of one suite."""

    folder: SuiteFolder
    summary: Summary
    files: tuple[Path, ...]


def write_reports(
    store: Store,
    suites: Sequence[str] = (),
    *,
    formats: str | None = None,
    output: Path | None = None,
    metric: str | None = None,
    allow_partial: bool = False,
) -> list[Written]:
    """Reports of suites, each into its own folder, or into `output` (one below it per suite where there are several).

    Nothing is written unless all of them can be.
    """
    names = formats_of(formats)
    folders = find_suites(store, suites)
    found = []
    for folder in folders:
        try:
            summary = summary_of(folder, metric)
        except GanbenchError as error:
            raise type(error)(f"{folder.path.name}: {error}") from error
        if not allow_partial:
            require_complete(summary, folder)
        found.append((folder, summary))
    written = []
    for folder, summary in found:
        target = folder.report if output is None else output if len(found) == 1 else output / folder.path.name
        files = write(with_records(summary, folder), target, names)
        written.append(Written(folder=folder, summary=summary, files=tuple(files)))
    return written


def report(
    store: Store,
    suites: Sequence[str],
    formats: str | None,
    output: Path | None,
    metric: str | None,
    allow_partial: bool,
    as_json: bool,
) -> int:
    """The command; returns the exit code."""
    from ganbench.commands.run import show_verdicts
    from ganbench.report.terminal import Verdicts

    written = write_reports(store, suites, formats=formats, output=output, metric=metric, allow_partial=allow_partial)
    if as_json:
        document({"reports": [as_record(one) for one in written]})
        return 0
    for one in written:
        show_verdicts(Verdicts.of(one.summary))
        if one.summary.partial:
            note(f"{one.folder.path.name}: partial, {one.summary.finished} of {one.summary.planned} cells are finished")
        for line in listed(one.files):
            print(line)
    return 0


def listed(files: Sequence[Path]) -> list[str]:
    """A line per file of the report, and one for each folder of many, so that the table stays on screen."""
    top = min((path.parent for path in files), key=lambda folder: len(folder.parts), default=Path())
    inside = Counter(path.parent for path in files if path.parent != top)
    lines = [f"{folder}{os.sep} ({count} files)" for folder, count in inside.items()]
    return lines + [str(path) for path in files if path.parent == top]


def as_record(written: Written) -> dict[str, object]:
    summary = written.summary
    return {
        "suite": written.folder.path.name,
        "files": [str(path) for path in written.files],
        "partial": summary.partial,
        "planned": summary.planned,
        "finished": summary.finished,
        "answer": summary.answer,
        "warnings": summary.warnings,
        "effects": summary.effects,
    }
