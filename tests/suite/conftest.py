from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganbench.api.cell import Suite
from ganbench.errors import ConfigError
from ganbench.suite import load

HEAD = "name: s\nquestion: Does it?\n"


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., Suite]:
    """Load a suite from its text; `head=False` where the text has its own name and question."""

    def make(text: str = "", head: bool = True, **options: object) -> Suite:
        path = tmp_path / "suite.yaml"
        path.write_text((HEAD if head else "") + text, encoding="utf-8")
        return load(path, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def mistakes(suite: Callable[..., Suite], tmp_path: Path) -> Callable[..., list[str]]:
    """The lines that a wrong suite gives, without its folder."""

    def lines(text: str = "", **options: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            suite(text, **options)
        return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]

    return lines
