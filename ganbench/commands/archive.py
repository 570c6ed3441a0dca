"""Results in one file, to carry them to another machine: what may be in it, and where. No code, and nothing foreign.

    ganbench.json                      which files there are: size and sha256 of each
    <suite>/suite.yaml, plan.json, looks.json, external/*.json
    <suite>/cells/<cell>/config.json, provenance.json, result.json, *.jsonl, log.txt, training.webp,
        samples/*.webp, generators/*.pt

Only finished cells are in it, and no reports: those are made of the rest.
"""

from __future__ import annotations

import re

SCHEMA = 1  # of the archive
FORMAT = "ganbench results"
CONTENTS = "ganbench.json"
CACHE = "../../../.cache"  # what config.json says of the cache in an archive: nobody's own folders

MOST_FILES = 1_000_000
MOST_RATIO = 200  # a file of more than MEBIBYTE may be so many times larger than what is stored of it
MEBIBYTE = 2**20
_SUITE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}(?:@[A-Za-z0-9][A-Za-z0-9_-]{0,59})?"
CELL = r"[a-z0-9](?:[a-z0-9-]{0,60})-s[0-9]{1,16}-[0-9a-f]{12}"
# name inside the suite's folder -> the most bytes that such a file may have
_KNOWN = {
    r"suite\.yaml": 16 * MEBIBYTE,
    r"(?:plan|looks)\.json": 256 * MEBIBYTE,
    r"external/[a-z0-9-]{1,60}\.json": 16 * MEBIBYTE,
    rf"cells/{CELL}/(?:config|provenance|result)\.json": 16 * MEBIBYTE,
    rf"cells/{CELL}/(?:history|snapshots|attempts)\.jsonl": 512 * MEBIBYTE,
    rf"cells/{CELL}/log\.txt": 16 * MEBIBYTE,
    rf"cells/{CELL}/training\.webp": 256 * MEBIBYTE,
    rf"cells/{CELL}/samples/[0-9]{{1,16}}\.webp": 64 * MEBIBYTE,
    rf"cells/{CELL}/generators/[0-9]{{1,16}}\.pt": 8192 * MEBIBYTE,
}
_PATTERNS = [(re.compile(f"(?P<suite>{_SUITE})/{inner}"), most) for inner, most in _KNOWN.items()]


def room_for(name: str) -> int | None:
    """The most bytes that a file of this name may have in an archive; None for names that have no business there."""
    if name == CONTENTS:
        return 512 * MEBIBYTE
    return next((most for pattern, most in _PATTERNS if pattern.fullmatch(name)), None)
