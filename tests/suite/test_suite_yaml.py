from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from ganbench.suite.dump import block
from ganbench.suite.yaml import Node, parse


def value(text: str) -> object:
    node, problems = parse(text, "s.yaml")
    assert node is not None and not problems, problems
    return node.plain()


def said(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "s.yaml")[1]]


@pytest.mark.parametrize("word", ["no", "off", "on", "yes", "NO", "Off", "y", "n", "none", "3.10.1", "1e", "-", "a:b"])
def test_words_that_yaml_1_1_takes_for_something_else_stay_text(word: str) -> None:
    assert value(f"a: '{word}'") == {"a": word}
    if word != "-":
        assert value(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("text", "number"), [("2e-4", 2e-4), ("1e4", 1e4), ("-.5", -0.5), ("1.", 1.0), ("3.10", 3.1), ("+7", 7), ("0", 0)]
)
def test_numbers_follow_the_core_rules(text: str, number: float) -> None:
    found = value(text)
    assert found == number and type(found) is type(number)


@pytest.mark.parametrize("text", ["true", "True", "FALSE"])
def test_only_true_and_false_are_booleans(text: str) -> None:
    assert value(text) is (text.lower() == "true")


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_nothing_is_null(text: str) -> None:
    assert value(f"a: {text}") == {"a": None}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("017", "write 17"),
        ("12:30", "quote it"),
        ("12:30:00", "quote it"),
        ("2024-01-01", "is a date"),
        (".nan", "no finite number"),
        ("-.inf", "no finite number"),
        ("1e999", "too large"),
        ("0x1F", "write 31"),
        ("0o17", "write 15"),
        ("192_000", "write 192000"),
        ("9" * 5000, "too large"),
        ("00.5", "leading zeros"),
    ],
)
def test_doubtful_words_are_errors_with_a_hint(text: str, hint: str) -> None:
    (line,) = said(f"a:\n  b: {text}")
    assert line.startswith("s.yaml:2:6: a.b: ") and hint in line
    assert value(f"a: '{text}'") == {"a": text}  # quoted, it is text


def test_keys_are_text_as_written() -> None:
    assert value("{16: a, on: b, 1e-3: c, 12:30 : d, 017: e}") == {
        "16": "a",
        "on": "b",
        "1e-3": "c",
        "12:30": "d",
        "017": "e",
    }


def test_equal_keys_name_both_lines() -> None:
    assert said("a: 1\nb: 2\na: 3") == ["s.yaml:3:1: a: set twice: first in line 1, again in line 3"]


def test_tabs_are_named() -> None:
    (line,) = said("a:\n\tb: 1")
    assert line == "s.yaml:2:1: a tab is used for indentation; YAML wants spaces"


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!float", "!x"])
def test_tags_are_refused(tag: str) -> None:
    (line,) = said(f"a: {tag} x")
    assert line.startswith("s.yaml:1:4: a: tags such as")


