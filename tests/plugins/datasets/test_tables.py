from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_pictures import numbered, solid, table

from ganbench import DataError
from ganbench_zoo.datasets.files import list_images, remembered
from ganbench_zoo.datasets.labelled import classes_of, column_of, combinations
from ganbench_zoo.datasets.tables import match, read_rows, read_table


# --- reading ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_byte_order_marks_are_recognised(tmp_path: Path, separator: str, encoding: str) -> None:
    path = table(
        tmp_path / "t.csv", separator.join(["file_name", "hair"]), separator.join(["a.png", "红"]), encoding=encoding
    )
    found = read_table(path)
    assert found.columns == ("file_name", "hair") and found.rows == [("a.png", "红")]


def test_quotes_and_empty_lines_of_csv(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "name,text", "", '"a, b.png","says ""hi"""', "c.png,x", "   ")
    assert read_table(path).rows == [("a, b.png", 'says "hi"'), ("c.png", "x")]


def test_rows_of_another_length_are_counted_not_guessed(tmp_path: Path) -> None:
    found = read_table(table(tmp_path / "t.csv", "name,a", "x.png,1", "y.png", "z.png,1,2"))
    assert found.rows == [("x.png", "1")] and found.malformed == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"name,a\n\xff\xfe,1\n", "not UTF-8 text"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"name,a,a\nx,1,2\n", "two columns called 'a'"),
        ("t.csv", b"name,a\nx," + b"y" * 200_000 + b"\n", "field larger than field limit"),
        ("t.json", b"[1, 2", "line 1, column 6: is not JSON"),
        ("t.json", b'"text"', "neither a list of objects nor"),
        ("t.json", b"{}", "holds no rows"),
        ("t.json", b'{"a.png": 3}', "neither a list of objects nor"),
        ("t.json", b"[" * 100_000, "nested too deeply"),
        ("t.json", b'{"a.png": {}, "a.png": {}}', "'a.png' stands there twice"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "line 2: is not JSON"),
        ("t.txt", b"202599\n", "ends after the count"),
    ],
)
def test_what_is_wrong_with_a_table_is_a_line_that_names_it(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_table(tmp_path / name)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / name}: ") and said in text and "\n" not in text


def test_missing_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    found = read_table(table(tmp_path / "t.csv", "name,hair", "a.png,red"))
    with pytest.raises(DataError, match="no column 'eyes', which `columns` names; it has name, hair"):
        found.index("eyes", "columns")


def test_both_shapes_of_json_and_lines_give_the_same_rows(tmp_path: Path) -> None:
    records = '{"file_name": "a.png", "x": 1}', '{"file_name": "b.png", "x": 2}'
    whole = read_table(table(tmp_path / "l.json", f"[{', '.join(records)}]"))
    named = read_table(table(tmp_path / "o.json", '{"a.png": {"x": 1}, "b.png": {"x": 2}}'))
    lines = read_table(table(tmp_path / "l.jsonl", *records, ""))
    assert whole.rows == named.rows == lines.rows == [("a.png", 1), ("b.png", 2)]
    odd = read_table(table(tmp_path / "odd.json", f"[{records[0]}, 7]"))
    assert odd.malformed == ["entry 1"] and len(odd.rows) == 1


def test_line_numbers_of_csv_count_the_lines_of_the_file(tmp_path: Path) -> None:
    rows = read_rows(table(tmp_path / "t.csv", "a,b", "", "c,d"))
    assert rows == [(1, ["a", "b"]), (3, ["c", "d"])]


# --- rows and images --------------------------------------------------------------------------------
def test_names_of_a_table_only_ever_find_listed_images(tmp_path: Path) -> None:
    solid(tmp_path / "secret.png")
    solid(tmp_path / "data" / "images" / "a b é.png")
    solid(tmp_path / "data" / "images" / "twice.png")
    solid(tmp_path / "data" / "more" / "twice.png")
    listing = list_images("x", tmp_path / "data")
    for name in (
        "images/a b é.png",
        "./images/a b é.png",
        "images\\a b é.png",
        "a b é.png",
        "a b é",
        " a b e\u0301.png",
    ):
        assert listing.find(name) == "images/a b é.png", name
    assert listing.find("twice.png") is None and listing.find("twice.png", "more") == "more/twice.png"
    for name in ("../secret.png", "images/../../secret.png", str(tmp_path / "secret.png"), "~/x.png", "", "\0", "."):
        assert listing.find(name) is None, name


