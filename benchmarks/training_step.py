"""One D step and one G step: ganbench's own procedure and loop pieces against those of others.

    python -m benchmarks.training_step [--case NAME ...] [--rounds N]

The networks have the same number of parameters, and where the two programs differ in anything else, the table says so.
Ours is measured as cells are run: deterministic kernels, the allocator's settings, and real images that are picked
from memory as uint8 and scaled, while the peers' batch lies ready.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine, peers
from benchmarks.sides import Side, alternate, ours_environment, ratio
from ganbench.api.config import OptimizerConfig

ROOT = Path(__file__).parent.parent
ADAM_05 = OptimizerConfig(betas=(0.5, 0.999))
ADAM_00 = OptimizerConfig(betas=(0.0, 0.9))
RESNET = {"stem": "linear", "upsampling": "nearest", "activation": "relu", "bias": True}
CRITIC = {"downsampling": "average_pool", "activation": "relu", "bias": True, "norm": "none"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A peer and what we do instead of it."""

    peer: str
    make: str  # of benchmarks.peers
    arguments: dict[str, Any]
    config: dict[str, Any]  # changes of a RunConfig
    size: int
    package: str = ""  # has to be installed
    remark: str = ""
    wanted: tuple[float, float] | None = None  # the ratios in fp32 and bf16 that issue 7 asks for


def dcgan(width: int) -> dict[str, Any]:
    side = {"width": width, "activation": "leaky_relu", "optimizer": ADAM_05}
    return {"generator": side | {"activation": "relu"}, "discriminator": side}


def resnet(width: int, pooling: str, adam: OptimizerConfig, **critic: Any) -> dict[str, Any]:
    kind = {"resnet": {"widest": 1, "last_side": 8, "plain_blocks": 2, "pooling": pooling}}
    return {
        "architecture": kind,
        "latents": {"size": 128},
        "generator": RESNET | {"width": width, "optimizer": adam},
        "discriminator": CRITIC | {"width": width, "optimizer": adam} | critic,
    }


NEAREST = "theirs upsamples bilinearly, ours by repetition, as the paper does"
CASES = {
    "tutorial64": Case(
        peer="PyTorch DCGAN tutorial, 64 px, width 64",
        make="tutorial",
        arguments={"width": 64},
        config=dcgan(64),
        size=64,
        wanted=(1.25, 2.5),
        remark="it uses the fakes of D's step again for G; ours draws new latents, a forward of G more",
    ),
    "tutorial64_fresh": Case(
        peer="the same, with new latents for G",
        make="tutorial",
        arguments={"width": 64, "fresh_latents": True},
        config=dcgan(64),
        size=64,
        wanted=(1.25, 2.5),
    ),
    "tutorial16": Case(
        peer="PyTorch DCGAN tutorial, 64 px, width 16",
        make="tutorial",
        arguments={"width": 16},
        config=dcgan(16),
        size=64,
        remark="as above",
    ),
    "mimicry_dcgan": Case(
        peer="torch-mimicry DCGAN, 32 px, width 64",
        make="mimicry",
        arguments={"kind": "dcgan", "width": 64},
        config=resnet(64, "sum", ADAM_05),
        size=32,
        package="torch_mimicry",
        wanted=(1.4, 4.0),
        remark=NEAREST,
    ),
    "mimicry_sngan": Case(
        peer="torch-mimicry SNGAN, 32 px, width 64",
        make="mimicry",
        arguments={"kind": "sngan", "width": 64},
        config=resnet(64, "sum", ADAM_00, spectral_norm=True) | {"loss": "hinge"},
        size=32,
        package="torch_mimicry",
        wanted=(1.4, 4.0),
        remark=NEAREST,
    ),
    "mimicry_wgan_gp": Case(
        peer="torch-mimicry WGAN-GP, 32 px, width 64",
        make="mimicry",
        arguments={"kind": "wgan_gp", "width": 64},
        config=resnet(64, "mean", ADAM_00) | {"loss": "wasserstein", "tricks": ["gradient_penalty"]},
        size=32,
        package="torch_mimicry",
        wanted=(1.2, 3.0),
        remark=NEAREST,
    ),
    "torchgan": Case(
        peer="torchgan DCGAN, 32 px, width 64",
        make="torchgan",
        arguments={"width": 64},
        config={
            "architecture": "existing_networks.torchgan_dcgan:TorchganDCGAN",
            "generator": {"optimizer": ADAM_05},
            "discriminator": {"optimizer": ADAM_05},
        },
        size=32,
        package="torchgan",
        remark="the very same networks, in the memory format they come in",
    ),
}


