"""Traps of YAML and of configurations: many mistakes in one pass, and files that are made to cost time or memory."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ganbench.cli import app

THIRTY = """\
name: [traps]
question: on
base:
  dataset: {faces: {sise: 32, train: "64"}}
  architecture: dcgna
  loss: [hinge]
  tricks: [top_k, labelsmoothing]
  input_range: [1, -1]
  ema: 1.5
  latent: {size: 8}
  generator: {norm: bacth, width: 8.5, optimizer: {lr: "2e-4", betas: [0.5]}}
  discriminator: {spectral_norm: on, dropout: 1, activation: 3.10, heads: {hair: 0}}
  training: {budget: {steps: 5, images: 10}, batch_size: 0, threads: 010, precision: fp23}
  evaluation: {resize: 12:30, images: 1, window: 0, extractor: efficientnet_lite}
  evaluation: {}
axes:
  norm: {}
  bn: {off: {discriminator.nrm: none}, same: {}, same: {}}
  lr: {high: {discriminator.optimizer.lr: 1_000}, low: 3}
design: gird
seeds: 0
top_up: -1
margin: 5
metrics: [fdi]
primary_metric: fid
exclude: [{norn: off}]
options: {device: 0, log_every: -1}
profiles: {smoke test: {}, smoke: {sets: {}, seeds: .inf}}
colour: red
"""
PLACES = {  # line, column and path of each mistake -> a piece of what is said
    (1, 7, "name"): "cannot name a folder",
    (4, 21, "base.dataset.faces.sise"): "Did you mean size?",
    (4, 38, "base.dataset.faces.train"): "without quotes",
    (5, 17, "base.architecture"): "Did you mean dcgan?",
    (6, 9, "base.loss"): "expected the name of a plugin",
    (7, 19, "base.tricks.1"): "Did you mean label_smoothing?",
    (8, 16, "base.input_range"): "the lower one first",
    (9, 8, "base.ema"): "between 0 and 1",
    (10, 3, "base.latent"): "Did you mean latents?",
    (11, 21, "base.generator.norm"): "Did you mean batch?",
    (11, 35, "base.generator.width"): "expected a whole number",
    (11, 56, "base.generator.optimizer.lr"): "which is text: write it without quotes",
    (11, 71, "base.generator.optimizer.betas"): "two numbers",
    (12, 34, "base.discriminator.spectral_norm"): "write true",
    (12, 47, "base.discriminator.dropout"): "less than 1",
    (12, 62, "base.discriminator.activation"): "not possible here",
    (12, 75, "base.discriminator.heads"): "sizes of at least 1",
    (13, 22, "base.training.budget"): "exactly one of",
    (13, 58, "base.training.batch_size"): "at least 1",
    (13, 70, "base.training.threads"): "write 10",
    (13, 86, "base.training.precision"): "Did you mean fp32?",
    (14, 24, "base.evaluation.resize"): "quote it",
    (14, 39, "base.evaluation.images"): "at least 2",
    (14, 50, "base.evaluation.window"): "at least 1",
    (14, 64, "base.evaluation.extractor"): "Did you mean efficientnet_lite0?",
    (15, 3, "base.evaluation"): "set twice: first in line 14, again in line 15",
    (17, 9, "axes.norm"): "at least one level",
    (18, 14, "axes.bn.off.discriminator.nrm"): "Did you mean norm?",
    (18, 50, "axes.bn.same"): "set twice",
    (19, 43, "axes.lr.high.discriminator.optimizer.lr"): "write 1000",
    (19, 56, "axes.lr.low"): "expected a mapping",
    (20, 9, "design"): "Did you mean grid?",
    (21, 8, "seeds"): "expected a number from 1",
    (22, 9, "top_up"): "greater than",
    (23, 9, "margin"): "write 5% if that is meant",
    (24, 11, "base.evaluation.metrics.0"): "Did you mean fid?",
    (26, 12, "exclude.0.norn"): "Did you mean norm?",
    (26, 11, "exclude.0.because"): "is missing",
    (27, 19, "options.device"): "put it in quotes",
    (27, 33, "options.log_every"): "at least 1",
    (28, 12, "profiles.smoke test"): "cannot name a folder",
    (28, 36, "profiles.smoke.sets"): "Did you mean set?",
    (28, 53, "profiles.smoke.seeds"): "no finite number",
    (29, 1, "colour"): "unknown key. Known:",
}


def invoke(*words: str) -> Any:
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize("command", ["plan", "run"])
def test_more_than_thirty_mistakes_are_told_in_one_pass_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("traps.yaml").write_text(THIRTY, encoding="utf-8")
    done = invoke(command, "traps.yaml", "--results", "results")
    assert done.exit_code == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    found = {}
    for line in lines:
        match = re.fullmatch(r"traps\.yaml:(\d+):(\d+): (.*?): (.*)", line)
        assert match, line
        found[int(match[1]), int(match[2]), match[3]] = match[4]
    assert len(PLACES) >= 30
    missing = {place: said for place, said in PLACES.items() if said not in found.get(place, "")}
    assert not missing, "\n".join([*map(str, missing.items()), *lines])
    assert sorted(place[:2] for place in found) == [place[:2] for place in found], "in the order of the file"
    assert [path.name for path in tmp_path.iterdir()] == ["traps.yaml"]


def test_a_grid_of_a_million_cells_is_counted_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ("generator.width", "discriminator.width", "latents.size", "training.batch_size", "training.d_updates")
    axes = [f"  a{i}: {{{', '.join(f'l{k}: {{{f}: {k + 1}}}' for k in range(9))}}}" for i, f in enumerate(fields)]
    text = "\n".join(["name: s", "question: q", "design: grid", "axes:", *axes, "seeds: 10", "baseline_seeds: 10"])
    (tmp_path / "million.yaml").write_text(text)
    monkeypatch.setattr("ganbench.suite.levels._build", lambda *a: pytest.fail("a level was built"))
    done = invoke("plan", str(tmp_path / "million.yaml"))
    assert done.exit_code == 2
    assert "axes: 1,000,000 cells; more than 10,000 must be allowed with --yes" in done.stderr
    assert len(done.stderr.splitlines()) == 1


HEAD = "name: s\\nquestion: q\\n"
BOMBS = f"""
import re, resource, sys
from pathlib import Path
from ganbench.errors import ConfigError
from ganbench.suite import load

