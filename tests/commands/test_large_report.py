"""A report over 500 cells: small enough to mail, and usable."""

from __future__ import annotations

import pytest
from simulated import large_suite

from ganbench.commands.report import write_reports
from ganbench.store import Store


@pytest.mark.soak
def test_a_report_over_500_cells_stays_under_25_megabytes(tmp_path):
    large_suite(tmp_path, levels=99, seeds=5)
    (written,) = write_reports(Store(tmp_path))
    assert len(written.summary.rows) == 500
    sizes = {path.name: path.stat().st_size for path in written.files}
    assert sizes["index.html"] < 25_000_000
    assert sizes["index.html"] > 1_000_000  # the pictures are in it