def test_rows_that_fit_nothing_or_disagree_are_counted_by_reason(tmp_path: Path) -> None:
    names = numbered(tmp_path, 5)
    path = table(
        tmp_path / "t.csv",
        "name,hair",
        f"{names[0]},red",
        f"{names[1]},red",
        f"{names[1]},red",
        f"{names[2]},red",
        f"{names[2]},blue",
        f"{names[3]},red,blue",
        "gone.png,red",
    )
    found = match(read_table(path), list_images("x", tmp_path), 0)
    assert sorted(found.files) == [names[0], names[1]]
    assert {one.reason: one.count for one in found.skipped} == {
        "rows of t.csv name no image, or several": 1,
        "rows of t.csv stand there twice, and count once": 1,
        "images have rows in t.csv that disagree": 1,
        "images have no row in t.csv": 2,
        "rows of t.csv have the wrong number of cells": 1,
    }


def test_a_table_about_other_images_is_an_error_with_an_example(tmp_path: Path) -> None:
    numbered(tmp_path, 2)
    path = table(tmp_path / "t.csv", "name,hair", "other.png,red")
    with pytest.raises(DataError, match=r"no row names an image of .*'name' holds names such as 'other.png'"):
        match(read_table(path), list_images("x", tmp_path), 0)


# --- columns ----------------------------------------------------------------------------------------
def test_columns_become_classes_values_or_flags() -> None:
    words = column_of("t", ["red", None, "blue", "red"])
    assert words.info.kind == "class" and words.info.names == ("blue", "red")
    assert words.values[~words.missing].tolist() == [1, 0, 1] and words.missing.tolist() == [False, True, False, False]
    assert column_of("t", ["10", "9", "9"]).info.names == ("9", "10")
    assert column_of("t", [True, False]).info.names == ("false", "true")
    numbers = column_of("t", ["0.5", "2", ""])
    assert numbers.info.kind == "value" and numbers.values.dtype == np.float32
    assert numbers.values[:, 0].tolist() == [0.5, 2, 0] and numbers.missing.tolist() == [False, False, True]
    flags = column_of("t", [["b", "a"], [], ["b"]])
    assert flags.info.kind == "flags" and flags.info.names == ("a", "b")
    assert flags.values.tolist() == [[1, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([f"caption {i}" for i in range(200)], "200 different values in 200 rows"),
        (["", None], "holds no values"),
        ([["a"], "b"], "mixes lists or objects"),
        ([{}, {}], "mixes lists or objects"),
        ([[], []], "0 different flags"),
    ],
)
def test_columns_that_are_no_labels_are_refused(cells: list[object], said: str) -> None:
    with pytest.raises(DataError, match=f"t: .*{said}"):
        column_of("t", cells)  # type: ignore[arg-type]


def test_held_out_combinations_keep_every_single_value_in_training() -> None:
    rng = np.random.default_rng(0)
    labels = {"a": rng.integers(0, 4, 500), "b": rng.integers(0, 3, 500)}
    labels["a"][0] = 9  # a value that one combination alone has
    mask = combinations("x", labels, 0.25, 500)
    pairs = set(zip(labels["a"].tolist(), labels["b"].tolist(), strict=True))
    held = {
        pair
        for pair, chosen in zip(zip(*(v.tolist() for v in labels.values()), strict=True), mask, strict=True)
        if chosen
    }
    assert len(held) == round(0.25 * len(pairs)) == 3
    assert not held & {
        pair for pair, c in zip(zip(*(v.tolist() for v in labels.values()), strict=True), mask, strict=True) if not c
    }
    for name in labels:
        assert set(labels[name][~mask].tolist()) == set(labels[name].tolist())
    assert not combinations("x", labels, 0.0, 500).any()
    with pytest.raises(DataError, match="needs labels"):
        combinations("x", {}, 0.5, 500)


def test_classes_of_given_names_keep_their_order() -> None:
    column = classes_of("t", ["b", None, "a"], ["b", "a"])
    assert column.values.tolist() == [0, -1, 1] and column.info.names == ("b", "a")


# --- what is remembered -----------------------------------------------------------------------------
def test_what_was_found_is_looked_for_again_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    looked: list[int] = []

    def ask() -> int:
        return remembered(f"test {tmp_path}", lambda: looked.append(1) or len(looked), lambda _: [tmp_path])

    os.utime(tmp_path, (1_000, 1_000))
    assert (ask(), ask()) == (1, 1)
    os.utime(tmp_path, (2_000, 2_000))
    assert (ask(), ask()) == (2, 2)
    os.utime(tmp_path)  # just now: the next change may carry the same time, so nothing is remembered
    assert (ask(), ask()) == (3, 4)
