from __future__ import annotations

from pathlib import Path

import pytest
from faults import START, Run

from ganbench.train.state import State


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the data of all runs are made once."""
    return tmp_path_factory.mktemp("faces")


@pytest.fixture(scope="session")
def half(folder: Path) -> State:
    """The checkpoint of a healthy run, at START."""
    run = Run.open(folder).go(START)
    assert run.warnings == {}
    return run.state()