def test_many_problems_are_told_at_once() -> None:
    assert [line.split(": ")[0] for line in said("a: 017\nb: 12:30\na: .nan")] == [
        "s.yaml:1:4",
        "s.yaml:2:4",
        "s.yaml:3:4",
        "s.yaml:3:1",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "s.yaml:1:1"),
        ("a: 1\n---\nb: 2", "s.yaml:2:1"),
        ("a: [1, 2", "s.yaml:1:9"),
        ("a: *x", "s.yaml:1:4"),
        ("x: &x [*x]", "s.yaml:1:8"),
        ("? [a]\n: b", "s.yaml:1:3"),
        ("a: \x07", "s.yaml:1:4"),
        ('"\\UFFFFFFFF"', "s.yaml:1:4"),
        ('a: "\\ud800"', "s.yaml:1:4"),
        ('a: "\\e[31m"', "s.yaml:1:4"),
        ("a" * 201 + ": 1", "s.yaml:1:1"),
    ],
)
def test_what_cannot_be_read_is_a_problem_at_its_place(text: str, place: str) -> None:
    (line,) = said(text)
    assert line.startswith(f"{place}: ")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{a: " * 60, "a: &a [" + "[" * 30 + "]" * 30 + "]\nb: " + "[" * 30 + "*a"]
)
def test_depth_is_bounded(text: str) -> None:
    assert "nested more than 50 levels deep" in said(text)[-1]


def test_a_bomb_of_aliases_is_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert len(bomb) < 1000 and "more than 30,000 values" in said(bomb)[0]


def test_a_bomb_of_long_aliased_text_is_refused() -> None:
    assert "more than 30,000 values" in said(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]")[0]


def test_merge_keys_are_flattened_and_own_keys_win() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\nd: {<<: *b}"
    assert value(text)["c"] == {"x": 0, "y": 2, "z": 4}  # type: ignore[index]
    assert value(text)["d"] == {"y": 3, "z": 4}  # type: ignore[index]


def test_merging_is_bounded() -> None:
    assert "merged twice" in said("a: &a {x: 1}\nb: {<<: [*a, *a]}")[0]
    deep = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: *a{i - 1}}}\n" for i in range(1, 15))
    assert "more than 10 merge keys" in said(deep)[0]
    assert "merges mappings only" in said("b: {<<: 3}")[0]


def test_marks_are_kept_for_keys_and_values_and_through_aliases() -> None:
    node, _ = parse("a: &a {lr: 5}\nb:\n  c: *a\n", "s.yaml")
    assert node is not None and isinstance(node.value, dict)
    inner = node.value["b"].value["c"]  # type: ignore[index,call-overload]
    assert str(inner.value["lr"].mark) == "s.yaml:1:12" and str(inner.keys["lr"]) == "s.yaml:1:8"
    assert str(node.value["b"].keys["c"]) == "s.yaml:3:3"


def test_problems_show_control_characters_instead_of_obeying_them() -> None:
    assert all(line.isprintable() for line in said('"\\u202e": 1\n"\\u202e": 2'))


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n"), max_size=20)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
@settings(deadline=None, max_examples=100)
def test_json_is_read_as_json_means_it(data: object) -> None:
    # PyYAML does not join the halves of surrogate pairs, and a quoted "<<" is a key like any other
    assert value(json.dumps(data, ensure_ascii=False).replace("\x7f", "\\u007f")) == data


@given(st.text(max_size=60) | st.text("[]{}:,-&*<>!|%@`'\"#?\n\t ab01", max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_text_gives_a_tree_or_problems(text: str) -> None:
    node, problems = parse(text, "s.yaml")
    assert node is not None or problems


@given(plain)
@settings(deadline=None, max_examples=200)
def test_libyaml_reads_what_ganbench_wrote_as_pyyaml_does(data: object) -> None:
    text = "\n".join(block("key", {"of a level": data, "beside": [data]}, 0, 2)) + "\n"

    def read(own: bool) -> tuple[object, list[str]]:
        node, problems = parse(text, "s.yaml", own=own)
        return node and bare(node), [str(problem) for problem in problems]

    assert read(own=True) == read(own=False)


@given(st.text(max_size=60) | st.text("[]{}:,-&*<>!|%@`'\"#?\n\t ab01\ufeff\u2028", max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_in_place_of_it_gives_a_tree_or_the_usual_problems(text: str) -> None:
    node, problems = parse(text, "s.yaml", own=True)
    if problems:
        assert list(map(str, problems)) == list(map(str, parse(text, "s.yaml")[1]))
    else:
        assert node is not None


def bare(node: Node) -> object:
    """Without places, which libyaml may count otherwise."""
    if isinstance(node.value, dict):
        return {key: bare(child) for key, child in node.value.items()}
    return [bare(child) for child in node.value] if isinstance(node.value, list) else node.value
