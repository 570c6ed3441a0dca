"""What the source of a plugin shows without being run, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganbench import glance
from ganbench.registry import Entry

CLASS = "from ganbench import Trick\nclass Mine(Trick):\n    '''Does nothing.'''\n"
BROKEN = {  # source -> what is said
    "raise ValueError('no data')": "cannot be imported: raises ValueError('no data') (mine.py:1)",
    "import sys\nsys.exit(3)": "cannot be imported: ends the process with sys.exit(3) (mine.py:2)",
    "import nothing_like_that.inner": "ModuleNotFoundError: No module named 'nothing_like_that' (mine.py:1)",
    "from nothing_like_that import x": "No module named 'nothing_like_that'",
    "class Mine(:": "SyntaxError: ",
    f"x = {'-' * 100_000}1": "mine.py",  # deeper than Python's parser goes
    "class Mine: pass": "is not a subclass of ganbench.Trick",
    "from dataclasses import dataclass\n@dataclass\nclass Mine: pass": "is not a subclass of ganbench.Trick",
    "class Other: pass": "mine has no Mine",
}
SOUND = [
    CLASS,
    "try:\n    import nothing_like_that\nexcept ImportError:\n    pass\n" + CLASS,
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nothing_like_that\n" + CLASS,
    "def later():\n    import nothing_like_that\n" + CLASS,
    "import sys\nsys.path.append('/elsewhere')\nimport nothing_like_that\n" + CLASS,
    "from helper_of_many import *",
    "def __getattr__(name):\n    return name",
    "from os import path as Mine",
    "for Mine in ():\n    pass",
    "def made(base):\n    return type('Mine', (base,), {})\nMine = made(object)",
]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str | None]:
    """What is said of a module with a plugin in it."""

    def say(text: str) -> str | None:
        (tmp_path / "mine.py").write_text(text)
        return glance.problem(Entry(kind="trick", name="mine", value="mine:Mine", distribution="d", version="1"))

    (tmp_path / "helper_of_many.py").write_text("Mine = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return say


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_certain_is_told_with_its_place(text: str, said: Callable[[str], str | None]) -> None:
    assert BROKEN[text] in (said(text) or "")


@pytest.mark.parametrize("text", SOUND)
def test_what_is_not_certain_is_not_told(text: str, said: Callable[[str], str | None]) -> None:
    assert said(text) is None


def test_modules_of_its_own_package_are_looked_at_as_they_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"__init__": "", "mine": f"from pack.inner.deep import x\n{CLASS}", "inner/__init__": "", "inner/deep": ""}
    for name, text in files.items():
        (tmp_path / "pack" / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pack" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = Entry(kind="trick", name="mine", value="pack.mine:Mine", distribution="d", version="1")
    assert glance.problem(entry) is None
    (tmp_path / "pack" / "inner" / "deep.py").write_text("from . import gone\nfrom ..lost import y\n")
    assert "No module named 'pack.lost' (deep.py:2)" in (glance.problem(entry) or "")
    (tmp_path / "pack" / "inner" / "__init__.py").write_text("raise RuntimeError\n")
    assert "raises RuntimeError (__init__.py:1)" in (glance.problem(entry) or "")


def test_compiled_modules_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "fast.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert glance.exists("pack.fast") and not glance.exists("pack.slow")
    assert glance.exists("math") and not glance.exists("nothing_like_that")
