from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and statistics are made once, in a session's own folder."""
    return tmp_path_factory.mktemp("cache")
