"""`ganbench doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ganbench import announced, registry
from ganbench.api.config import EvaluationConfig, PluginSpec
from ganbench.commands.plugins import plugin_rows
from ganbench.commands.screen import columns, document
from ganbench.errors import GanbenchError
from ganbench.store import Store
from ganbench.version import __version__

PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "pandas", "pydantic", "typer", "pillow")
LITTLE_SPACE = 2 * 2**30  # bytes: a suite with its caches may need that much


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `broken`: cells cannot run; `note`: something may be missing later."""

    what: str
    state: Literal["ok", "note", "broken"]
    detail: str
    remedy: str = ""


def findings(store: Store) -> Iterator[Finding]:
    yield Finding(what="ganbench", state="ok", detail=f"{__version__}, python {platform.python_version()}")
    yield from packages()
    yield from devices()
    yield writable("results folder", store.root)
    yield writable("cache", store.cache)
    yield space(store.root)
    rows = plugin_rows(check=True)
    broken = {row["name"] for row in rows if row["kind"] == "extractor" and row["problem"]}
    yield from weights(broken)
    yield from plugins(rows)
    for said in announced.one_by_one()[1]:
        remedy = "reinstall it: ganbench sees none of its plugins"
        yield Finding(what="distributions", state="note", detail=said, remedy=remedy)


def packages() -> Iterator[Finding]:
    found, lost = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lost.append(name)
    yield Finding(what="packages", state="ok", detail=", ".join(found))
    if lost:
        remedy = "reinstall: pip install --force-reinstall ganbench"
        yield Finding(what="packages", state="broken", detail=f"missing: {', '.join(lost)}", remedy=remedy)


def devices() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a broken build of torch raises anything
        detail = f"torch cannot be imported: {type(error).__name__}: {error}"
        yield Finding(what="torch", state="broken", detail=detail, remedy="reinstall torch for this machine")
        return
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    kinds = ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]
    yield Finding(what="devices", state="ok", detail=", ".join(kinds))
    if torch.version.cuda and not gpus and Path("/dev/nvidia0").exists():
        remedy = "compare the driver's version with torch's CUDA version, `nvidia-smi` shows it"
        detail = f"there is a GPU that torch (CUDA {torch.version.cuda}) cannot use"
        yield Finding(what="devices", state="note", detail=detail, remedy=remedy)
    if not gpus and (slow := slow_bf16()):
        yield Finding(what="precision", state="ok", detail=slow)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(what="threads", state="ok", detail=f"{cores} cores; a suite's `training.threads` go to each cell")


CPUINFO = Path("/proc/cpuinfo")


def slow_bf16() -> str:
    """Of processors that have dot products of bf16 but no AMX: measured there. Nothing of others."""
    try:
        flags = CPUINFO.read_text("utf-8", "replace")
    except OSError:
        return ""
    lacking = "avx512_bf16" in flags and "amx_bf16" not in flags
    return "this processor has no AMX: fp32, the default, is faster than bf16" if lacking else ""


def existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def writable(what: str, path: Path) -> Finding:
    """Tried, since permissions say little on network drives. Leaves nothing behind."""
    parent = existing_parent(path)
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        remedy = "name another with --results" if what == "results folder" else "name another in GANBENCH_CACHE"
        detail = f"{path} cannot be written ({error.strerror or error})"
        return Finding(what=what, state="broken", detail=detail, remedy=remedy)
    return Finding(what=what, state="ok", detail=str(path) + ("" if path.exists() else " (not made yet)"))


def space(path: Path) -> Finding:
    free = shutil.disk_usage(existing_parent(path)).free
    detail = f"{free / 2**30:.1f} GiB free"
    if free >= LITTLE_SPACE:
        return Finding(what="disk", state="ok", detail=detail)
    remedy = "make room: a cell that cannot write stops the run, and goes on later"
    return Finding(what="disk", state="note", detail=detail, remedy=remedy)


def weights(broken: Collection[str] = ()) -> Iterator[Finding]:
    """Of the feature extractors that can be imported. Only the default one is needed by every suite."""
    from ganbench.api.extractor import Extractor

    default = EvaluationConfig().extractor.name
    for name in registry.names("extractor"):
        if name in broken:
            continue
        what = f"extractor {name}"
        try:
            extractor = cast(Extractor, registry.make("extractor", PluginSpec(name=name)))
            yield Finding(what=what, state="ok", detail=f"weights {extractor.digest()[:12]}")
        except GanbenchError as error:
            state: Literal["broken", "note"] = "broken" if name == default else "note"
            yield Finding(what=what, state=state, detail=str(error), remedy="needed by suites that name it")
        except Exception as error:  # a plugin may raise anything
            yield Finding(what=what, state="broken", detail=f"{type(error).__name__}: {error}")


def plugins(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    broken = [row for row in rows if row["problem"]]
    yield Finding(what="plugins", state="ok", detail=f"{len(rows) - len(broken)} can be imported")
    for row in broken:
        remedy = f"mend or uninstall {row['distribution']}"
        what = f"{row['kind']} {row['name']}"
        yield Finding(what=what, state="broken", detail=str(row["problem"]), remedy=remedy)


def doctor(store: Store, as_json: bool) -> int:
    """The command; returns the exit code: 2 where something is broken."""
    found = list(findings(store))
    broken = [finding for finding in found if finding.state == "broken"]
    if as_json:
        document({"ok": not broken, "executable": sys.executable, "findings": found})
        return 2 if broken else 0
    marks = {"ok": "ok", "note": "note", "broken": "BROKEN"}
    rows = []
    for finding in found:
        advice = f" -> {finding.remedy}" if finding.remedy and finding.state != "ok" else ""
        rows.append((marks[finding.state], finding.what, finding.detail + advice))
    print("\n".join(columns(rows)))
    print("nothing is broken" if not broken else f"broken: {', '.join(finding.what for finding in broken)}")
    return 2 if broken else 0
