"""A distribution whose files are damaged keeps no other from being found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import forget, on_path, write_distribution

from ganbench import announced, registry

DAMAGED = {
    "no_equals": b"[ganbench.tricks]\nhalf a line\n",
    "no_text": b"[ganbench.tricks]\nlat\xe9in = x:Y\n",
}


@pytest.fixture(params=DAMAGED)
def damaged(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write_distribution(tmp_path, "fine-pack", {"trick.fine": "fine:Fine"}, {})
    write_distribution(tmp_path, "damaged-pack", {}, {})
    (tmp_path / "damaged_pack-1.5.dist-info" / "entry_points.txt").write_bytes(DAMAGED[request.param])
    on_path(tmp_path, monkeypatch)
    yield
    monkeypatch.undo()
    forget()


def test_the_others_are_found_and_it_is_named(damaged: None) -> None:
    found = {entry.name: entry.distribution for entry in registry.entries("trick")}
    assert found["fine"] == "fine-pack" and found["top_k"] == "ganbench"
    (said,) = announced.one_by_one()[1]
    assert "the entry points of damaged-pack 1.5 cannot be read" in said


def test_one_by_one_finds_what_python_finds() -> None:
    found, unreadable = announced.one_by_one()
    quickly = announced.points(["ganbench.tricks"])["ganbench.tricks"]
    assert {(one.name, one.value) for one in found if one.group == "ganbench.tricks"} == {
        (one.name, one.value) for one in quickly
    }
    assert not unreadable


def test_metadata_that_is_no_text_leaves_a_plugin_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_distribution(tmp_path, "fine-pack", {"trick.fine": "fine:Fine"}, {})
    (tmp_path / "fine_pack-1.5.dist-info" / "METADATA").write_bytes(b"Name: lat\xe9in\nVersion: 1\n")
    on_path(tmp_path, monkeypatch)
    assert registry.find("trick", "fine").distribution == "an unnamed distribution"
    monkeypatch.undo()
    forget()
