from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from payloads import MARKUP
from PIL import Image
from recorded_runs import with_runs

from ganbench import Grid, HealthWarning, Records, RunRecord
from ganbench_zoo.reports import wording
from ganbench_zoo.reports.html import HTML, page
from ganbench_zoo.reports.page import data, figures, pictures


class Elements(HTMLParser):
    """Every element with the names of its attributes, every address, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.content: dict[str, list[str]] = {}
        self.inside: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += attrs
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "poster", "srcset")]
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, text):
        here = self.inside[-1] if self.inside else ""
        if here in ("script", "style"):
            self.content.setdefault(here, []).append(text)
        else:
            self.words.append(text)


def document(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


# --- one file that loads nothing -------------------------------------------------------------------
def test_the_page_is_one_file_that_loads_nothing(recorded, tmp_path):
    assert [path.name for path in HTML().write(recorded, tmp_path)] == ["index.html"]
    elements = Elements((tmp_path / "index.html").read_text("utf-8"))
    assert all(address.startswith(("#", "data:image/webp;base64,", "data:,")) for address in elements.addresses)
    assert not {tag for tag, _ in elements.shape} & {"iframe", "object", "embed", "base", "link rel=stylesheet"}
    assert "url(" not in "".join(elements.content["style"])
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|innerHTML)\b", "".join(elements.content["script"]))


def test_the_policy_allows_this_style_and_this_script_alone(recorded):
    text = page(recorded)
    elements = Elements(text)
    policy = next(value for name, value in elements.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for kind, content in (("style", elements.content["style"][0]), ("script", elements.content["script"][-1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [name for name, _ in elements.attributes if name == "style" or name.startswith("on")]


def test_everything_that_was_recorded_is_on_the_page(recorded):
    words = " ".join(" ".join(Elements(page(recorded)).words).split())
    said = [
        *("Does <b>it</b> matter?", "Of 3 levels: 1 helps.", "the baseline <i>failed</i>", "partial: 4 of 5 cells"),
        *(
            "norm off",
            "-20.0 %",
            "-25.0 to -15.0 %",
            "▲ helps",
            "! unstable",
            "? not enough seeds",
            "12 seeds would do",
        ),
        *("gradient norm of G above 100", "ganbench run demo.yaml --retry --cells c3", "ValueError: no"),
        *("real images reach 12.5", "Score of a run: geometric mean.", "Nearest training images", "hair 0.900"),
    ]
    assert [one for one in said if one not in words] == []


def test_the_script_gets_all_curves_and_frames(recorded):
    found = document(page(recorded))
    assert found["levels"][:2] == ["baseline", "norm: off"]
    assert [name for name, _ in found["axes"]] == ["step", "images_seen", "seconds"]
    names = [one["key"] for one in found["series"]]
    assert names == ["fid", "share", "D/adversarial", "gradient_norm/G"]
    losses = found["runs"][0]["curves"][1]
    assert losses["at"]["step"] == [0, 10, 20]
    assert losses["y"][str(names.index("D/adversarial"))] == [1, 0.5, None]
    assert [len(one["frames"]) for one in found["galleries"]] == [3] * 4
    assert all(frame[2].startswith("data:image/webp") for one in found["galleries"] for frame in one["frames"])


def test_a_summary_without_records_or_effects_still_makes_a_page(summary):
    words = " ".join(Elements(page(summary)).words)
    assert "Samples" not in words
    assert "Curves" not in words
    assert "Verdicts on FID" in words
    nothing = replace(summary, effects=[], rows=summary.rows.iloc[:0], row_levels=[], warnings=[], notes={})
    assert "All runs" in page(nothing)


def test_missing_and_broken_pictures_are_left_out(recorded, tmp_path):
    runs = recorded.records.runs
    for path in [grid.path for grid in runs[0].grids]:
        path.write_bytes(b"RIFF no picture")
    for path in [grid.path for grid in runs[1].grids]:
        path.unlink()
    records = replace(recorded.records, real=tmp_path / "gone.npy", training=tmp_path / "gone.npy")
    text = page(replace(recorded, records=records))
    assert [one["level"] for one in document(text)["galleries"]] == [1, 2]
    assert "Nearest training" not in text


# --- what others wrote -----------------------------------------------------------------------------


def poisoned(recorded, text: str):
    """The text in every place that a suite, a plugin or a log can write to."""
    places = [
        level if level == ("", "baseline") else (text, text + str(i)) for i, level in enumerate(recorded.row_levels)
    ]
    renamed = dict(zip(recorded.row_levels, places, strict=True))
    moved = {old[1]: new for old, new in renamed.items()}
    effects = [
        replace(effect, axis=moved[effect.level][0], level=moved[effect.level][1], note=text)
        for effect in recorded.effects
    ]
    tables = {"metric": {text: {"names": [text, text + "2"], "confusion": [[1, 2], [3, 4]]}}}
    runs = [
        replace(
            run,
            cell=text,
            level=renamed[run.level],
            reason=text,
            log=[text],
            retry=text,
            warnings=[HealthWarning(step=1, text=text)],
            losses=replace(run.losses, values={text: [1.0] * len(run.losses.at.get("step", []))}),
            result=replace(run.result, tables=tables, protocol={"sampler": {text: text}}) if run.result else None,
        )
        for run in recorded.records.runs
    ]
    rows = recorded.rows.assign(cell=text, reason=text, status=[text, "done", "done", "failed", "pending"])
    return replace(
        recorded,
        suite=replace(recorded.suite, name=text, question=text, profile=text),
        rows=rows,
        effects=effects,
        keys=[replace(key, title=text) for key in recorded.keys],
        protocol={text: text},
        notes={f"{text}_floor": 1.0, f"{text}_floor_images": text},
        answer=text,
        warnings=[text],
        footer=[text],
        row_levels=places,
        records=replace(recorded.records, runs=runs),
    )


def test_forty_payloads_in_every_text_stay_text(recorded, monkeypatch):
    # Pictures say nothing here, and take most of the time.
    monkeypatch.setattr(pictures, "data_uri", lambda *a: "data:image/webp;base64,AA")
    expected = Elements(page(poisoned(recorded, "harmless"))).shape
    assert len(MARKUP) >= 40
    for payload in MARKUP:
        text = page(poisoned(recorded, payload))
        elements = Elements(text)
        assert elements.shape == expected, payload
        assert not any("javascript:" in str(address) for address in elements.addresses), payload
        assert wording.plain(payload) in document(text)["levels"][1], payload
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00]", text), payload


def test_json_in_the_page_cannot_end_its_element():
    text = data.script_safe({"</script><!--": ["&lt;", "\u2028", "<", ">"]})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"</script><!--": ["&lt;", "\u2028", "<", ">"]}


# --- size ------------------------------------------------------------------------------------------
def gallery_of(tmp_path, levels: int, seeds: int, frames: int):
    path = tmp_path / "grid.webp"
    noise = np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8)
    Image.fromarray(noise).save(path, lossless=True, quality=0, method=0)
    grids = [Grid(step=step, progress=step / frames, path=path) for step in range(frames)]
    return Records(
        runs=[
            RunRecord(cell=f"c{i}-{seed}", level=("axis", str(i)), seed=seed, status="done", grids=grids)
            for i in range(levels)
            for seed in range(seeds)
        ]
    )


def test_pictures_of_large_suites_keep_to_their_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 60)
    monkeypatch.setattr(pictures, "BUDGET", 300_000)
    made = pictures.galleries(gallery_of(tmp_path, levels=20, seeds=3, frames=10))
    frames = [frame for one in made for frame in one.frames]
    assert len(frames) <= 60
    assert sum(len(frame.data) for frame in frames) < 300_000 * 1.4
    assert {one.level for one in made} == {("axis", str(i)) for i in range(20)}  # each level is still seen
    assert all(one.frames[-1].step == 9 for one in made)  # at the end of its training


def test_small_suites_show_every_frame_of_every_seed(tmp_path):
    made = pictures.galleries(gallery_of(tmp_path, levels=2, seeds=3, frames=4))
    assert [len(one.frames) for one in made] == [4] * 6


# --- neighbours ------------------------------------------------------------------------------------
def test_copies_of_training_images_are_found(summary, tmp_path):
    recorded = with_runs(summary, tmp_path)
    training = np.load(recorded.records.training, allow_pickle=False).transpose(0, 2, 3, 1)
    copied = pictures.together(training[[7, 3, 40, 41]], 4)
    Image.fromarray(copied).save(recorded.records.runs[0].grids[-1].path, lossless=True)
    found = pictures.neighbours(recorded.records)
    distances = {level: distance for level, _, distance in found.rows}
    assert distances["", "baseline"] < 1e-3
    assert distances["norm", "off"] > 0.05
    assert found.real > 0.05
    nearest, _ = pictures.closest(pictures.blurred(training[[7, 3]]), pictures.blurred(training))
    assert nearest.tolist() == [7, 3]


# --- forest plot -----------------------------------------------------------------------------------
def test_half_and_twice_are_equally_far_from_nothing(summary):
    scale = figures.Scale(reach=1.0, ratio=True)
    assert scale(100.0) - scale(0) == pytest.approx(scale(0) - scale(-50.0))
    assert scale(0) == figures.WIDTH / 2
    assert scale(1e9) == figures.WIDTH - figures.EDGE
    assert scale.cut(1e9)


def test_one_wide_interval_does_not_hide_the_others(summary):
    effect = replace(summary.effects[0], change_percent=-20.0, ci_low=-25.0, ci_high=-15.0)
    wide = replace(effect, change_percent=0.0, ci_low=-99.0, ci_high=9000.0)
    scale = figures.scale_for([effect] * 9 + [wide], summary.keys[0], 0.05)
    assert scale.cut(9000.0)
    assert scale(-15.0) - scale(-25.0) > 20
    assert not scale.cut(-25.0)


def test_tick_labels_do_not_touch(summary):
    for reach in (0.06, 0.3, 1.0, 4.0):
        for key in summary.keys:
            scale = figures.Scale(reach=reach, ratio=key.scale == "ratio")
            places = [x for x, _ in figures.ticks(scale, key)]
            assert len(places) >= 3 or reach == 0.06
            assert all(b - a >= figures.ROOM for a, b in pairwise(places))
