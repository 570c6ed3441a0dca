"""Who may import whom, and what source code may not contain."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ganbench

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "ganbench"
ZOO = ROOT / "plugins" / "ganbench_zoo"

# unit (module or package of ganbench) -> units that it may import; everything may import itself and `version`
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "seeds": set(),
    "version": set(),
    "redact": set(),
    "seldom": set(),
    "links": {"errors"},
    "signatures": set(),
    "stats": set(),
    "source": set(),
    "pictures": {"files"},
    "api": {"errors", "seeds"},
    "nn": {"api"},
    "files": {"errors", "api"},
    "device": {"errors"},
    "announced": set(),
    "untouched": set(),
    "registry": {"errors", "announced", "api", "source", "untouched"},
    "isolated": {"errors"},
    "glance": {"registry", "source"},
    "tried": {"errors", "files", "registry"},
    "probe": {"errors", "registry", "isolated", "tried"},
    "phases": {"errors", "api", "seeds"},
    "suite": {"errors", "accuse", "api", "redact", "registry", "seeds", "probe"},
    "tensors": set(),
    "lease": {"errors", "files"},
    "weights": {"errors", "files", "lease", "tensors"},
    "sealed": {"api", "files"},
    "cell_folder": {"errors", "api", "files", "lease", "sealed", "weights"},
    "store": {"errors", "api", "files", "lease", "cell_folder"},
    "cadence": set(),
    "profile": {"api", "device"},
    "speed": {"api", "blame", "source"},
    "blame": {"api"},
    "accuse": {"errors", "api", "blame", "redact", "registry"},
    "train": {"errors", "api", "seeds", "phases", "device"},
    "evaluate": {"errors", "accuse", "api", "seeds", "phases"},
    "assemble": {"errors", "api", "registry", "suite", "train", "seeds"},
    "cache_files": {"errors", "accuse", "api", "files"},
    "cache": {"accuse", "api", "registry", "cache_files"},
    "provenance": {"errors", "api", "registry", "cache", "device", "files"},
    "streams": {"api", "cache", "evaluate", "phases", "seeds", "train"},
    "prepare": {"errors", "api", "evaluate", "cache", "files", "registry"},
    "twice": {"errors", "api", "assemble", "cache", "device", "streams"},
    "judge": {"api", "evaluate", "files", "provenance", "train"},
    "diary": {"api", "cell_folder", "device", "files", "train"},
    "run": {
        *("diary", "judge", "twice"),
        *("errors", "api", "registry", "assemble", "train", "evaluate", "phases"),
        *("cache", "cadence", "cell_folder", "device", "files", "lease", "pictures", "provenance", "streams"),
        *("blame", "profile", "speed"),
    },
    "rescore": {"errors", "api", "cell_folder", "run", "train"},
    "process": {"errors", "api", "blame", "cell_folder", "files", "lease", "redact", "run", "rescore"},
    "forkserver": {"process", "redact", "run", "rescore"},
    "shard": {"errors", "api"},
    "remaining": {
        *("errors", "api", "links", "registry", "suite", "cell_folder", "store"),
        *("prepare", "provenance", "report", "shard"),
    },
    "running": {"errors", "api", "blame", "cell_folder", "lease", "prepare", "remaining", "store"},
    "runner": {
        *("errors", "api", "suite", "prepare", "store", "registry", "running"),
        *("lease", "provenance", "device", "files", "remaining", "report"),
    },
    "report": {
        *("errors", "accuse", "api", "links", "redact", "store", "stats", "registry"),
        *("files", "provenance", "suite", "probe"),
    },
    "archive": {"errors", "cell_folder", "files", "report", "store"},
    "merge": {"errors", "api", "archive", "cell_folder", "files", "lease", "links", "report", "store"},
    "unneeded": {"errors", "cell_folder", "files", "lease", "registry", "report", "store", "weights"},
    "testing": {
        *("errors", "api", "nn", "seeds", "phases", "train", "assemble", "registry", "suite", "source"),
        "isolated",
    },
}
# What people see: may import everything above, and each other without a cycle.
FRONT = {"cli", "commands", "doctor", "estimate", "notebook", "notebook_view", "progress", "templates"}
PUBLIC = {"ganbench", "ganbench.nn", "ganbench.phases", "ganbench.testing"}
PROCESSES = {"process", "forkserver"}  # programs of their own: nobody imports them, but one the other


def module_name(file: Path, root: Path) -> str:
    parts = [root.name, *file.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules(root: Path) -> dict[str, Path]:
    return {module_name(file, root): file for file in sorted(root.rglob("*.py"))}


def imports(file: Path, importer: str, *, typing: bool = True) -> Iterator[str]:
    """Full names that a file imports, at its top, in functions and, with `typing`, under TYPE_CHECKING."""
    tree = ast.parse(file.read_text("utf-8"))
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            hidden |= {inner for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if importer in modules(HARNESS) and inner in modules(HARNESS) else str(node.module)


def unit(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("name", [name for name in modules(HARNESS) if name != "ganbench"])
def test_the_table_of_imports_holds(name: str) -> None:
    here = unit(name)
    allowed = set(MAY_IMPORT) - PROCESSES | FRONT if here in FRONT else MAY_IMPORT.get(here)
    assert allowed is not None, f"{here} is not in the table"
    for found in imports(modules(HARNESS)[name], name):
        assert not found.startswith("ganbench_"), f"{name} imports {found}: the harness knows no plugin"
        if found == "ganbench":
            assert here in FRONT, f"{name} imports what only plugin authors import"
        elif found.startswith("ganbench."):
            assert unit(found) in allowed | {here, "version"}, f"{name} imports {found}"


def test_the_table_names_what_exists() -> None:
    units = {unit(name) for name in modules(HARNESS) if name != "ganbench"}
    assert units == set(MAY_IMPORT) | FRONT
    list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        name: {found for found in imports(file, name, typing=False) if found in modules(HARNESS)} - {name, "ganbench"}
        for name, file in modules(HARNESS).items()
        if name != "ganbench"
    }
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", modules(ZOO))
def test_built_in_plugins_import_what_anybody_may(name: str) -> None:
    for found in imports(modules(ZOO)[name], name):
        if found.split(".")[0] == "ganbench":
            assert found in PUBLIC, f"{name} imports {found}"


def test_exports_are_what_type_checkers_are_told() -> None:
    tree = ast.parse((HARNESS / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    told = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert told == ganbench._MODULE_OF
    assert set(ganbench.__all__) == {"__version__", *told}
    for name in ganbench.__all__:
        assert getattr(ganbench, name) is not None


TORCHLESS = (
    "import ganbench.stats",
    "import ganbench.report.build, ganbench.report.pipeline, ganbench.report.terminal",
    "import ganbench.store",
    "import ganbench.registry as r; [r.summary(e) for e in r.entries()]",
    "from ganbench.suite import load_resolved; load_resolved('name: s\\nquestion: q?\\nbase: {dataset: faces}')",
    "import ganbench.cli",
    "import ganbench.process",
)


def test_reading_results_needs_no_torch() -> None:
    check = "import sys\nfor code in sys.argv[1:]:\n    exec(code)\n    assert 'torch' not in sys.modules, code"
    ended = subprocess.run([sys.executable, "-c", check, *TORCHLESS], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


FORBIDDEN = {  # pattern -> files that may have it, and why
    # resnet18 names an error of pickle
    r"\bimport (pickle|dill|cloudpickle|shelve|marshal)\b": {"plugins/ganbench_zoo/evaluators/resnet18.py"},
    r"\bfrom (pickle|dill|cloudpickle|joblib)\b": set(),
    r"weights_only\s*=\s*False": set(),
    r"allow_pickle\s*=\s*True": set(),
    r"\byaml\.(load|unsafe_load|full_load)\(": set(),
    r"(?<![\w.])hash\(": {"ganbench/seeds.py"},  # which says why not
    r"(?<![\w.])eval\(": set(),
    r"(?<![\w.])exec\(": set(),
    r"\bos\.system\(|shell\s*=\s*True": set(),
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_source_does_not_contain(pattern: str) -> None:
    for file in [*modules(HARNESS).values(), *modules(ZOO).values()]:
        name = str(file.relative_to(ROOT))
        if name not in FORBIDDEN[pattern]:
            found = re.search(pattern, file.read_text("utf-8"))
            assert not found, f"{name} contains {found.group()!r}"


def test_checkpoints_are_loaded_without_running_code() -> None:
    loads = {
        (str(file.relative_to(ROOT)), ast.unparse(node))
        for file in [*modules(HARNESS).values(), *modules(ZOO).values()]
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load")
    }
    assert loads
    for file, call in loads:
        assert "weights_only=True" in call or "allow_pickle=False" in call, f"{file}: {call}"
