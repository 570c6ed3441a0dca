"""`ganbench import`: finished cells from another machine's archive. Imports no torch.

The archive is data from anybody. It is unpacked beside the suites, every file under a name that it may have, and
checked as a whole (`ganbench.archive`); only then are cells put in their places (`ganbench.merge`).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from ganbench.archive import unpacked
from ganbench.commands.screen import counted, document, note, safe
from ganbench.errors import StoreError
from ganbench.lease import Leases
from ganbench.merge import Merge, merge, place
from ganbench.store import Store

SHOWN = 5  # cells that differ


def import_results(store: Store, path: Path, keep: bool, dry_run: bool, as_json: bool) -> int:
    """The command; returns the exit code. keep: where both have a result, the one that is here stays."""
    with unpacked(store, path) as staging:
        merges = [merge(staging / name, store) for name in sorted(path.name for path in staging.iterdir())]
        differing = [f"{m.here.path.name}/{cell}: {how}" for m in merges for cell, how in m.other.items()]
        if differing and not keep:
            raise StoreError(
                f"{path}: {counted(len(differing), 'cell')} finished here with another result: nothing was imported. "
                "Import into another results folder, or use --keep to keep the results that are here\n"
                + "\n".join(differing[:SHOWN])
            )
        if not dry_run:
            os.sync() if hasattr(os, "sync") else None
            with contextlib.closing(Leases()) as leases:
                for one in merges:
                    place(one, store, leases, note)
    if as_json:
        document({"file": str(path), "dry_run": dry_run, "suites": list(map(as_record, merges))})
        return 0
    verb = "would be imported" if dry_run else "imported"
    for one in merges:
        more = [f"{len(one.same)} the same as here"] * bool(one.same) + [f"{len(one.other)} kept"] * bool(one.other)
        print(safe(", ".join([f"{one.here.path.name}: {counted(len(one.new), 'cell')} {verb}", *more])))
        for cell, how in one.other.items():
            note(f"kept: {cell}: {how}")
    return 0


def as_record(one: Merge) -> dict[str, Any]:
    return {"suite": one.here.path.name, "imported": one.new, "same": one.same, "kept": one.other}
