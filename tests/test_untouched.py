"""A plugin's import leaves alone what everything in the process shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed import forget, on_path, write_distribution
from test_isolation import TRICK

from ganbench import registry
from ganbench.errors import PluginLoadError
from ganbench.untouched import _umask

CHANGES = {
    "import os; os.chdir('/')": "the working directory",
    "import os; os.umask(0o007)": "the umask",
    "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')": "the locale",
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def write(text: str) -> None:
        write_distribution(tmp_path, "fake-pack", {"trick.mine": "shares:Bad"}, {"shares": text})
        monkeypatch.delitem(__import__("sys").modules, "shares", raising=False)
        on_path(tmp_path, monkeypatch)

    yield write
    forget()


@pytest.mark.parametrize("act", CHANGES)
def test_what_is_changed_is_put_back_and_the_plugin_refused(act: str, install: Callable[[str], None]) -> None:
    if CHANGES[act] == "the umask" and _umask() is None:
        pytest.skip("this system does not tell the umask")
    import locale

    locale.setlocale(locale.LC_ALL, "C")
    before = (Path.cwd(), _umask(), locale.setlocale(locale.LC_ALL))
    install(f"{act}\n{TRICK}")
    with pytest.raises(PluginLoadError, match=f"changes {CHANGES[act]} of the process when it is imported"):
        registry.plugin_class("trick", "mine")
    assert (Path.cwd(), _umask(), locale.setlocale(locale.LC_ALL)) == before


def test_what_it_prints_does_not_reach_stdout(
    install: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    install(f"print('hello')\n{TRICK}")
    registry.plugin_class("trick", "mine")
    said = capsys.readouterr()
    assert said.out == "" and said.err == "hello\n"


def test_a_working_directory_that_is_gone_hurts_nobody(
    install: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    install(TRICK)
    registry.entries()
    monkeypatch.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")  # noqa: PTH106
    registry.plugin_class("trick", "mine")
