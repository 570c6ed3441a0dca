from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ganbench.api.cell import Suite
from ganbench.suite import dump, schema
from ganbench.suite.yaml import parse

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))


def errors(text: str) -> list[Any]:
    node, problems = parse(text, "s.yaml")
    assert node is not None and not problems
    return list(jsonschema.Draft7Validator(schema()).iter_errors(node.plain()))


def test_it_is_a_draft_7_schema_that_editors_can_follow() -> None:
    made = schema()
    jsonschema.Draft7Validator.check_schema(made)
    text = json.dumps(made)
    assert "prefixItems" not in text and "$defs" not in text
    assert set(re.findall(r"#/definitions/(\w+)", text)) <= set(made["definitions"])


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_suites_that_ship_are_valid(path: Path) -> None:
    assert not errors(path.read_text(encoding="utf-8"))


def test_what_dump_writes_is_valid(suite: Callable[..., Suite]) -> None:
    assert not errors(dump(suite("axes: {a: {x: {ema: 0.9}}}\nexclude: [{a: x, because: slow}]")))


@pytest.mark.parametrize(
    "text",
    [
        "base: {los: hinge}",
        "base: {loss: hnge}",
        "base: {dataset: {fces: {}}}",
        "base: {tricks: [nothing]}",
        "base: {generator: {norm: bacth}}",
        "base: {training: {budget: {step: 1}}}",
        "base: {evaluation: {metrics: [fd]}}",
        "design: gird",
        "sees: 3",
        "profiles: {smoke: {seed: 2}}",
        "options: {devise: cpu}",
        "metrics: fid",
    ],
)
def test_mistakes_are_found(text: str) -> None:
    head = "name: s\nquestion: q\n"
    assert not errors(head) and errors(head + text)
