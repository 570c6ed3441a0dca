from __future__ import annotations

from pathlib import Path

import pytest
from stub_results import make_results

from ganbench.store import SuiteFolder


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SuiteFolder:
    """A finished suite in `results` of a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANBENCH_RESULTS", raising=False)
    monkeypatch.delenv("GANBENCH_CACHE", raising=False)
    return make_results(tmp_path / "results")
