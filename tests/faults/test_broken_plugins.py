"""A plugin that raises where no cell is there to fail by it: one line says which, what it was doing, what happened and
where; the exit code is 2, and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import fault_plugins
import moody
import numpy as np
import pytest
import torch
from installed import forget
from PIL import Image
from typer.testing import CliRunner, Result

from ganbench.cli import app

SUITE = """
name: tiny
question: Does it run?
base:
  dataset: moody
  generator: {width: 4}
  discriminator: {width: 4}
  latents: {size: 8}
  tricks: [moody]
  training: {budget: {steps: 4}, batch_size: 4}
  evaluation: {extractor: moody, resize: null, images: 12, window: 2, curve: 1, final_images: 12, batch_size: 8}
metrics: [moody]
primary_metric: colour
seeds: [0]
baseline_seeds: [0]
options: {device: cpu, loggers: [moody]}
"""
RUN, PLAN, PREPARE = "run s.yaml --results new", "plan s.yaml --results new", "prepare moody"
SCORE, SAMPLE = "score images --suite tiny", "sample baseline-s0 --count 2 --output drawn"
REPORT, AGAIN = "report tiny --format csv,moody", "run s.yaml --retry"
DATA, EYES, TASTE, WHIM = "dataset Data", "extractor Eyes", "metric Taste", "trick Whim"
BROKEN = {  # where -> kind and class of the plugin, what it was doing, commands
    "options": (DATA, "in __post_init__()", (RUN, PLAN, PREPARE, SCORE, SAMPLE)),
    "info": (DATA, "while saying what its data are", (RUN, PLAN, PREPARE, SAMPLE)),
    "identity": (DATA, "while saying which files its data are", (RUN, PREPARE, SCORE)),
    "make": (DATA, "while making its images", (RUN, PREPARE, SCORE, SAMPLE)),
    "digest": (EYES, "while looking at its weights", (RUN, PLAN, SCORE)),
    "load": (EYES, "while loading its network", (RUN, PLAN, SCORE)),
    "see": (EYES, "in see()", (RUN, PLAN, SCORE)),
    "keys": (TASTE, "while naming its numbers", (RUN, PLAN, SCORE)),
    "problem": (TASTE, "while saying whether it fits the data", (RUN, PLAN, SCORE)),
    "prepare": (TASTE, "while getting ready on the real images", (RUN, SCORE)),
    "write": (TASTE, "while getting ready on the real images", (RUN, SCORE)),
    "measure": (TASTE, "in measure()", (SCORE,)),
    "configure": (WHIM, "in configure(), called as moody", (RUN, PLAN, SAMPLE)),
    "conflict": (WHIM, "in conflict(), called as moody", (RUN, PLAN, SAMPLE)),
    "networks": (WHIM, "in prepare_networks()", (PLAN, SAMPLE)),
    "step": (WHIM, "in after_update()", (PLAN,)),
    "start": ("executor Boss", "while starting its workers", (f"{RUN} --executor moody", f"{PLAN} --executor moody")),
    "lacks": ("logger Diary", "while saying what it lacks", (RUN, PLAN)),
    "letter": ("report Letter", "while writing its files", (REPORT,)),
}
NONSENSE = {  # where -> what is said of it
    "info": (DATA, "info() has returned str instead of DatasetInfo", (RUN, PLAN, PREPARE)),
    "make": (DATA, "make() has returned str instead of Samples", (RUN, PREPARE)),
    "load": (EYES, "load() has returned str instead of function", (RUN, SCORE)),
    "see": (EYES, "the network of load() has returned str instead of Features", (RUN,)),
    "keys": (TASTE, "keys() has returned str instead of MetricKey", (RUN, PLAN, SCORE)),
    "prepare": (TASTE, "prepare() has returned str instead of Judge", (RUN,)),
}


def home(who: str) -> str:
    kind, name = who.split()
    return f"{kind} 'moody' (moody:{name}, from moody-pack 1.2)"


def ganbench(command: str, mood: str = "") -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOODY", mood)
        return CliRunner().invoke(app, command.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a suite of these plugins that was run, and images to score; it is the current one."""
    folder = tmp_path_factory.mktemp("moody")
    path = os.pathsep.join([moody.announce(folder / "site"), fault_plugins.announce(folder / "site")])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork must not wait for threads that it does not have
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*path.split(os.pathsep), *sys.path])
        patch.setenv("PYTHONPATH", path)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.chdir(folder)
        for name in ("GANBENCH_RESULTS", "GANBENCH_CACHE"):
            patch.delenv(name, raising=False)
        forget()
        (folder / "s.yaml").write_text(SUITE)
        done = ganbench("run s.yaml --executor forking --executor-option real=true")
        assert done.exit_code == 0, done.output
        write_rows(folder / "images", 12)
        yield folder
    torch.set_num_threads(threads)
    forget()


