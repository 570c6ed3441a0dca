"""Secrets stay out of results and reports; the environment is not recorded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from payloads import SECRETS
from stub_results import SUITE, make_results
from typer.testing import CliRunner

from ganbench.api.cell import Cell, RunResult
from ganbench.api.config import EvaluationConfig, NetworkConfig, PluginSpec, RunConfig, RunOptions
from ganbench.cli import app
from ganbench.errors import ConfigError
from ganbench.redact import redact, secret_name, secret_text
from ganbench.store import Store
from ganbench.suite import expand, load


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://user:pw@example.org/x.git", "https://***@example.org/x.git"),
        ("https://ghp_0123456789abcdefghijABCDEF@host/x", "https://***@host/x"),
        ("password=hunter22 and more", "password=*** and more"),
        ('{"api_key": "abcd1234", "lr": 2e-4}', '{"api_key": "***", "lr": 2e-4}'),
        ("run --api-key abcd1234 --jobs 2", "run --api-key *** --jobs 2"),
        ("Authorization: Bearer abcdef0123456789==", "Authorization: Bearer ***"),
        ("token ghp_0123456789abcdefghijABCDEF rejected", "token *** rejected"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3", "***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, clean: str) -> None:
    assert redact(text, {}) == clean


@pytest.mark.parametrize(
    "text",
    [
        "step 10: D/adversarial 0.52  fid 83.2",
        "sha256 b1e1a296dd3938c12a07ba8fddc5e02cf8462fd2540f52a665bad9812c142f22 is not the pinned one",
        "ValueError: expected 3 channels, got 1 (key error: 'images')",
        "mail to nobody@example.org about http://example.org/a@b",
        "tokens_per_image: 16, secretary bird",
        "baseline-s0-1f0c6a2b9d3e",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text, {}) == text and not secret_text(text)


def test_values_of_secret_variables_are_hidden_wherever_they_stand() -> None:
    said = " ".join(f"<{value}>" for value in SECRETS.values())
    assert redact(said, SECRETS) == " ".join(["<***>"] * len(SECRETS))
    assert redact("abc /usr/bin", {"TOKEN": "abc", "PATH": "/usr/bin"}) == "abc /usr/bin"  # too short; no secret


@pytest.mark.parametrize(
    "name", ["api_key", "HF_TOKEN", "password", "aws_secret_access_key", "client.secret", "apikey"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", ["tokens_per_image", "key", "monkey", "secretary", "tokenizer", "size", "keys"])
def test_names_that_only_sound_like_secrets_are_free(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("base: {dataset: {faces: {api_key: abcd}}}", "3:35: base.dataset.faces.api_key: looks like a secret"),
        ("base: {dataset: {image_folder: {path: 'https://u:p@h/x'}}}", "3:39: base.dataset.image_folder.path: holds a"),
        ("axes: {a: {x: {options.token: abcd}}}", "3:31: axes.a.x.options.token: looks like a secret"),
        ("options: {device: hf_0123456789abcdefghijABC}", "3:19: options.device: holds a password"),
    ],
)
def test_a_suite_holds_no_secret(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(f"name: s\nquestion: q\n{text}")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert f"suite.yaml:{place}" in str(caught.value)


def test_a_setting_of_the_command_line_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("name: s\nquestion: q\n")
    with pytest.raises(ConfigError) as caught:
        load(path, overrides=["base.dataset.faces.password=correct-horse"])
    assert "correct-horse" not in str(caught.value) and "looks like a secret" in str(caught.value)


# --- canaries --------------------------------------------------------------------------------------
def hits(folder: Path) -> list[str]:
    return [
        f"{name} in {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for name, value in SECRETS.items()
        if value.encode() in path.read_bytes()
    ]


LEAKY = '''"""A trick that tells what it should not."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from ganbench import Trick


@dataclass(frozen=True, kw_only=True)
class Leaky(Trick):
    """Prints and raises what it should not."""

    def prepare_networks(self, networks):
        print("environment", dict(os.environ))
        print(os.environ["HF_TOKEN"], file=sys.stderr)
        raise RuntimeError(f"no login with {os.environ['MY_PASSWORD']} at https://me:{os.environ['HF_TOKEN']}@host")
