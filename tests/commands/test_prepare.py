"""`ganbench prepare` fills the cache that runs read, says what was left out, and never half does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ganbench import cli, registry
from ganbench.api.config import PluginSpec
from ganbench.api.dataset import listening
from ganbench.cache import named, split_folder
from ganbench.cache_files import Slowly, load_samples
from ganbench.commands.prepare import make_splits, quiet, spec_of, watched
from ganbench.errors import ConfigError
from ganbench.store import Store


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight pictures with attributes, one of them broken, and a row too many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANBENCH_CACHE", raising=False)
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(folder / f"{i}.png")
    (folder / "8.png").write_bytes(b"no image")
    rows = [f"{i}.png,{'ab'[i % 2]}" for i in range(9)]
    (folder / "t.csv").write_text("\n".join(["file,hair", *rows, "gone.png,a"]))
    return folder


def prepare(*arguments: str) -> Result:
    options = ["--option", "path=pictures", "--option", "size=8", "--option", "held_out=2"]
    return CliRunner().invoke(cli.app, ["prepare", "attribute_table", *options, *arguments])


def skip(*arguments: str) -> Result:
    return prepare("--option", "on_error=skip", *arguments)


def test_splits_come_to_lie_where_a_run_looks_for_them(pictures: Path) -> None:
    result = skip()
    assert result.exit_code == 0, result.output
    options = {"path": "pictures", "size": 8, "held_out": 2, "on_error": "skip"}
    plugin: Any = registry.make("dataset", PluginSpec(name="attribute_table", options=options))
    folder, _ = split_folder(Path("results/.cache"), named("dataset", "attribute_table", plugin), plugin, "train")
    samples = load_samples(folder)
    assert samples is not None
    held_out = load_samples(folder.parent / "held_out")
    assert held_out is not None and len(samples) + len(held_out) == 8
    assert not (folder.parent / "conditions").exists()


def test_what_was_left_out_is_told_with_counts_and_names_the_second_time_too(pictures: Path) -> None:
    first, second = skip().stdout, skip().stdout
    for text in (first, second):
        assert "1 rows of t.csv name no image, or several: gone.png" in text
        assert "1 files cannot be read: 8.png: UnidentifiedImageError" in text
        assert "labels: hair (class, 2)" in text and "attribute_table: 8 x 8, 3 channels" in text
    assert first.count("made in") == 2 and second.count("was there already") == 2


def test_json_is_one_document(pictures: Path) -> None:
    result = skip("--json")
    found = json.loads(result.stdout)
    assert found["shape"] == [3, 8, 8] and found["labels"]["hair"]["names"] == ["a", "b"]
    assert sum(split["images"] for split in found["splits"].values()) == 8
    reasons = [one["reason"] for split in found["splits"].values() for one in split["skipped"]]
    assert sorted(reasons) == ["files cannot be read", "rows of t.csv name no image, or several"]
    assert result.stderr == "" and all(split["made"] for split in found["splits"].values())


def test_a_run_says_what_was_left_out_when_it_makes_the_data(pictures: Path) -> None:
    import torch

    from ganbench.api.config import EvaluationConfig
    from ganbench.cache import real_images

    said: list[str] = []
    options = {"path": "pictures", "size": 8, "held_out": 2, "on_error": "skip"}
    spec = PluginSpec(name="attribute_table", options=options)
    for _ in range(2):
        real = real_images(spec, EvaluationConfig(), device=torch.device("cpu"), cache=Path("c"), say=said.append)
        real.samples("train")
    assert said.count("attribute_table: left out 1 rows of t.csv name no image, or several: gone.png") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "attribute_table: 1 of "),  # a bad file, and on_error is error
        (["--option", "path=elsewhere"], "path is given twice"),
        (["--option", "crop"], "expected name=value"),
        (["--option", "=3"], "expected name=value"),
        (["--option", "crop=017"], "017 is octal to some"),
        (["--option", "crop=[1"], "--option crop: "),
        (["--option", "crop=0"], "at least 1"),
        (["--option", "krop=1"], "Did you mean crop?"),
        (["--option", "table=x.csv"], "has no x.csv. Name it in the option `table`"),
    ],
)
def test_mistakes_exit_2_with_a_clear_line(pictures: Path, arguments: list[str], said: str) -> None:
    result = prepare(*arguments)
    assert result.exit_code == 2 and said in result.stderr and "Traceback" not in result.output
    assert not list(Path("results").rglob("facts.json")) or not arguments


def test_an_unknown_data_set_is_told_with_what_was_meant(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["prepare", "celebb", "--results", str(tmp_path)])
    assert result.exit_code == 2 and "Did you mean celeba?" in result.stderr


def test_options_are_read_as_in_a_suite() -> None:
    spec = spec_of("celeba", ["attributes=[Male, Smiling]", "held_out=2e-1", "split=official", "path=a b=c"])
    assert spec.options == {"attributes": ["Male", "Smiling"], "held_out": 0.2, "split": "official", "path": "a b=c"}
    with pytest.raises(ConfigError, match="--option a"):
        spec_of("celeba", ["a={b: 1, b: 2}"])


def test_an_interrupt_leaves_nothing_half_done_and_the_same_command_goes_on(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganbench_zoo.datasets import images

    usual, count = images.read, iter(range(100))

    def interrupted(*arguments: Any) -> Any:
        if next(count) == 6:
            raise KeyboardInterrupt
        return usual(*arguments)

    monkeypatch.setattr(images, "read", interrupted)
    result = skip()
    assert result.exit_code == 130 and "the same command goes on" in result.stderr
    assert not list(Path("results").rglob("*.partial"))
    monkeypatch.setattr(images, "read", usual)
    assert skip().exit_code == 0


def test_progress_reaches_every_image(pictures: Path) -> None:
    seen: list[tuple[int, int]] = []
    with listening(lambda done, total: seen.append((done, total))):
        make_splits(Store(Path("r")), spec_of("attribute_table", ["path=pictures", "size=8", "on_error=skip"]), quiet)
    assert seen[0][0] == 1 and {done == total for done, total in seen} == {True, False}


def test_words_of_progress_come_at_most_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    said: list[str] = []
    slowly = Slowly(said.append, "faces")
    for i in range(31):
        now[0] = float(i)
        slowly(i, 31)
    assert said == ["faces: 10 of 31 images", "faces: 20 of 31 images", "faces: 30 of 31 images"]


def test_a_terminal_gets_a_bar(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    make_splits(Store(Path("r")), spec_of("attribute_table", ["path=pictures", "size=8", "on_error=skip"]), watched)
    assert "/8" in capsys.readouterr().err


def test_names_that_could_rewrite_the_screen_are_shown_without_their_codes(pictures: Path) -> None:
    (pictures / "\x1b[2Jevil.png").write_bytes(b"no image")
    (pictures / "t.csv").write_text("file,hair\n0.png,a\n1.png,b\n2.png,a\n\x1b[2Jevil.png,a\n\x1b[31mgone.png,a\n")
    result = skip()
    assert result.exit_code == 0 and "\x1b" not in result.output and "evil.png" in result.output


def test_the_program_itself_runs(pictures: Path) -> None:
    words = [sys.executable, "-m", "ganbench.cli", "prepare", "faces", "--option", "size=16", "--option", "train=50"]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=pictures, env=dict(os.environ), check=False)
    assert ended.returncode == 0 and "50 images" in ended.stdout, ended.stderr
    facts = json.loads(next((pictures / "results").rglob("train/facts.json")).read_text())
    assert facts["skipped"] == [] and np.load(next((pictures / "results").rglob("train/images.npy"))).shape[0] == 50