def write_rows(folder: Path, count: int) -> None:
    folder.mkdir()
    for index in range(count):
        noise = np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")


def files(folder: Path) -> dict[str, bytes]:
    """Of the results, without what a new attempt may add."""
    found = sorted((folder / "results" / "tiny").rglob("*"))
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def check(finished: Path, command: str, mood: str, *words: str) -> str:
    """The last line on the screen, after a broken plugin."""
    shutil.rmtree(finished / "cache", ignore_errors=True)
    shutil.rmtree(finished / "new", ignore_errors=True)
    shutil.rmtree(finished / "results" / ".cache", ignore_errors=True)
    before = files(finished)
    ended = ganbench(command, mood)
    assert ended.exit_code == 2, ended.output
    assert not ended.stdout and "Traceback" not in ended.stderr
    assert files(finished) == before
    line = ended.stderr.splitlines()[-1]
    for word in words:
        assert word in line, line
    return line


@pytest.mark.parametrize(("place", "command"), [(place, c) for place, (_, _, all_) in BROKEN.items() for c in all_])
def test_one_line_says_who_what_why_and_where(finished: Path, place: str, command: str) -> None:
    who, doing, _ = BROKEN[place]
    line = check(finished, command, f"{place}:raise")
    where = re.escape(str(Path(moody.__file__)))
    assert re.fullmatch(rf"{re.escape(home(who))} failed {re.escape(doing)}: Moody: not today \({where}:\d+\)", line)


@pytest.mark.parametrize(("place", "command"), [(place, c) for place, (_, _, all_) in NONSENSE.items() for c in all_])
def test_nonsense_is_told_as_that_of_its_plugin(finished: Path, place: str, command: str) -> None:
    who, said, _ = NONSENSE[place]
    assert check(finished, command, f"{place}:nonsense") == f"{home(who)}: {said}"


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("make:exit", "failed while making its images: SystemExit: I quit ("),
        ("make:memory", "failed while making its images: out of memory: CUDA out of memory. Tried to allocate"),
        (
            "make:file",
            "failed while making its images: FileNotFoundError: [Errno 2] No such file or directory: 'mine.bin",
        ),
        ("write:file", "failed while getting ready on the real images: FileNotFoundError: [Errno 2] No such file"),
    ],
)
def test_what_it_raises_does_not_matter(finished: Path, mood: str, said: str) -> None:
    check(finished, RUN, mood, said)


def test_a_format_that_breaks_costs_the_run_nothing_but_the_report(finished: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moody.Letter, "default", True)
        ended = ganbench("run s.yaml", "letter:raise")
        assert ended.exit_code == 0 and "1 done" in ended.stderr
        assert f"{home('report Letter')} failed while writing its files: Moody: not today (" in ended.stderr


def test_an_earlier_suite_of_the_same_command_is_shown_all_the_same(finished: Path) -> None:
    other = SUITE.replace("name: tiny", "name: other").replace("dataset: moody", "dataset: {moody: {seed: 1}}")
    (finished / "other.yaml").write_text(other)
    ended = ganbench("run s.yaml other.yaml --executor forking", "make:raise")
    assert ended.exit_code == 2 and "tiny: 1 done" in ended.stderr and "Nothing was compared" in ended.stdout
    assert "while making its images" in ended.stderr.splitlines()[-1]


def test_a_mistake_of_ganbench_is_none_of_a_plugin(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("ganbench.evaluate.mean_distance", broken)
    assert isinstance(ganbench(SCORE).exception, KeyError)
