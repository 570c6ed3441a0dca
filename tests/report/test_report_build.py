from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest
from result_rows import FID

from ganbench import registry
from ganbench.errors import UnknownPlugin
from ganbench.report.build import write
from ganbench.report.summarise import summarise


def test_all_formats_are_written_through_the_registry(rows, suite, tmp_path):
    summary = summarise(suite, rows.add({"norm": "off"}, 40).frame, [FID])
    made = write(summary, tmp_path / "new" / "report", ["md", "csv", "json", "md"])
    assert [path.name for path in made] == ["table.md", "table.csv", "effects.csv", "summary.json"]
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == sorted(p.name for p in made)
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in made]
    again = write(summary, tmp_path / "new" / "report", ["md", "csv", "json"])
    assert [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in again] == before
    made[0].write_text("x" * made[0].stat().st_size)
    assert write(summary, tmp_path / "new" / "report", ["md"])[0].read_bytes() == before[0][0]


def test_a_format_that_breaks_leaves_the_earlier_report(rows, suite, tmp_path, monkeypatch):
    summary = summarise(suite, rows.frame, [FID])
    (made,) = write(summary, tmp_path, ["md"])
    before = made.read_text()

    @dataclass(frozen=True)
    class Broken:
        def write(self, summary, folder):
            raise RuntimeError("no")

    real = registry.make
    monkeypatch.setattr(registry, "make", lambda kind, spec: Broken() if spec.name == "x" else real(kind, spec))
    with pytest.raises(RuntimeError):
        write(summarise(suite, rows.add({"a": "b"}, 1).frame, [FID]), tmp_path, ["md", "x"])
    assert made.read_text() == before
    assert list(tmp_path.iterdir()) == [made]


def test_an_unknown_format_is_refused(rows, suite, tmp_path):
    with pytest.raises(UnknownPlugin, match="Did you mean json"):
        write(summarise(suite, rows.frame, [FID]), tmp_path, ["jsn"])


def test_reports_need_no_torch():
    code = """
import sys, pathlib, tempfile, pandas as pd
from ganbench.api.cell import Suite
from ganbench.api.metric import MetricKey
from ganbench.report.build import write
from ganbench.report.summarise import summarise
import ganbench.report.terminal
key = MetricKey(name="fid", direction="lower", scale="ratio", margin=0.05)
columns = ["suite", "cell", "axis", "level", "levels", "seed", "status", "fid"]
summary = summarise(Suite(name="s", question="?", base={}), pd.DataFrame([], columns=columns), [key])
write(summary, pathlib.Path(tempfile.mkdtemp()), ["md", "csv", "json"])
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
