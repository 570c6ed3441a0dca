from __future__ import annotations

import pytest
from result_rows import Rows

from ganbench.api.cell import Suite


@pytest.fixture
def rows() -> Rows:
    return Rows().add({}, 50, 10)


@pytest.fixture
def suite() -> Suite:
    return Suite(name="demo", question="What helps?", base={})
