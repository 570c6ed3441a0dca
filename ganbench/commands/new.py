"""`ganbench new plugin`: a package to start from, made of the files in ganbench/templates."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ganbench import registry
from ganbench.api.plugin import Kind
from ganbench.commands.plugins import kind_of
from ganbench.commands.screen import document
from ganbench.errors import ConfigError, did_you_mean
from ganbench.version import __version__

# What a suite says to use a plugin of each kind, beside the base of templates/suite.yaml: its lines of `base` and the
# rest of the file. Report formats and executors are named on the command line.
IN_BASE: dict[Kind, str] = {"dataset": "  dataset: {NAME: {size: 16}}\n"}
AXES: dict[Kind, str] = {
    "architecture": "  NAME: {on: {architecture: NAME}}\n",
    "loss": "  NAME: {on: {loss: NAME}}\n",
    "trick": "  NAME: {on: {tricks+: [NAME]}}\n",
    "procedure": "  NAME: {on: {procedure: NAME}}\n",
}
OTHERWISE = "  learning_rate: {halved: {generator.optimizer.lr: 1e-4}}\n"


@dataclass(frozen=True, kw_only=True)
class Made:
    """One plugin of the new package."""

    kind: Kind
    name: str  # entry point, file, YAML

    @property
    def class_name(self) -> str:
        return "".join(word[:1].upper() + word[1:] for word in self.name.split("_"))


def new(what: str, name: str, kinds: Sequence[str], output: Path, as_json: bool) -> int:
    """The command; returns the exit code."""
    if what != "plugin":
        raise ConfigError(
            f"ganbench new {what}: there is nothing of that name to make.{did_you_mean(what, ['plugin'])}"
        )
    chosen: list[Kind] = list(dict.fromkeys(map(kind_of, kinds))) or ["trick"]
    made = [Made(kind=kind, name=name if len(chosen) == 1 else f"{name}_{kind}") for kind in chosen]
    package = name if name.startswith("ganbench_") else f"ganbench_{name}"
    check_names(name, package, made)
    folder = output / package
    if folder.exists():
        raise ConfigError(f"{folder}: is there already, and nothing is overwritten: choose another name or --output")
    written = package_files(name, package, made)
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    following = commands(folder, package, made)
    if as_json:
        plugins = [{"kind": one.kind, "name": one.name, "class": one.class_name} for one in made]
        document({"folder": str(folder), "files": list(written), "plugins": plugins, "next": following})
        return 0
    for path in written:
        print(folder / path)
    print("next:", *following, sep="\n  ")
    return 0


def check_names(name: str, package: str, made: Sequence[Made]) -> None:
    """Raises ConfigError for a name that no suite could write, or that is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        tame = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
        hint = f" Did you mean {tame}?" if tame and tame[0].isalpha() and not keyword.iskeyword(tame) else ""
        raise ConfigError(f"{name!r} is no name: small letters, digits and _, and a letter first.{hint}")
    for one in made:
        for entry in registry.entries(one.kind):
            if entry.name == one.name:
                raise ConfigError(f"{entry} has that name already: choose another")
    if importlib.util.find_spec(package) is not None:
        raise ConfigError(f"a package {package} is installed already: choose another name")


def package_files(name: str, package: str, made: Sequence[Made]) -> dict[str, str]:
    """Path in the new package -> text."""
    written = {
        "pyproject.toml": fill("package.toml", name, package, made),
        "README.md": fill("README.md", name, package, made),
        "suite.yaml": suite(name, made),
        f"{package}/__init__.py": fill("my_package/__init__.py", name, package, made),
        f"tests/test_{package}.py": tests(package, made),
    }
    for one in made:
        text = template(f"my_package/my_{one.kind}.py")
        text = text.replace(f"my_{one.kind}", one.name).replace(f"My{one.kind.capitalize()}", one.class_name)
        written[f"{package}/{one.name}.py"] = text
    return dict(sorted(written.items()))


def template(path: str) -> str:
    return files("ganbench").joinpath("templates", *path.split("/")).read_text("utf-8")


def fill(path: str, name: str, package: str, made: Sequence[Made]) -> str:
    """A template with its words in capitals between @ replaced."""
    points = [
        f'[project.entry-points."{registry.group(one.kind)}"]\n{one.name} = "{package}.{one.name}:{one.class_name}"\n'
        for one in made
    ]
    words = {
        "@NAME@": name,
        "@PACKAGE@": package,
        "@DISTRIBUTION@": package.replace("_", "-"),
        "@ENTRY_POINTS@": "\n".join(points).rstrip(),
        "@PLUGINS@": "\n".join(f"- {one.kind} `{one.name}`" for one in made),
        "@COMMANDS@": "\n".join(commands(Path(), package, made)[1:]),
        "@VERSION@": re.sub(r"\.?dev\d+$", "", __version__),
    }
    text = template(path)
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def tests(package: str, made: Sequence[Made]) -> str:
    """The test file: the checks of ganbench, for each plugin, and the suite."""
    text = template("tests/test_my_package.py")
    head, case, rest = text.split("# --- plugin\n")
    imports = "\n".join(f"from {package}.{one.name} import {one.class_name}" for one in sorted(made, key=str))
    cases = "".join(case.replace("my_trick", one.name).replace("MyTrick", one.class_name) for one in made)
    return head.replace("from my_package.my_trick import MyTrick", imports) + cases.strip("\n") + "\n" + rest


def suite(name: str, made: Sequence[Made]) -> str:
    """A suite that uses every plugin that a suite can name."""
    of = {one.kind: one.name for one in made}
    base = "".join(line.replace("NAME", of[kind]) for kind, line in IN_BASE.items() if kind in of)
    metrics = ", ".join(["fid", *([of["metric"]] if "metric" in of else [])])
    axes = "".join(line.replace("NAME", of[kind]) for kind, line in AXES.items() if kind in of)
    text = template("suite.yaml").replace("@NAME@", name)
    text = text.replace("  dataset: {faces: {size: 16}}\n", base) if base else text
    text = text.replace("efficientnet_lite0", of.get("extractor", "efficientnet_lite0"))
    text = text.replace("metrics: [fid]", f"metrics: [{metrics}]").replace("  @AXES@\n", axes or OTHERWISE)
    return text + (f"options: {{loggers: [{of['logger']}]}}\n" if "logger" in of else "")


def commands(folder: Path, package: str, made: Sequence[Made]) -> list[str]:
    """What to do next."""
    with_it = "".join(f" --executor {name}" for name in named(made, "executor"))
    return [
        f"cd {folder}",
        "pip install -e '.[test]'",
        f"ganbench check {package.replace('_', '-')}",
        "pytest",
        f"ganbench run suite.yaml --profile smoke{with_it}",
        "ganbench report",
        *(f"ganbench report --format {name}" for name in named(made, "report")),
    ]


def named(made: Sequence[Made], kind: Kind) -> list[str]:
    """The names of the plugins of a kind."""
    return [one.name for one in made if one.kind == kind]
