"""What a plugin may write, and what it may not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ganbench.testing.outcome import step, stepping
from ganbench.testing.watch import nothing_written


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that does not count as one for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_file_that_nobody_asked_for_is_told(elsewhere: Path) -> None:
    with pytest.raises(AssertionError, match=r"it writes .*scores\.txt"), nothing_written():
        (elsewhere / "scores.txt").write_text("1")
    with pytest.raises(AssertionError, match=r"it writes here\.txt"), nothing_written():
        Path("here.txt").write_text("1")


def test_what_python_keeps_of_a_module_that_it_imports_is_not(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "imported_first.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.invalidate_caches()
    with nothing_written():
        importlib.import_module("imported_first")
    assert list((elsewhere / "__pycache__").iterdir()), "or this test shows nothing"


def test_the_steps_of_a_check_are_told_to_who_asks() -> None:
    said: list[str] = []
    step("one that nobody hears")
    with stepping(said.append):
        step("a step with the loss hinge")
    step("another")
    assert said == ["a step with the loss hinge"]
