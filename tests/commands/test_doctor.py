from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ganbench import doctor, registry
from ganbench.cli import app
from ganbench.errors import DataError
from ganbench.store import Store


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing all plugins is tested elsewhere."""
    monkeypatch.setattr(doctor, "plugin_rows", lambda check: [])


def test_a_sound_installation_exits_0_and_leaves_nothing_behind(tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = CliRunner().invoke(app, ["doctor", "--results", str(results), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["ok"] and {"packages", "devices", "threads", "results folder", "cache", "disk", "plugins"} <= {
        one["what"] for one in found["findings"]
    }
    assert not results.exists() and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_broken_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    found = doctor.writable("cache", tmp_path)
    assert found.state == "broken" and "Permission denied" in found.detail and "GANBENCH_CACHE" in found.remedy


def test_missing_weights_break_only_the_default_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: object) -> str:
        raise DataError("the weights are missing: put them there")

    for name in ("efficientnet_lite0", "inception"):
        monkeypatch.setattr(registry.plugin_class("extractor", name), "digest", missing)
    states = {finding.what: finding.state for finding in doctor.weights()}
    assert states == {"extractor efficientnet_lite0": "broken", "extractor inception": "note"}


def test_broken_plugins_exit_2_and_name_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"kind": "trick", "name": "fragile", "distribution": "fragile-pack", "version": "1", "value": "a:B"}
    monkeypatch.setattr(doctor, "plugin_rows", lambda check: [row | {"problem": "cannot be imported"}])
    done = CliRunner().invoke(app, ["doctor", "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert "broken: trick fragile" in done.stdout and "uninstall fragile-pack" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [("avx2 avx512_bf16", True), ("avx512_bf16 amx_bf16", False), ("avx2", False), ("asimd", False), (None, False)],
)
def test_processors_on_which_bf16_is_slower_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, said: bool
) -> None:
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"flags\t\t: fpu {flags}\n")
    monkeypatch.setattr(doctor, "CPUINFO", path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    found = [finding.detail for finding in doctor.devices() if finding.what == "precision"]
    assert bool(found) == said and all("bf16" in detail for detail in found)


def test_little_space_is_only_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_plugins: None) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2**20}))
    assert doctor.space(tmp_path).state == "note"
    assert all(finding.state != "broken" for finding in doctor.findings(Store(tmp_path)))
