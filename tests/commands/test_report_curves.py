from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from stub_results import SUITE, failing, make_results

from ganbench.api.cell import RunResult
from ganbench.errors import StoreError
from ganbench.report import curves
from ganbench.report.curves import columns, read_some, scored, sentences, warnings_of, with_records
from ganbench.report.pipeline import summary_of


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


# --- reading ---------------------------------------------------------------------------------------
def test_long_histories_are_thinned_but_keep_their_end_and_their_warnings(tmp_path):
    records = [{"step": i, "loss": 1.0} for i in range(1, 1001)]
    records[333]["warning"] = {"step": 334, "message": "dead"}
    records[501]["health/diversity"] = 0.5
    write_lines(tmp_path / "history.jsonl", records)
    found = [record["step"] for record in read_some(tmp_path / "history.jsonl", 50)]
    assert len(found) <= 52
    assert found[-1] == 1000
    assert {334, 502} <= set(found)
    assert found == sorted(found)


def test_short_histories_are_read_whole_up_to_a_damaged_line(tmp_path):
    path = tmp_path / "history.jsonl"
    write_lines(path, [{"step": i} for i in range(5)])
    assert [record["step"] for record in read_some(path, 300)] == [0, 1, 2, 3, 4]
    path.write_bytes(path.read_bytes()[:-4])
    assert [record["step"] for record in read_some(path, 300)] == [0, 1, 2, 3]
    assert list(read_some(tmp_path / "none.jsonl", 300)) == []


def test_columns_have_holes_where_numbers_are_missing():
    records = [{"step": 1, "a": 1.0, "ok": True}, {"step": 2, "b": {"c": 2}, "a": math.inf}, {"warning": {"step": 2}}]
    curve = columns(records)
    assert curve.at == {"step": [1, 2, None]}
    assert curve.values == {"a": [1.0, None, None], "b.c": [None, 2, None]}


def test_the_larger_last_evaluation_is_no_point_of_the_curve():
    snapshots = [
        {"step": 1, "images": 300, "metrics": {"fid": 9.0}},
        {"step": 1, "images": 600, "metrics": {"fid": 5.0}},
    ]
    assert list(scored(snapshots)) == [{"step": 1, "fid": 9.0}]


# --- warnings --------------------------------------------------------------------------------------
def test_warnings_are_found_in_every_shape():
    assert [one.text for one in sentences(["a", {"message": "b", "name": "n"}, {"x": [{"text": "c"}]}], 5)] == [
        *("a", "n: b", "c"),
    ]
    assert [(one.step, one.last_step) for one in sentences({"text": "d", "step": 7, "last_step": 9}, 5)] == [(7, 9)]
    assert sentences({"diversity": 0.9, "probes": 20, "last": {"a": 1.0}}, 5) == []


def test_each_warning_is_given_once_with_its_first_step():
    said = {"name": "fading", "message": "pale", "step": 40, "last_step": 40}
    ended = RunResult(status="done", health={"warnings": [said | {"last_step": 90}], "diversity": 0.5})
    history = [
        {"step": 40, "warning": said},
        {"step": 60, "warning": said | {"step": 60}},
        {"step": 20, "health": "odd"},
    ]
    found = [(one.step, one.last_step, one.text) for one in warnings_of(history, ended)]
    assert found == [(20, None, "odd"), (40, 90, "fading: pale")]


# --- a suite ---------------------------------------------------------------------------------------
@pytest.fixture
def failed(tmp_path):
    folder = make_results(tmp_path, change=failing("linear"))
    for path in folder.cell_paths():
        write_lines(path / "history.jsonl", [{"step": i, "seconds": 0.5 * i, "D/adversarial": 1.0} for i in (1, 2)])
        write_lines(path / "snapshots.jsonl", [{"step": 2, "progress": 1.0, "images": 32, "metrics": {"fid": 50.0}}])
        (path / "samples" / "00000002.webp").write_bytes(b"")
    return folder


def test_records_follow_the_rows(failed):
    summary = with_records(summary_of(failed), failed)
    assert [run.cell for run in summary.records.runs] == list(summary.rows["cell"])
    assert [run.level for run in summary.records.runs] == summary.row_levels
    first = summary.records.runs[0]
    assert first.losses.values == {"D/adversarial": [1.0, 1.0]}
    assert first.scores.values == {"fid": [50.0]}
    assert [(grid.step, grid.path.name) for grid in first.grids] == [(2, "00000002.webp")]
    assert first.log == []


def test_failed_cells_come_with_their_log_and_the_command_that_retries_them(failed):
    runs = [run for run in with_records(summary_of(failed), failed).records.runs if run.status == "failed"]
    assert len(runs) == 3
    assert runs[0].reason == "RuntimeError: no luck"
    assert runs[0].log[-1] == "last line"
    assert runs[0].retry == f"ganbench run demo.yaml --retry --cells {runs[0].cell}"


def test_samples_that_link_elsewhere_are_refused_and_those_that_link_within_left_out(failed, tmp_path):
    path = failed.cell_paths()[0] / "samples" / "00000002.webp"
    path.rename(path.with_name("other.webp"))
    path.symlink_to("other.webp")
    runs = {run.cell: run for run in with_records(summary_of(failed), failed).records.runs}
    assert runs[path.parent.parent.name].grids == []
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="symbolic link"):
        summary_of(failed)


def test_real_images_are_found_by_their_digest(tmp_path):
    def change(cell, made):
        return replace(made, protocol=made.protocol | {"data": "abc"})

    folder = make_results(tmp_path, change=change)
    for split, digest in (("train", "abc"), ("held_out", "def")):
        place = tmp_path / ".cache" / "data" / "faces-1" / split
        place.mkdir(parents=True)
        np.save(place / "images.npy", np.zeros((2, 3, 4, 4), np.uint8))
        (place / "facts.json").write_text(json.dumps({"sha256": digest}))
    records = with_records(summary_of(folder), folder).records
    assert records.real == records.training == tmp_path / ".cache" / "data" / "faces-1" / "train" / "images.npy"
    assert list(curves.caches(folder, []))[-1] == tmp_path / ".cache"
    assert curves.find_images([tmp_path / ".cache"], "nothing") is None


def test_published_figures_come_along(tmp_path):
    summary = summary_of(make_results(tmp_path, SUITE))
    suite = replace(summary.suite, base={**summary.suite.base, "dataset": {"cifar10": {}}})
    found = curves.published_figures(replace(summary, suite=suite))
    assert {figure.metric for figure in found} == {"fid", "kid"}
    assert all(figure.settings and figure.source for figure in found)
