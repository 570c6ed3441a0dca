from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from ganbench import ExternalScore, Records
from ganbench_zoo.reports.json import JSON


@pytest.fixture
def text(summary, tmp_path):
    (path,) = JSON().write(summary, tmp_path)
    assert path.name == "summary.json"
    return path.read_text(encoding="utf-8")


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def test_it_is_strict_json_with_sorted_keys(text):
    document = json.loads(text, parse_constant=refuse)
    assert list(document) == sorted(document)
    assert document["schema"] == 1


def test_it_holds_effects_rows_and_the_words_around_them(text):
    document = json.loads(text)
    assert len(document["effects"]) == 6
    assert document["effects"][0]["verdict"] == "helps"
    assert document["rows"][1]["fid"] == 1 / 3
    assert document["rows"][2]["levels"] == {"norm": "off"}
    assert document["answer"] == "Of 3 levels: 1 helps."
    assert document["suite"]["question"] == "Does <b>it</b> matter?"
    assert (document["partial"], document["planned"], document["finished"]) == (True, 5, 4)
    assert document["metrics"][0]["title"] == "FID (Lite0, 2000 images)"


def test_it_holds_looks_and_the_images_of_other_programs(summary, tmp_path):
    told = replace(summary, look=2, looks=2, comparisons=3, spread=math.nan)
    told = replace(told, records=Records(external=[ExternalScore(name="x", images=9, metrics={"fid": 1.5})]))
    (path,) = JSON().write(told, tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert (document["look"], document["looks"], document["comparisons"]) == (2, 2, 3)
    assert (document["spread"], document["interactions"]) == (None, [])
    assert document["external"] == [{"name": "x", "images": 9, "metrics": {"fid": 1.5}, "last": {}, "note": ""}]


def test_what_is_not_finite_is_null(text):
    document = json.loads(text)
    assert document["rows"][3]["fid"] is None
    assert document["rows"][4]["seconds"] is None
    assert document["protocol"]["bad"] is None
