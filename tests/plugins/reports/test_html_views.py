"""Pictures in which several images of each input stand side by side."""

from __future__ import annotations

from dataclasses import replace

from recorded_runs import with_runs

from ganbench.report.curves import grids
from ganbench.store import CellFolder
from ganbench_zoo.reports.html import page
from ganbench_zoo.reports.page.pictures import neighbours

VIEWS = ("input", "<b>translation")


def with_views(summary, folder, views):
    records = with_runs(summary, folder).records
    runs = [replace(run, grids=[replace(grid, views=views) for grid in run.grids]) for run in records.runs]
    return replace(summary, records=replace(records, runs=runs))


def test_the_page_names_what_stands_side_by_side(summary, tmp_path):
    html = page(with_views(summary, tmp_path, VIEWS))
    assert "from left to right: input, &lt;b&gt;translation</span>" in html and "The fixed inputs of one seed" in html
    html = page(with_views(summary, tmp_path / "plain", ()))
    assert "from left to right" not in html and "The fixed latents of one seed" in html


def test_inputs_are_not_taken_for_samples_that_copy_training_images(summary, tmp_path):
    assert neighbours(with_views(summary, tmp_path / "plain", ()).records) is not None
    assert neighbours(with_views(summary, tmp_path, VIEWS).records) is None


def test_views_are_read_from_the_snapshots_of_a_cell(tmp_path):
    folder = CellFolder(tmp_path)
    folder.samples.mkdir()
    for step in (0, 5):
        (folder.samples / f"{step:08d}.webp").touch()
    found = grids(folder, [{"step": 0, "progress": 0.0}, {"step": 5, "progress": 1.0, "views": list(VIEWS)}])
    assert [grid.views for grid in found] == [(), VIEWS]
