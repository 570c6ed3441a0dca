"""The conformance check of report formats: built-in ones pass, with curves to draw, and each defect is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import built_in
import pytest

from ganbench import PluginSpec, Report, Summary, registry
from ganbench.testing import check_report, tiny_summary

# matplotlib takes seconds: `figures` is in the soak test of all built-in plugins
QUICK = [name for name in built_in.names("report") if name != "figures"]


@pytest.mark.parametrize("name", QUICK)
def test_built_in_formats_pass(name: str) -> None:
    check_report(registry.make("report", PluginSpec(name=name)))


def test_a_tiny_suite_has_the_curves_of_every_run(tmp_path: Path) -> None:
    summary = tiny_summary()
    runs = summary.records.runs
    assert [(run.cell, run.level, run.status) for run in runs] == [
        (row.cell, (row.axis, row.level), row.status) for row in summary.rows.itertuples()
    ]
    for run in runs:
        for curve in (run.losses, run.scores):
            assert {len(column) for column in (*curve.at.values(), *curve.values.values())} == {2}
    files = registry.make("report", PluginSpec(name="curves")).write(summary, tmp_path)
    assert {path.stem for path in files} == {"d-adversarial", "fid", "fid-over-images-seen", "fid-over-seconds"}
    assert not any(run.losses.values or run.scores.values for run in tiny_summary(finished=False).records.runs)


@dataclass(frozen=True, kw_only=True)
class Plain(Report):
    """One file, and of a suite without results none."""

    def write(self, summary: Summary, folder: Path) -> list[Path]:
        return [self.file(folder / "plain.txt", summary)] if summary.finished else []

    def file(self, path: Path, summary: Summary) -> Path:
        path.write_text(f"{summary.answer} {len(summary.records.runs)} runs")
        return path


def test_a_format_may_have_nothing_to_say_of_a_suite_without_results() -> None:
    check_report(Plain())


class Nothing(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        return []


class Lost(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        return [folder / "lost.txt"]


class Silent(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        self.file(folder / "silent.txt", summary)
        return [self.file(folder / "plain.txt", summary)]


class Outside(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        return [self.file(folder.parent / f"{folder.name}.txt", summary)]


class Once(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        (folder / "once").mkdir()
        return [self.file(folder / "once" / "plain.txt", summary)]


class Changes(Plain):
    def write(self, summary: Summary, folder: Path) -> list[Path]:
        summary.rows.loc[0, "fid"] = 0.0
        return super().write(summary, folder)


DEFECTS = {
    Nothing: (AssertionError, "names no file for a suite"),
    Lost: (AssertionError, "names .*lost.txt for a suite, which is not there"),
    Silent: (AssertionError, "leaves silent.txt, which it does not name"),
    Outside: (AssertionError, "outside of the folder"),
    Once: (FileExistsError, "once"),
    Changes: (AssertionError, "changes the summary"),
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.__name__)
def test_a_defect_is_told(defect: type[Plain], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # for the one that writes beside its folder
    error, sentence = DEFECTS[defect]
    with pytest.raises(error, match=sentence):
        check_report(defect())