def ours(case: str, precision: str) -> peers.Work:
    """Our side of a case, through the parts of a real cell: `assemble.build`, the procedure, the data in memory."""
    from ganbench import device
    from ganbench.api.config import PluginSpec, RunConfig
    from ganbench.api.data import DatasetInfo, Samples
    from ganbench.api.training import Parts
    from ganbench.api.trick import change
    from ganbench.assemble import build
    from ganbench.registry import make
    from ganbench.train.data import RealImages

    device.configure(torch.device("cpu"), threads=1, deterministic=True)
    chosen, info = CASES[case], DatasetInfo(shape=(3, CASES[case].size, CASES[case].size), counts={"train": 512})
    settings = dict(chosen.config)
    kind, tricks = settings.pop("architecture", "dcgan"), settings.pop("tricks", [])
    loss = settings.pop("loss", "non_saturating")
    config = change(RunConfig(), **settings, training={"batch_size": peers.BATCH, "precision": precision})
    if isinstance(kind, str) and ":" in kind:
        architecture = existing(kind)
    else:
        name, options = (kind, {}) if isinstance(kind, str) else next(iter(kind.items()))
        architecture = make("architecture", PluginSpec(name=name, options=options))
    parts = Parts(
        config=config,
        info=info,
        architecture=architecture,
        loss=make("loss", PluginSpec(name=loss)),
        procedure=make("procedure", PluginSpec(name="adversarial")),
        tricks={name: make("trick", PluginSpec(name=name)) for name in tricks},
    )
    training = build(parts, seed=0, device=torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (512, *info.shape), np.uint8)
    samples = [Samples(images=images, labels={}, domain="")]
    data = RealImages(info, samples, config, seed=0, batches_per_step=1, device=torch.device("cpu"))

    def step() -> None:
        data.step = training.step
        parts.procedure.step(training, data)
        training.step += 1

    return step, peers.facts(training.networks.generator, training.networks.discriminator)


def existing(value: str) -> Any:
    """An architecture of the examples."""
    import importlib

    sys.path.insert(0, str(ROOT / "docs" / "examples" / "existing_networks"))
    module, _, name = value.partition(":")
    return getattr(importlib.import_module(module), name)()


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a case came to; each figure with its quartiles."""

    case: Case
    seconds: dict[str, float]  # CPU time of a step: peer, fp32, bf16
    faster: dict[str, tuple[float, float, float]]  # fp32, bf16
    peaks: dict[str, float]  # MiB
    faults: dict[str, float]


def measure(name: str, rounds: int, seconds: float, bf16: bool = True) -> Row:
    case = CASES[name]
    with ExitStack() as stack:
        peer = Side(name="peer", make=f"benchmarks.peers:{case.make}", arguments=case.arguments)
        sides = [peer]
        for precision in ("fp32", "bf16") if bf16 else ("fp32",):
            arguments = {"case": name, "precision": precision}
            make = "benchmarks.training_step:ours"
            sides.append(Side(name=precision, make=make, arguments=arguments, environment=ours_environment()))
        for side in sides:
            stack.enter_context(side)
        for side in sides[1:]:
            assert side.said == peer.said, f"{name}: not the same networks: {side.said}, not {peer.said}"
        alternate(sides, rounds=rounds, seconds=seconds)
        return Row(
            case=case,
            seconds={side.name: side.median() for side in sides},
            faster={side.name: ratio(peer, side) for side in sides[1:]},
            peaks={side.name: side.peak_mib for side in sides},
            faults={side.name: side.median("faults") for side in sides},
        )


HEAD = (
    "peer",
    "peer, fp32 and bf16: s a step",
    "fp32 faster [quartiles]",
    "bf16 faster [quartiles]",
    "peak MiB: peer, fp32, bf16",
    "asked for",
)


def line(row: Row) -> str:
    shown = lambda values, digits: ", ".join(f"{value:.{digits}f}" for value in values.values())
    ratios = [f"{m:.2f} [{low:.2f}, {high:.2f}]" for m, low, high in row.faster.values()]
    ratios += [""] * (2 - len(ratios))
    wanted = "" if row.case.wanted is None else f"{row.case.wanted[0]:g}, {row.case.wanted[1]:g}"
    cells = (row.case.peer, shown(row.seconds, 3), *ratios, shown(row.peaks, 0), wanted)
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="default: all of them")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    parser.add_argument("--fp32", action="store_true", help="leave bf16 out")
    given = parser.parse_args(arguments)
    print(machine.describe() + "\n")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for name in given.case or CASES:
        if CASES[name].package and not peers.available(CASES[name].package):
            print(f"| {CASES[name].peer} | {CASES[name].package} is not installed |" + " |" * (len(HEAD) - 2))
            continue
        print(line(measure(name, given.rounds, given.seconds, not given.fp32)), flush=True)


if __name__ == "__main__":
    main()