'''


@pytest.fixture
def leaky(tiny_path: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has secrets, and the plugin that tells them."""
    plugins = tmp_path_factory.mktemp("leaky")
    (plugins / "leaky_plugin.py").write_text(LEAKY)
    about = plugins / "leaky_plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky-plugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[ganbench.tricks]\nleaky = leaky_plugin:Leaky\n")
    return os.environ | SECRETS | {"PYTHONPATH": os.pathsep.join([str(plugins), tiny_path])}


def test_a_cell_that_prints_and_raises_its_environment_leaks_nothing(leaky: dict[str, str], tmp_path: Path) -> None:
    config = RunConfig(
        dataset=PluginSpec(name="tiny"),
        tricks=(PluginSpec(name="leaky"),),
        generator=NetworkConfig(width=4),
        discriminator=NetworkConfig(width=4),
    )
    pixels = EvaluationConfig(extractor=PluginSpec(name="pixels"), resize=None, metrics=(PluginSpec(name="colour"),))
    cell = Cell(id="baseline-s0-0123456789ab", suite="s", levels={}, seed=0, config=config, evaluation=pixels)
    folder = Store(tmp_path / "results").suite("s").cell(cell.id)
    folder.write_config(cell, RunOptions(device="cpu"), tmp_path / "results" / ".cache")
    command = [sys.executable, "-m", "ganbench.process", str(folder.path)]
    with folder.log.open("wb") as log:
        assert subprocess.run(command, env=leaky, stdout=log, stderr=log).returncode == 0
    found = folder.load_result()
    assert found is not None and "RuntimeError: no login with *** at https://***@host" in found.reason
    assert folder.log.read_text().count("***") >= 2 * len(SECRETS) - 1
    assert hits(tmp_path) == []


@pytest.mark.soak
def test_a_run_with_secrets_everywhere_leaks_nothing(leaky: dict[str, str], tmp_path: Path) -> None:
    """In the environment, in the address of the repository, in what a plugin prints and in what it raises."""
    text = (
        "name: tiny\nquestion: Does it leak?\nbase:\n  dataset: tiny\n  tricks: [leaky]\n  generator: {width: 4}\n"
        "  discriminator: {width: 4}\n  latents: {size: 8}\n  training: {budget: {steps: 4}, batch_size: 4}\n"
        "  evaluation: {extractor: pixels, resize: null, images: 12, window: 1, curve: 1, final_images: 12}\n"
        "metrics: [colour]\nseeds: [0]\nbaseline_seeds: [0]\noptions: {device: cpu}\n"
    )
    (tmp_path / "tiny.yaml").write_text(text)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    remote = f"https://me:{SECRETS['HF_TOKEN']}@example.org/x.git"
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    command = [sys.executable, "-c", "from ganbench.cli import main; main()", "run", "tiny.yaml", "--jobs", "1"]
    ended = subprocess.run(command, cwd=tmp_path, env=leaky, capture_output=True, text=True)
    assert ended.returncode == 3, ended.stderr
    (cell,) = (tmp_path / "results" / "tiny" / "cells").iterdir()
    assert "***" in (cell / "log.txt").read_text()
    assert (tmp_path / "results" / "tiny" / "report" / "index.html").is_file()
    assert hits(tmp_path / "results") == []
    assert not [value for value in SECRETS.values() if value in ended.stdout + ended.stderr]


def test_a_report_hides_what_older_results_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    said = " ".join(SECRETS.values())

    def change(cell: Cell, made: RunResult) -> RunResult:
        return made if cell.is_baseline else replace(made, status="failed", reason=f"no access with {said}", metrics={})

    folder = make_results(tmp_path / "results", SUITE, change)
    for path in folder.cell_paths():
        (path / "log.txt").write_text(f"{said}\n")
    done = CliRunner().invoke(
        app, ["report", "demo", "--results", str(tmp_path / "results"), "--output", str(tmp_path / "r")]
    )
    assert done.exit_code == 0, done.stderr
    assert len(list((tmp_path / "r").iterdir())) > 5
    assert hits(tmp_path / "r") == []


def test_who_runs_and_where_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_suite: Callable
) -> None:  # type: ignore[type-arg]
    """No user, no host and no variable of the environment in what a finished cell leaves behind."""
    from ganbench.run import run_cell

    for name in ("USER", "LOGNAME", "HOSTNAME", "CANARY"):
        monkeypatch.setenv(name, "zyxcanaryxyz")
    monkeypatch.setattr(socket, "gethostname", lambda: "zyxcanaryxyz")
    (cell,) = expand(tiny_suite())
    folder = Store(tmp_path / "results").suite("tiny").cell(cell.id)
    folder.write_config(cell, RunOptions(device="cpu", log_every=3), tmp_path / "results" / ".cache")
    folder.save_result(run_cell(folder))
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [str(path) for path in files if b"zyxcanaryxyz" in path.read_bytes()] == []
