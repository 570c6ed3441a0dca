"""Conformance of report formats, executors and loggers."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.api.cell import Cell, Suite
from ganbench.api.config import EvaluationConfig, RunConfig, RunOptions
from ganbench.api.executor import Executor, Exit, Job
from ganbench.api.logger import Logger
from ganbench.api.metric import MetricKey
from ganbench.api.recorded import Curve, Records, RunRecord
from ganbench.api.report import Report
from ganbench.api.summary import Effect, Summary
from ganbench.errors import GanbenchError, Unavailable
from ganbench.testing.outcome import NotChecked

PATIENCE = 60.0  # seconds for jobs that do nothing


# --- report formats --------------------------------------------------------------------------------
def check_report(report: Report) -> None:
    """It writes what it says into the folder that it is given and nowhere else, of whole, partial and empty suites,
    and writes it again over what is there. Of a suite without results it may write nothing."""
    for what, summary in (("a suite", tiny_summary()), ("a suite without results", tiny_summary(finished=False))):
        before = copy.deepcopy(summary.effects), summary.rows.copy(deep=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for _ in range(2):
                files = report.write(summary, folder)
            assert files or not summary.finished, f"write names no file for {what}"
            lost = [path for path in files if not (path.is_file() and path.stat().st_size)]
            assert not lost, f"write names {lost[0]} for {what}, which is not there, or empty"
            strange = [path for path in files if not path.resolve().is_relative_to(folder.resolve())]
            assert not strange, f"write puts {strange[0]} outside of the folder that it is given"
            said = {path.resolve() for path in files}
            silent = [path for path in folder.rglob("*") if path.is_file() and path.resolve() not in said]
            assert not silent, f"write leaves {silent[0].name}, which it does not name: only named files are kept"
        assert before[0] == summary.effects and before[1].equals(summary.rows), "write changes the summary it is given"


def tiny_summary(finished: bool = True) -> Summary:
    """A baseline and two levels, three seeds each, one of them diverged, with their curves; or nothing finished yet."""
    rows, runs = [], []
    for axis, level in (("", "baseline"), ("norm", "off"), ("lr", "1e-3")):
        for seed in range(3):
            status = "diverged" if (level, seed) == ("1e-3", 2) else "done"
            status = status if finished else "pending"
            value = 40.0 + seed - 8 * (level == "off") if status == "done" else math.nan
            rows.append(
                {
                    "suite": "tiny",
                    "cell": f"{level}-s{seed}",
                    "axis": axis,
                    "level": level,
                    "levels": json.dumps({axis: level} if axis else {}),
                    "seed": seed,
                    "status": status,
                    "reason": "loss is not finite" if status == "diverged" else "",
                    "seconds": 2.5 if status == "done" else math.nan,
                    "images_seen": 640.0 if status == "done" else math.nan,
                    **dict.fromkeys(("fid", "fid_last", "fid_best"), value),
                }
            )
            runs.append(tiny_record(rows[-1]))
    effects = [tiny_effect("norm", "off", finished), tiny_effect("lr", "1e-3", finished)]
    return Summary(
        suite=Suite(name="tiny", question="Does it matter?", base={}),
        rows=pd.DataFrame(rows),
        effects=effects,
        keys=[MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05, title="FID (tiny, 64 images)")],
        protocol={"extractor": "tiny", "images": 64},
        notes={"fid_floor": 12.5},
        answer="norm=off helps." if finished else "Nothing is known yet.",
        warnings=["1 of 9 cells diverged"] if finished else [],
        partial=not finished,
        planned=9,
        finished=9 if finished else 0,
        footer=["3 seeds per level"],
        row_levels=[(str(row["axis"]), str(row["level"])) for row in rows],
        comparisons=2,
        records=Records(runs=runs),
    )


def tiny_record(row: dict[str, Any]) -> RunRecord:
    """What a run left behind, of its row: two steps and two evaluations; nothing of one that has not begun."""
    known: dict[str, Any] = {name: row[name] for name in ("cell", "seed", "status", "reason")}
    known["level"] = (row["axis"], row["level"])
    if row["status"] == "pending":
        return RunRecord(**known)
    at: dict[str, list[float | None]] = {"step": [5, 10], "images_seen": [320, 640], "seconds": [1.2, 2.5]}
    last, end = (None, None) if row["status"] == "diverged" else (1.2, row["fid"])
    losses = Curve(at=at, values={"D/adversarial": [1.4, last]})
    return RunRecord(**known, losses=losses, scores=Curve(at=at, values={"fid": [90.0, end]}))


def tiny_effect(axis: str, level: str, finished: bool) -> Effect:
    known: dict[str, Any] = dict.fromkeys(("score", "change_percent", "ci_low", "ci_high", "p_value"))
    if finished:
        known = {"score": 33.0, "change_percent": -19.5, "ci_low": -24.0, "ci_high": -14.6, "p_value": 0.001}
    return Effect(
        axis=axis,
        level=level,
        metric="fid",
        n=3 if finished else 0,
        baseline_n=3 if finished else 0,
        baseline_score=41.0 if finished else None,
        p_adjusted=0.002 if finished else None,
        verdict="helps" if finished else "not enough seeds",
        seeds_needed=3 if finished else None,
        failures=0,
        baseline_failures=0,
        **known,
    )


# --- executors -------------------------------------------------------------------------------------
SAVES = """
import pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
def save(*_):
    (place / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
(place / "ready").touch()
time.sleep(600)
"""


def check_executor(executor: Executor) -> None:
    """Jobs run and print into their logs, their exit codes come back, each once; one that runs on is asked to save.

    Raises NotChecked where it says `Unavailable` before a job has run. Files of its own, which its option `folder`
    names, go with those of the jobs; nodes of a cluster see both where TMPDIR is a folder that they see.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, stopped, said = Path(name), list[Exit](), list[str]()
        with judged("it cannot start"):
            workers = beside(executor, folder).start(RunOptions(device="cpu"), 2, 1, said.append)
        try:
            assert workers.capacity >= 1, "capacity must be at least 1"
            assert workers.describe().strip() and "\n" not in workers.describe(), "describe must give one line"
            with judged("it takes no jobs"):  # a cluster may be known here that does not answer
                for code in (0, 3):
                    workers.submit(job(folder, f"exit{code}", f"print('said'); raise SystemExit({code})"))
                ended = waited(workers, 2)
            codes = {one.job.cell: one.code for one in ended}
            words = f"; it said: {said[-1]}" if said else ""
            assert codes == {"exit0": 0, "exit3": 3}, (
                f"jobs that exit with 0 and 3 are told to have ended with {codes}{words}"
            )
            once = len(ended) == 2 and not workers.running() and not workers.poll()
            assert once, "a job that ended must be told once, and run no more"
            log = folder / "exit3" / "log.txt"
            assert log.is_file() and "said" in log.read_text(), "what a job prints must stand in log.txt of its folder"
            workers.submit(job(folder, "long", SAVES))
            assert [one.cell for one in workers.running()] == ["long"], "running must name the job that runs"
            waited(workers, 0, folder / "long" / "ready")
        finally:
            stopped = workers.stop(PATIENCE)
        assert [one.job.cell for one in stopped] == ["long"], "stop must return the exit of the job that still ran"
        assert stopped[0].stopped and stopped[0].code != 0, "the exit of a stopped job says so: stopped=True, no code 0"
        assert (folder / "long" / "saved").exists(), "stop must let jobs save: SIGTERM first, and time to end by it"


@contextlib.contextmanager
def judged(what: str) -> Iterator[None]:
    """Only `Unavailable` is a reason not to look: a broken executor refuses jobs, too."""
    try:
        yield
    except Unavailable as error:
        raise NotChecked(f"{what} here: {error}") from error
    except GanbenchError as error:
        raise AssertionError(
            f"{what}: {error} (where that is for lack of what it runs on, raise Unavailable)"
        ) from error


def beside(executor: Executor, folder: Path) -> Executor:
    """The same one, with the files of its own in a temporary folder."""
    given = getattr(executor, "folder", None)
    if not isinstance(given, str | Path):
        return executor
    (own := folder / "own").mkdir()
    return replace(executor, folder=type(given)(own))  # type: ignore[call-arg]


def job(folder: Path, name: str, code: str) -> Job:
    (folder / name).mkdir()
    return Job(cell=name, folder=folder / name, argv=(sys.executable, "-c", code, str(folder / name)))


def waited(workers: Any, count: int, file: Path | None = None) -> list[Exit]:
    """Until so many have ended, and a job has made a file."""
    ended: list[Exit] = []
    deadline = time.monotonic() + PATIENCE
    while len(ended) < count or (file is not None and not file.exists()):
        what = f"{count} jobs that end at once are not told to have ended" if count else "a job does not begin to run"
        assert time.monotonic() < deadline, f"{what}: poll must"
        ended += workers.poll()
        time.sleep(0.02)
    return ended


# --- loggers ---------------------------------------------------------------------------------------
def check_logger(logger: Logger) -> None:
    """It takes every kind of record, changes none, keeps inside the cell's folder, and goes on when it is opened
    again."""
    if sentence := logger.problem():
        raise NotChecked(sentence)
    cell = Cell(
        id="baseline-s0-000000000000",
        suite="tiny",
        levels={},
        seed=0,
        config=RunConfig(),
        evaluation=EvaluationConfig(),
    )
    with tempfile.TemporaryDirectory() as name:
        folder, picture = Path(name), Path(name) / "00000010.webp"
        tiny_picture(picture)
        for start in (0, 20):  # the second time as after a resume
            writer = logger.open(cell, folder)
            for record in tiny_records(start):
                given = copy.deepcopy(record)
                writer.history(given)
                assert given == record, "history changes the record it is given, which is written elsewhere, too"
            writer.snapshot(tiny_snapshot(start + 10))
            writer.images(start + 10, picture)
            writer.close()


def tiny_records(step: int) -> list[dict[str, Any]]:
    at = {"step": step + 5, "progress": 0.5, "images_seen": 80}
    warning = {"name": "gradients", "value": 120.0, "threshold": 100.0, "message": "the gradient norm of G is high"}
    return [
        at
        | {"seconds": 1.5, "D/adversarial": 1.38, "G/adversarial": None, "gradient_norm/D": 0.7, "memory_mib": 300.0},
        at | {"health/diversity": 0.9, "health/features": None},
        at | {"warning": warning},
    ]


def tiny_snapshot(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "progress": 1.0,
        "images_seen": 160,
        "images": 64,
        "window": True,
        "final": False,
        "metrics": {"fid": 40.5},
        "diversity": 0.9,
        "generator": "",
        "tables": {},
        "seconds": 2.0,
        "evaluation_seconds": 0.5,
    }


def tiny_picture(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (34, 34), (200, 100, 50)).save(path)
