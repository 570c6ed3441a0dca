"""`ganbench clean`: removes what nobody needs any more (see `ganbench.unneeded`). Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ganbench.commands.arguments import find_suites
from ganbench.commands.screen import columns, counted, document, note, safe, size
from ganbench.lease import Leases
from ganbench.store import Store
from ganbench.unneeded import Found, Wanted, unneeded

WORDS = {
    "checkpoints": "checkpoints of finished cells",
    "leftovers": "half-written files",
    "corrupt": "damaged files that were set aside",
    "generators": "kept generators",
    "stale": "stale cells",
    "orphans": "cells that no suite plans any more",
}


def clean(store: Store, suites: Sequence[str], wanted: Wanted, dry_run: bool, as_json: bool) -> int:
    """The command; returns the exit code."""
    with contextlib.closing(Leases()) as leases:
        cleaned = [unneeded(folder, wanted, None if dry_run else leases) for folder in find_suites(store, suites)]
    if as_json:
        document({"dry_run": dry_run, "suites": list(map(as_record, cleaned))})
        return 0
    for found in cleaned:
        show(found, dry_run, wanted)
    return 0


# --- what people read ----------------------------------------------------------------------------------
def show(found: Found, dry_run: bool, wanted: Wanted) -> None:
    verb = "would be removed" if dry_run else "removed"
    name = found.folder.path.name
    total = sum(item.size for item in found.items)
    print(safe(f"{name}: {size(total)} {verb}" if found.items else f"{name}: nothing to remove"))
    rows = []
    for kind, words in WORDS.items():
        items = [item for item in found.items if item.kind == kind]
        if items:
            rows.append((size(sum(item.size for item in items)).rjust(9), counted(len(items), "item"), words))
        if items and kind in ("stale", "orphans"):
            rows += [("", "", f"  {item.path.name}") for item in items]
    print("\n".join(columns(rows, indent="  ")), end="\n" if rows else "")
    for path, reason in found.kept.items():
        note(f"left alone: {path}: {reason}")
    if wanted.generators and any(item.kind == "generators" for item in found.items):
        note(f"{name}: without its generators a cell cannot be scored again, only trained again")


def as_record(found: Found) -> dict[str, Any]:
    return {
        "suite": found.folder.path.name,
        "bytes": sum(item.size for item in found.items),
        "removed": [{"kind": item.kind, "path": str(item.path), "bytes": item.size} for item in found.items],
        "left_alone": [{"path": str(path), "reason": reason} for path, reason in found.kept.items()],
    }
