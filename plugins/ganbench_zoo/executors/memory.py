"""What the system tells of memory: how much a process took, and whether it killed one for lack of it. Linux only."""

from __future__ import annotations

import re
from pathlib import Path

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def kills() -> int | None:
    """Processes that the system has killed for lack of memory since it was started; None where it does not say."""
    try:
        found = _KILLS.search(Path("/proc/vmstat").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


def was_short(before: int | None) -> bool:
    """Whether it has killed any since there were so many."""
    now = kills()
    return before is not None and now is not None and now > before


def peak_mib(process: int) -> float:
    """The most memory that a living process has had; 0 when it is gone."""
    try:
        found = _PEAK.search(Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
