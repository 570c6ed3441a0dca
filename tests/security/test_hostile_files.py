"""Files of others - results folders, caches, data sets, checkpoints - are data: none runs code, leads elsewhere, or
takes the machine down."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from stub_results import make_results
from typer.testing import CliRunner

from ganbench.api.config import PluginSpec
from ganbench.api.data import LabelInfo
from ganbench.cache_files import load_samples
from ganbench.cli import app
from ganbench.errors import ConfigError, DataError, StoreError
from ganbench.files import read_json, write_json
from ganbench.links import refuse_links
from ganbench.registry import make
from ganbench.store import CellFolder, SuiteFolder
from ganbench_zoo.evaluators import resnet18
from ganbench_zoo.reports.page.pictures import load as load_images


def invoke(*arguments: str) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SuiteFolder:
    return make_results(tmp_path_factory.mktemp("finished") / "results")


@pytest.fixture
def demo(finished: SuiteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SuiteFolder:
    """A finished suite, in the results folder of all commands."""
    import shutil

    shutil.copytree(finished.path.parent, tmp_path / "results")
    monkeypatch.setenv("GANBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    return SuiteFolder(tmp_path / "results" / "demo")


# --- pickles ---------------------------------------------------------------------------------------
class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.canary),)


def as_zip(evil: Evil) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": {"fc.0.weight": torch.zeros(3, 512)}, "networks": evil}, buffer)
    return buffer.getvalue()


def as_old_file(evil: Evil) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": evil}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


PICKLES: list[Callable[[Evil], bytes]] = [as_zip, as_old_file, pickle.dumps]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Evil(path)))  # noqa: S301 - so that the test can fail
    assert path.is_dir()
    path.rmdir()
    return path


@pytest.mark.parametrize("pickled", PICKLES)
def test_no_checkpoint_generator_or_evaluator_runs_code(
    tmp_path: Path, canary: Path, pickled: Callable[[Evil], bytes]
) -> None:
    """Their digests are right: who can write the one file can write the other, too."""
    content = pickled(Evil(canary))
    sha256 = hashlib.sha256(content).hexdigest()
    cell = CellFolder(tmp_path / "cell")
    (cell.path / "generators").mkdir(parents=True)
    for name in ("checkpoint.pt", "checkpoint.previous.pt", "generators/7.pt", "evaluator.pt"):
        (cell.path / name).write_bytes(content)
    write_json(cell.path / "checkpoint.json", {"schema": 1, "step": 7, "digests": [sha256], "sha256": [sha256]})
    labels = {"kind": LabelInfo(kind="flags", size=3, names=("a", "b", "c"))}
    readers: list[Callable[[], Any]] = [
        lambda: cell.load_checkpoint(),
        lambda: cell.load_generator(7, sha256),
        lambda: resnet18.from_file(cell.path / "evaluator.pt", labels),
    ]
    for read in readers:
        with pytest.raises(Exception):  # noqa: B017 - torch refuses in several ways
            read()
        assert not canary.exists()


def test_no_cached_array_runs_code(tmp_path: Path, canary: Path) -> None:
    entry = tmp_path / "entry"
    entry.mkdir()
    objects = np.array([Evil(canary)], dtype=object)
    np.save(entry / "images.npy", objects, allow_pickle=True)
    facts = {"key": {}, "labels": [], "domain": "data", "sha256": "0" * 64, "skipped": []}
    (entry / "facts.json").write_text(json.dumps(facts))
    assert load_images(entry / "images.npy", 8) is None
    assert load_samples(entry) is None
    assert not canary.exists() and not entry.exists(), "it is out of the way"
    np.savez(tmp_path / "features.npz", pooled=objects, allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(tmp_path / "features.npz", allow_pickle=False)["pooled"]


@pytest.mark.parametrize("shape", ["(1000000000000, 3, 32, 32)", "(0, 3, 8, 8)", "(-1, 3, 8, 8)", "(2, 3, 8, 8", "()"])
def test_an_array_that_lies_about_its_size_counts_as_absent(tmp_path: Path, shape: str) -> None:
    entry = tmp_path / "entry"
    entry.mkdir()
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    for content_now in (content, content[:5], b""):
        (entry / "images.npy").write_bytes(content_now)
        assert load_images(entry / "images.npy", 8) is None
    (entry / "images.npy").write_bytes(content)
    (entry / "facts.json").write_text('{"labels": [], "domain": "data", "sha256": "0"}')
    assert load_samples(entry) is None


# --- links -----------------------------------------------------------------------------------------
PLACES = ("log.txt", "result.json", "history.jsonl", "samples", "config.json", "generators/0.pt", "samples/0.webp")


@pytest.mark.parametrize(
    "place", [*PLACES, "..", "../../report", "../../suite.yaml", "../../external", "../../report/x"]
)
def test_nothing_is_read_or_written_through_links_out_of_a_results_folder(demo: SuiteFolder, place: str) -> None:
    secret = demo.path.parents[1] / "secret"
    secret.mkdir()
    (secret / "file").write_text("THE SECRET")
    link = demo.cell_paths()[0] / place if place != ".." else demo.cell_paths()[0]
    link = Path(os.path.normpath(link))
    if link.is_dir():
        link.rename(link.with_name(link.name + "-was"))
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret if link.suffix == "" else secret / "file")
    before = sorted(path.name for path in secret.iterdir())
    for words in (
        ("report", "demo", "--allow-partial", "--format", "md,html"),
        ("status",),
        ("plan", "results/demo.yaml"),
    ):
        done = invoke(*words)
        assert done.exit_code == 2, words
        assert "is a symbolic link that leads out of" in done.stderr
        assert "THE SECRET" not in done.stdout + done.stderr
    assert sorted(path.name for path in secret.iterdir()) == before
    assert (secret / "file").read_text() == "THE SECRET"


def test_a_results_folder_may_be_a_link_itself(demo: SuiteFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(demo.path.parent)
    assert invoke("report", "demo", "--results", "elsewhere", "--format", "md").exit_code == 0
    cell = demo.cell_paths()[0]
    (cell / "log.txt").rename(cell / "old.txt")
    (cell / "log.txt").symlink_to("old.txt")  # inside, a link may lead where it likes
    assert invoke("status", "--results", "elsewhere").exit_code == 0
    refuse_links(tmp_path / "not there", ["a\0b", "x" * 5000])


# --- names -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["../../other", "/etc", "..", ".", "a/b", "a\0b", "a\x1b[31m", "x" * 5000, ""])
def test_no_cell_of_a_plan_leads_out_of_its_folder(demo: SuiteFolder, name: str) -> None:
    plan = read_json(demo.path / "plan.json")
    assert plan is not None
    plan["cells"][0]["id"] = name
    write_json(demo.path / "plan.json", plan)
    for words in (("report", "demo", "--format", "md"), ("status",), ("gate", "demo", "--max", "fid=1")):
        done = invoke(*words)
        assert done.exit_code == 2 and "plan.json: is damaged" in done.stderr, words


@pytest.mark.parametrize("step", ["../../../../thesis", "/etc/passwd", 1.5, None, True])
def test_no_step_of_a_snapshot_names_a_file_elsewhere(tmp_path: Path, step: Any) -> None:
    thesis = tmp_path / "thesis.pt"
    thesis.write_text("years of work")
    cell = CellFolder(tmp_path / "results" / "s" / "cells" / "c")
    (cell.path / "generators").mkdir(parents=True)
    cell.append_snapshot({"step": step, "generator": "0" * 64, "fractions": [1.0]})
    if step is True:
        assert cell.load_generator(step, "0" * 64) is None
    else:
        with pytest.raises(StoreError, match="is no step"):
            cell.load_generator(step, "0" * 64)
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize("folder", ["../../elsewhere", "/tmp/elsewhere", "a/../../b", "a\x1bb"])
def test_no_option_of_a_logger_leads_out_of_the_cells_folder(folder: str) -> None:
    with pytest.raises(ConfigError, match="must lie in the cell's folder"):
        make("logger", PluginSpec(name="tensorboard", options={"folder": folder}))


def test_the_name_of_a_score_is_no_path(demo: SuiteFolder) -> None:
    from ganbench.commands.score import external_path

    for name in ("../../x", "/etc/passwd", "..", "", "C:\\x", "\u202ex", "x" * 5000, "CON"):
        path = external_path(demo, name)
        assert path.parent == demo.path / "external" and len(path.name) < 60 and path.name.isascii()


# --- images that others have made --------------------------------------------------------------------
def saved(path: Path, mode: str, value: Any = 9, **more: Any) -> None:
    Image.new(mode, (4, 4), value).save(path, **more)


@pytest.mark.parametrize(
    ("name", "make_file", "said"),
    [
        ("rgba.png", lambda p: saved(p, "RGBA", (255, 0, 0, 0)), "transparent"),
        ("palette.png", lambda p: saved(p, "P", 0, transparency=0), "transparent"),
        ("deep.png", lambda p: saved(p, "I;16", 40000), "mode I;16"),
        ("print.jpg", lambda p: saved(p, "CMYK", (1, 2, 3, 4)), "mode CMYK"),
        (
            "moving.webp",
            lambda p: saved(p, "RGB", 0, save_all=True, append_images=[Image.new("RGB", (4, 4), "white")]),
            "ani",
        ),
        ("turned.jpg", lambda p: turned(p), "EXIF"),
        ("cut.png", lambda p: (saved(p, "RGB"), p.write_bytes(p.read_bytes()[:40])), "cannot be read"),
        ("really.png", lambda p: saved(p, "RGB", 1, format="GIF"), "cannot be read"),
    ],
)
def test_scored_images_that_would_have_to_be_guessed_are_refused(
    tmp_path: Path, name: str, make_file: Callable[[Path], Any], said: str
) -> None:
    from ganbench.api.data import DatasetInfo
    from ganbench.commands.score import read_images

    make_file(tmp_path / name)
    info = DatasetInfo(shape=(3, 4, 4), counts={"train": 1, "held_out": 0, "conditions": 0})
    with pytest.raises(DataError, match=said):
        read_images([tmp_path / name], info)
    saved(tmp_path / "plain.png", "RGB")
    assert read_images([tmp_path / "plain.png"], info).shape == (1, 3, 4, 4)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(path, "RGB", 1, exif=exif)
