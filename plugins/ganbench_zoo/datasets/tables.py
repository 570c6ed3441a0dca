"""Tables of labels as people keep them: CSV (comma, semicolon or tab), JSON, JSON lines, and CelebA's lists. What is
wrong with one is told in a line that names the file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench import DataError, Json, Skipped
from ganbench_zoo.datasets.files import Listing, skipped

MOST_BYTES = 512 * 2**20
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".txt")
FILE_COLUMNS = ("file_name", "filename", "file", "image_id", "image", "name", "id", "path")

Row = tuple[Json, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    path: Path
    columns: tuple[str, ...]
    rows: list[Row]  # as long as columns
    malformed: list[str]  # rows that are not, such as "line 7"

    def index(self, column: str, option: str) -> int:
        """Place of a column that an option names."""
        if column not in self.columns:
            raise DataError(
                f"{self.path}: has no column {column!r}, which `{option}` names; it has {', '.join(self.columns[:60])}"
            )
        return self.columns.index(column)


def locate(data_set: str, root: Path, names: Sequence[str], option: str = "") -> str:
    """The first of some files that is there, as a path relative to the folder. Links that lead out do not count."""
    for name in names:
        path = root / name
        if path.is_file() and path.resolve().is_relative_to(root):
            return path.relative_to(root).as_posix()
    told = f" Name it in the option `{option}`." if option else ""
    raise DataError(f"{data_set}: {root} has no {' or '.join(names)}.{told}")


def text_of(path: Path) -> str:
    """A text file in UTF-8, with or without a byte-order mark."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: is larger than {MOST_BYTES >> 20} MiB, which no table of labels is")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_table(path: Path) -> Table:
    """A table with named columns, by the suffix of the file."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _from_records(path, _json_records(path, read_json(path)))
    if suffix == ".jsonl":
        lines = [(f"line {i}", line) for i, line in enumerate(text_of(path).splitlines(), 1) if line.strip()]
        return _from_records(path, [(where, parse_json(path, line, where)) for where, line in lines])
    if suffix == ".txt":
        return read_list(path)
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path}: is empty")
    return with_header(path, [str(name).strip() for name in rows[0][1]], rows[1:])


def with_header(path: Path, names: Sequence[str], rows: Iterable[tuple[int, list[str]]]) -> Table:
    """Rows of a CSV file under column names."""
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise DataError(f"{path}: has two columns called {twice[0]!r}")
    good: list[Row] = []
    malformed: list[str] = []
    for line, cells in rows:
        if len(cells) == len(names):
            good.append(tuple(cell.strip() for cell in cells))
        else:
            malformed.append(f"line {line}")
    return Table(path=path, columns=tuple(names), rows=good, malformed=malformed)


def read_rows(path: Path, *, by_first: bool = False) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row of a CSV file that is not empty. Cells are separated by the one of , ; and tab
    that its first line has most, or has first."""
    text = text_of(path)
    first = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=first.count)
    if by_first:
        separator = next((sign for sign in first if sign in ",;\t"), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error


def read_list(path: Path) -> Table:
    """CelebA's form: a count; names of the columns; then a file name and a number for each of them in every line. In
    the list of its partition, which has neither count nor names, the column is called `partition`."""
    lines = text_of(path).splitlines()
    names = ["partition"]
    start = 0
    if lines and lines[0].strip().isdigit():
        if len(lines) < 2:
            raise DataError(f"{path}: ends after the count of its rows")
        names, start = lines[1].split(), 2
    good: list[Row] = []
    malformed: list[str] = []
    for number, line in enumerate(lines[start:], start + 1):
        cells = line.split()
        if len(cells) == len(names) + 1:
            good.append(tuple(cells))
        elif cells:
            malformed.append(f"line {number}")
    return Table(path=path, columns=("file_name", *names), rows=good, malformed=malformed)


# --- JSON -----------------------------------------------------------------------------------------
def read_json(path: Path) -> Any:
    return parse_json(path, text_of(path))


def parse_json(path: Path, text: str, where: str = "") -> Any:
    place = f"{path}: {where}: " if where else f"{path}: "

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise DataError(f"{place}{next(name for name in names if names.count(name) > 1)!r} stands there twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}: " if not where else ""
        raise DataError(f"{place}{at}is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise DataError(f"{place}is nested too deeply") from error


def _json_records(path: Path, value: Any) -> list[tuple[str, Any]]:
    """A list of objects, or an object of objects by file name."""
    if isinstance(value, list):
        return [(f"entry {i}", record) for i, record in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(record, dict) for record in value.values()):
        return [(name, {FILE_COLUMNS[0]: name} | record) for name, record in value.items()]
    raise DataError(f"{path}: is neither a list of objects nor an object of objects by file name")


def _from_records(path: Path, records: list[tuple[str, Any]]) -> Table:
    columns: dict[str, None] = {}
    malformed = [where for where, record in records if not isinstance(record, dict)]
    kept = [record for _, record in records if isinstance(record, dict)]
    for record in kept:
        columns |= dict.fromkeys(record)
    if not columns:
        raise DataError(f"{path}: holds no rows")
    rows: list[Row] = [tuple(record.get(name) for name in columns) for record in kept]
    return Table(path=path, columns=tuple(columns), rows=rows, malformed=malformed)


# --- rows and images ------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Matched:
    """Images that have just one row."""

    files: list[str]  # in the order of the data set
    rows: list[Row]
    skipped: list[Skipped]


def match(table: Table, listing: Listing, column: int, *, within: str = "") -> Matched:
    """Rows by image. Both sides may lack some: what fits nowhere is counted."""
    found: dict[str, Row] = {}
    unknown: list[str] = []
    repeated: list[str] = []
    disagree: dict[str, None] = {}
    for row in table.rows:
        name = row[column]
        file = listing.find(name, within) if isinstance(name, str) and name else None
        if file is None:
            unknown.append(str(name))
        elif file not in found:
            found[file] = row
        elif found[file] == row:
            repeated.append(file)
        else:
            disagree[file] = None
    left = [file for file in listing.files if file in found and file not in disagree]
    without = [file for file in listing.files if file not in found]
    if not table.rows:
        raise DataError(f"{table.path}: holds no rows")
    if not left:
        raise DataError(
            f"{table.path}: no row names an image of {listing.root}. Its column {table.columns[column]!r} holds names "
            f"such as {str(table.rows[0][column])[:80]!r}"
        )
    name = table.path.name
    return Matched(
        files=left,
        rows=[found[file] for file in left],
        skipped=[
            *skipped(f"rows of {name} name no image, or several", unknown),
            *skipped(f"rows of {name} stand there twice, and count once", repeated),
            *skipped(f"images have rows in {name} that disagree", list(disagree)),
            *skipped(f"images have no row in {name}", without),
            *skipped(f"rows of {name} have the wrong number of cells", table.malformed),
        ],
    )


def file_column(table: Table, wanted: str) -> int:
    """The column of file names: the one that an option names, or one with a usual name, or the first."""
    if wanted:
        return table.index(wanted, "file_column")
    return next((table.columns.index(name) for name in FILE_COLUMNS if name in table.columns), 0)
