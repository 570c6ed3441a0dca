"""What holds on a CUDA device: the outcomes of the CPU, up to rounding, and the promises of the harness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganbench import device, registry
from ganbench.api.cell import RunResult
from ganbench.api.config import PluginSpec
from ganbench.assemble import build
from ganbench.blame import reason_of
from ganbench.errors import Interrupted
from ganbench.run import StopSwitch, run_cell
from ganbench.speed import accelerate
from ganbench.store import CellFolder
from ganbench.suite import expand
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_samples
from ganbench.train.data import RealImages

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    # The compiler looks at .grad of the fakes while it traces D in G's step, and torch warns of that.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    # Some kernels have no deterministic form; those that matter are listed in docs/reliability.md.
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation"),
]

PROCEDURES = ("adversarial", "loss_balanced", "split_d_steps", "unrolled", "vae_gan")


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """As in the process of a cell."""
    before = torch.are_deterministic_algorithms_enabled()
    device.configure(torch.device("cuda"), threads=torch.get_num_threads(), deterministic=True)
    yield
    torch.use_deterministic_algorithms(before)


def parts_with(*tricks: str, procedure: str = "adversarial", **changes: Any) -> Any:
    architecture: Any = "vae_gan" if procedure == "vae_gan" else "dcgan"
    built = registry.make("architecture", PluginSpec(name=architecture))
    config = tiny_config(built, ema=0.9, **changes)  # type: ignore[arg-type]
    return tiny_parts(config, architecture=architecture, procedure=procedure, tricks=tricks)


def made(on: str, *tricks: str, **changes: Any) -> tuple[Any, RealImages]:
    """A run on that device, at step 0."""
    parts = parts_with(*tricks, **changes)
    training = build(parts, seed=0, device=torch.device(on))
    data = RealImages(
        parts.info,
        tiny_samples(parts.info),
        parts.config,
        seed=0,
        batches_per_step=parts.procedure.batches_per_step(parts.config),
        device=torch.device(on),
    )
    return training, data


def weights(training: Any) -> dict[str, torch.Tensor]:
    named = training.networks.items()
    return {f"{name}/{key}": value.cpu() for name, network in named for key, value in network.state_dict().items()}


def assert_close(ours: Any, theirs: Any, rtol: float, atol: float) -> None:
    first, second = weights(ours), weights(theirs)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(
            value, second[name], rtol=rtol, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


# Adam's first step moves each weight by lr in the direction of its gradient's sign, and a gradient near 0 may have
# either sign: two learning rates (2e-4) is how far apart one step may end.
ONE_STEP = {"rtol": 1e-3, "atol": 5e-4}


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_one_step_ends_as_on_the_cpu(procedure: str) -> None:
    runs = [made(on, procedure=procedure) for on in ("cpu", "cuda")]
    terms = [run_steps(*run, steps=1) for run in runs]
    assert terms[0].keys() == terms[1].keys()
    for name, term in terms[0].items():
        assert terms[1][name].is_cuda
        torch.testing.assert_close(term, terms[1][name].cpu(), rtol=1e-3, atol=1e-4)
    assert_close(runs[0][0], runs[1][0], **ONE_STEP)


def test_bf16_trains_the_same_networks_less_exactly_and_losses_stay_fp32() -> None:
    plain, rounded = made("cuda"), made("cuda", training={"precision": "bf16"})
    exact, terms = run_steps(*plain, steps=1), run_steps(*rounded, steps=1)
    for name, term in terms.items():
        assert term.dtype == torch.float32
        torch.testing.assert_close(term, exact[name], rtol=0.1, atol=0.05)
    assert all(value.dtype != torch.bfloat16 and value.isfinite().all() for value in weights(rounded[0]).values())
    assert any(not torch.equal(value, weights(plain[0])[name]) for name, value in weights(rounded[0]).items())


@pytest.mark.parametrize("asked", [{"compile": True}, {"cuda_graphs": True}], ids=lambda asked: next(iter(asked)))
def test_compiled_networks_and_cuda_graphs_end_as_eager_ones(asked: dict[str, bool]) -> None:
    torch._dynamo.reset()
    plain, quick = made("cuda"), made("cuda", training=asked)
    assert accelerate(quick[0]) == {}
    for run in (plain, quick):
        run_steps(*run, steps=3)  # graphs: a warm-up, a recording, a replay
    assert_close(quick[0], plain[0], rtol=1e-2, atol=2e-3)


def test_cuda_graphs_are_left_out_with_a_penalty() -> None:
    training, data = made("cuda", "gradient_penalty", training={"cuda_graphs": True})
    assert "derivatives of derivatives" in accelerate(training)["cuda_graphs"]
    run_steps(training, data, steps=1)


def test_lack_of_device_memory_is_called_by_its_name() -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert reason_of(caught.value).startswith("out of memory: ")


def test_real_images_and_their_order_stay_on_the_device() -> None:
    _, data = made("cuda")
    data.batch(0)  # the order of the epoch is made here
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = data.batch(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.images.is_cuda and all(label.is_cuda for label in batch.labels.values())
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_numbers_that_a_trick_draws_reach_the_device_without_a_wait() -> None:
    training, _ = made("cuda")
    moment, like = training.moment("D", 0), torch.zeros(1, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = moment.normal("noise", (8,), like=like)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(drawn.cpu(), training.moment("D", 0).normal("noise", (8,)))


def test_fp32_is_not_rounded_to_tf32() -> None:
    assert device.settings()["tf32"] is False
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(256, 256, generator=rng)
    error = (a.cuda() @ a.cuda()).cpu().double() - a.double() @ a.double()
    assert error.abs().max() < 1e-3  # TF32 would be off by some 1e-2


# --- entire cells --------------------------------------------------------------------------------------
class StopAfter(StopSwitch):
    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Interrupted("stopped by a test")


def cell_of(tiny_suite: Any, folder: Path, *settings: str) -> CellFolder:
    suite = tiny_suite("", *settings, "options.device=cuda")
    (cell,) = expand(suite)
    made = CellFolder(folder / "cells" / cell.id)
    made.write_config(cell, suite.options, folder / "cache")
    return made


def finish(folder: CellFolder) -> RunResult:
    result = run_cell(folder)
    folder.save_result(result)
    return result


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cell_that_is_resumed_ends_with_the_same_bits(tiny_suite: Any, tmp_path: Path, precision: str) -> None:
    setting = f"base.training.precision={precision}"
    straight, broken = (cell_of(tiny_suite, tmp_path / name, setting) for name in ("straight", "broken"))
    expected = finish(straight)
    with pytest.raises(Interrupted):
        run_cell(broken, StopAfter(7))
    found = finish(broken)
    assert found.metrics == expected.metrics
    files = sorted((straight.path / "generators").iterdir())
    assert files and all((broken.path / "generators" / f.name).read_bytes() == f.read_bytes() for f in files)


def test_a_cell_records_its_device_and_the_peak_of_its_memory(tiny_suite: Any, tmp_path: Path) -> None:
    folder = cell_of(tiny_suite, tmp_path)
    torch.cuda.reset_peak_memory_stats()
    result = finish(folder)
    origin = folder.read_provenance()
    assert origin is not None and origin.device.startswith("cuda: ") and origin.settings["tf32"] is False
    assert 0 < result.peak_memory_mib < torch.cuda.get_device_properties(0).total_memory / 2**20
    assert all(line["memory_mib"] > 0 for line in folder.history() if "D/adversarial" in line)


def test_a_cell_with_cuda_graphs_scores_like_one_without(tiny_suite: Any, tmp_path: Path) -> None:
    torch._dynamo.reset()
    plain = finish(cell_of(tiny_suite, tmp_path / "plain"))
    folder = cell_of(tiny_suite, tmp_path / "graphs", "base.training.cuda_graphs=true")
    quick = finish(folder)
    origin = folder.read_provenance()
    assert origin is not None and origin.left_out == {}
    assert quick.metrics["colour"] == pytest.approx(plain.metrics["colour"], rel=0.1, abs=0.1)


def test_a_profile_waits_for_the_device_and_misses_no_part(tiny_suite: Any, tmp_path: Path) -> None:
    result = finish(cell_of(tiny_suite, tmp_path, "options.profile_cell=true"))
    assert {"data", "D", "G", "evaluation", "health"} <= result.profile.keys()