def many(pattern, count, between=", "):
    return between.join(pattern.replace("#", str(i)).replace("~", str(i - 1)) for i in range(1, count + 1))

bombs = {{
    "aliases": "a0: &a0 [x, x, x, x, x, x, x, x]\\n" + many("a#: &a# [" + ", ".join(["*a~"] * 10) + "]", 9, "\\n"),
    "aliased text": "a: &a " + "x" * 100_000 + "\\nb: [" + ", ".join(["*a"] * 1000) + "]",
    "merge keys": "a0: &a0 {{x: 1}}\\n" + many("a#: &a# {{<<: [*a~, *a~]}}", 20, "\\n"),
    "merges in each other": "a0: &a0 {{x: 1}}\\n" + many("a#: &a# {{<<: *a~}}", 20, "\\n"),
    "wide merges": "a0: &a0 {{" + many("k#: 1", 3000) + "}}\\n" + many("b#: {{<<: *a0}}", 60, "\\n"),
    "depth": "a: " + "[" * 5000,
    "depth of blocks": "".join(" " * i + "a:\\n" for i in range(1, 600)),
    "size": "a: " + "x" * 20_000_000,
    "values": "a: [" + "1," * 120_000 + "]",
    "keys": many("k#: 1", 4800, "\\n"),
    "one key": "a: b\\n" * 4900,
    "seeds": "seeds: [" + many("#", 9000) + "]",
    "long number": "margin: " + "9" * 200_000,
    "lines": "\\n" * 240_000 + "a: 1",
    "levels that set much": "x: &x {{" + many("dataset.faces.o#: 1", 90) + "}}\\naxes: {{a: {{"
    + many("l#: *x", 320) + "}}}}",
    "a level that sets much": "axes: {{a: {{x: {{" + many("dataset.faces.o#: 1", 2400) + "}}}}}}",
    "axes that meet": "design: grid\\nseeds: 1\\naxes: {{a: {{"
    + many("l#: {{ema: 0.#}}", 1600) + "}}, b: {{x: {{ema: 0.5}}}}}}",
    "options": "base: {{dataset: {{faces: {{" + many("o#: 1", 4800) + "}}}}}}",
    "unknown tricks": "base: {{tricks: [" + many("topk#", 9000) + "]}}",
    "profiles": "profiles: {{" + many("p#: {{}}", 3000) + "}}",
    "exclusions": "axes: {{a: {{l: {{ema: 0.5}}}}}}\\nexclude: [" + many("{{a: m#, because: x}}", 1500) + "]",
}}
path = Path(sys.argv[1])
path.write_text("{HEAD}seeds: 1")
load(path)  # imports the plugins of the defaults
used = int(re.search("VmSize:\\\\s+(\\\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # they take about 5 together; without the bounds, hours
for name, text in bombs.items():
    path.write_text("{HEAD}" + text)
    try:
        load(path)
    except ConfigError as error:
        assert len(str(error).splitlines()) <= 102, name
        print(name)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_bombs_are_refused_within_200_megabytes(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMBS), str(tmp_path / "bomb.yaml")], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert len(ended.stdout.splitlines()) == 21


@pytest.mark.parametrize(
    "name", ["../x", "/etc", "C:\\x", "~", ".", "..", "a/b", "x" * 300, "con", "NUL", "a\u202eb", ""]
)
def test_no_name_of_a_suite_or_profile_leads_out_of_the_results_folder(tmp_path: Path, name: str) -> None:
    import json

    path = tmp_path / "suite.yaml"
    for text in (
        f"name: {json.dumps(name)}\nquestion: q",
        f"name: s\nquestion: q\nprofiles: {{{json.dumps(name)}: {{}}}}",
    ):
        path.write_text(text)
        done = invoke("plan", str(path), "--results", str(tmp_path / "results"))
        assert done.exit_code == 2
        assert "folder" in done.stderr or "a key is" in done.stderr
        assert all(line.isprintable() for line in done.stderr.splitlines())
