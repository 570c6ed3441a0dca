"""Compiled networks: the same training, plain samples, and a reason wherever they are left out."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganbench import change, speed
from ganbench.commands.run import left_out_lines
from ganbench.phases import sample, sampling_inputs
from ganbench.run import run_cell
from ganbench.speed import FAILED, accelerate, takes_second_derivatives
from ganbench.store import CellFolder
from ganbench.suite import expand
from ganbench.suite.identity import cell_digest
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training

# The compiler looks at .grad of the fakes while it traces D in G's step, and torch warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and run as it was written: what a compiler makes of it is the compiler's affair."""
    monkeypatch.setattr(speed, "BACKEND", "eager")
    torch._dynamo.reset()


def made(*tricks: str, **training: Any) -> Any:
    return tiny_training(tiny_parts(tiny_config(ema=0.9, training=training), tricks=tricks))


def weights(training: Any) -> dict[str, torch.Tensor]:
    return {f"{name}/{key}": v for name, net in training.networks.items() for key, v in net.state_dict().items()}


def test_compiled_and_plain_networks_train_to_the_same_weights() -> None:
    plain, compiled = made(), made(compile=True)
    assert accelerate(compiled[0]) == {} == accelerate(plain[0])
    for run in (plain, compiled):
        run_steps(*run, steps=2)
    ours, theirs = weights(compiled[0]), weights(plain[0])
    assert ours.keys() == theirs.keys()  # names of parameters stay: a checkpoint fits either
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-6)


def test_only_passes_in_training_mode_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    training, data = made(compile=True)
    seen: list[bool] = []

    def compiler(function: Any, **_: Any) -> Any:
        def compiled(*inputs: Any) -> Any:
            seen.append(training.networks.generator.training)
            return function(*inputs)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    accelerate(training)
    run_steps(training, data, steps=1)
    assert seen == [True] * 5  # G and D twice in D's step, G and D in G's
    sample(training, sampling_inputs(training, 6, data, "data"), weights="raw")
    copied = copy.deepcopy(training.networks.generator)
    assert len(seen) == 5 and copied._compiled_call_impl is None


@pytest.mark.parametrize("asked", [{"compile": True}, {"cuda_graphs": True}, {"compile": True, "cuda_graphs": True}])
def test_a_second_derivative_leaves_all_of_it_out(asked: dict[str, bool]) -> None:
    training, data = made("gradient_penalty", **asked)
    left_out = accelerate(training)
    assert left_out.keys() == asked.keys()
    assert all("gradient_penalty takes derivatives of derivatives" in why for why in left_out.values())
    assert training.networks.generator._compiled_call_impl is None
    run_steps(training, data, steps=1)


def test_plugins_without_a_second_derivative_are_not_suspected() -> None:
    assert takes_second_derivatives(tiny_parts(tricks=["top_k", "instance_noise"])) == ""
    assert takes_second_derivatives(tiny_parts(procedure="unrolled")).startswith("procedure")


def test_cuda_graphs_are_left_out_on_the_cpu_and_what_else_was_asked_for_stays() -> None:
    for asked, compiled in (({"cuda_graphs": True}, False), ({"cuda_graphs": True, "compile": True}, True)):
        training, _ = made(**asked)
        assert accelerate(training) == {"cuda_graphs": "they are of CUDA devices, and this one is cpu"}
        assert (training.networks.generator._compiled_call_impl is not None) == compiled


def test_cells_that_do_not_ask_keep_their_names() -> None:
    config = tiny_config()
    asked = change(config, training={"compile": True})
    assert cell_digest(config, 0) == cell_digest(change(config, training={"compile": False}), 0)
    assert cell_digest(config, 0) != cell_digest(asked, 0)


def cell_of(tiny_suite: Any, tmp_path: Path, *settings: str) -> CellFolder:
    suite = tiny_suite("", *settings)
    (cell,) = expand(suite)
    folder = CellFolder(tmp_path / "cells" / cell.id)
    folder.write_config(cell, suite.options, tmp_path / "cache")
    return folder


def test_a_cell_says_in_its_provenance_what_was_left_out(tiny_suite: Any, tmp_path: Path) -> None:
    folder = cell_of(tiny_suite, tmp_path, "base.training.cuda_graphs=true")
    assert run_cell(folder).status == "done"
    origin = folder.read_provenance()
    assert origin is not None and origin.left_out == {"cuda_graphs": "they are of CUDA devices, and this one is cpu"}
    assert origin.settings["tf32"] is False and origin.settings["threads"] >= 1


def test_the_command_says_what_was_left_out(tiny_suite: Any, tmp_path: Path) -> None:
    folder = cell_of(tiny_suite, tmp_path, "base.training.cuda_graphs=true")
    run_cell(folder)
    asked, plain = (SimpleNamespace(config=tiny_config(training={"cuda_graphs": wanted})) for wanted in (True, False))
    planned = [SimpleNamespace(cell=cell, folder=folder) for cell in (asked, asked, plain)]
    lines = left_out_lines(SimpleNamespace(outcome=SimpleNamespace(planned=planned)))  # type: ignore[arg-type]
    assert lines == ["training.cuda_graphs is left out of 2 cells: they are of CUDA devices, and this one is cpu"]


def test_a_cell_whose_compiled_networks_fail_starts_over_without(
    tiny_suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its beginning: one run is of one kind. And it is not tried again when it goes on."""
    plain = run_cell(cell_of(tiny_suite, tmp_path))
    tried: list[str] = []

    def compiler(function: Any, **_: Any) -> Any:
        tried.append("")
        passes = iter(range(20))

        def compiled(*inputs: Any) -> Any:
            if next(passes, None) is None:
                raise RuntimeError("Error: accessing tensor output of CUDAGraphs that has been overwritten")
            return function(*inputs)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    folder = cell_of(tiny_suite, tmp_path, "base.training.compile=true")
    result = run_cell(folder)
    assert result.metrics == plain.metrics and result.steps == 12 and len(tried) == 2
    assert len(folder.snapshots()) == 5 and [r["step"] for r in folder.history() if "D/adversarial" in r] == [
        3,
        6,
        9,
        12,
    ]
    origin = folder.read_provenance()
    assert origin is not None and origin.left_out["compile"].startswith(f"{FAILED} at step 6 (RuntimeError: ")
    assert run_cell(folder).metrics == plain.metrics and len(tried) == 2
    folder.write_provenance(replace(origin, left_out={}))
    assert run_cell(folder).metrics == plain.metrics


def test_a_mistake_of_a_plugin_is_not_blamed_on_the_compiler() -> None:
    training, data = made(compile=True)
    accelerate(training)
    run_steps(training, data, steps=1)
    try:
        raise RuntimeError("of a metric")
    except RuntimeError as error:
        assert not speed.to_blame(error, training)
