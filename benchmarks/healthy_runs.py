"""How often healthy runs are warned of: `python -m benchmarks.healthy_runs [RUNS] [STEPS]`.

Short baselines with several losses, networks, sizes and data sets, at settings that are known to train. The goal: no
warning in 95 % of them. Nothing is evaluated; the harness's loop and its probes are all that runs.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ganbench.assemble import assemble
from ganbench.cache import real_images
from ganbench.streams import monitor, real_data, sampling_streams
from ganbench.suite import expand, load
from ganbench.train.health import Looked, NotFinite
from ganbench.train.loop import Progress, train

SUITE = """
name: healthy
question: Are healthy runs left in peace?
base:
  dataset: {faces: {size: 32, train: 2000, held_out: 400, conditions: 72}}
  generator: {width: 16, upsampling: nearest}
  discriminator: {width: 16, downsampling: average_pool}
  latents: {size: 32}
  training: {budget: {steps: 200}, batch_size: 16}
axes: {}
seeds: 1
baseline_seeds: 1
"""
LOSSES: dict[str, dict[str, Any]] = {
    "non-saturating": {},
    "least squares": {"loss": "least_squares"},
    "hinge, spectral norm": {"loss": "hinge", "tricks": ["spectral_norm"]},
    "WGAN-GP": {
        "loss": "wasserstein",
        "tricks": ["gradient_penalty"],
        "discriminator.norm": "none",
        "training.d_updates": 3,
        "generator.optimizer": {"lr": 1e-4, "betas": [0.0, 0.9]},
        "discriminator.optimizer": {"lr": 1e-4, "betas": [0.0, 0.9]},
    },
    "soft labels": {"tricks": ["label_smoothing"]},
    "R1": {"tricks": [{"gradient_penalty": {"at": "real", "target": 0.0, "weight": 1.0}}]},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "32 px": {},
    "blocks": {"dataset": {"blocks": {"size": 32, "train": 2000, "held_out": 400}}},
    "16 px": {"dataset": {"faces": {"size": 16, "train": 2000, "held_out": 400, "conditions": 72}}},
    "transposed": {"generator.upsampling": "transposed", "discriminator.downsampling": "strided"},
    "auxiliary classifier, lr 1e-3 and 5e-4": {
        "generator.conditioning": "concat",
        "generator.optimizer.lr": 1e-3,
        "discriminator.optimizer.lr": 5e-4,
        "tricks+": ["auxiliary_classifier"],
    },
}


def settings() -> Iterator[tuple[str, list[str]]]:
    """Names of runs and what they set, for ever: each combination with seed 0, then with seed 1."""
    for seed in itertools.count():
        for (loss, one), (kind, other) in itertools.product(LOSSES.items(), SETTINGS.items()):
            both = other | one
            more = both.pop("tricks+", [])
            both["tricks"] = [*both.get("tricks", []), *more]
            if "generator.optimizer" in both:  # the loss has learning rates of its own
                both = {path: value for path, value in both.items() if not path.endswith(".lr")}
            overrides = [f"base.{path}={json.dumps(value)}" for path, value in both.items()]
            yield f"{loss}, {kind}, seed {seed}", [*overrides, f"seeds=[{seed}]", f"baseline_seeds=[{seed}]"]


def run(folder: Path, overrides: list[str], steps: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the monitor says at the end, and the record of every probe."""
    path = folder / "healthy.yaml"
    path.write_text(SUITE)
    cell = expand(load(path, overrides=[*overrides, f"base.training.budget={{steps: {steps}}}"]))[0]
    device = torch.device("cpu")
    real = real_images(cell.config.dataset, cell.evaluation, device=device, cache=folder / "cache", say=print)
    training = assemble(cell, device)
    data = real_data(training, real.samples("train"), training.seed)
    health = monitor(training, real, sampling_streams(training, real)["data"])
    assert health is not None
    probes: list[dict[str, Any]] = []

    def looked(seen: Looked) -> None:
        probes.append(seen.record)

    loop = train(
        training,
        data,
        [],
        Progress(),
        log_every=50,
        log=lambda _: None,
        heartbeat=lambda _: None,
        checkpoint=lambda _: None,
        health=health,
        looked=looked,
    )
    try:
        list(loop)
    except NotFinite as error:
        health.end(training, str(error))
    return health.summary(), probes


def main() -> None:
    given = [int(word) for word in sys.argv[1:3]]
    runs, steps = [*given, *(60, 200)[len(given) :]]
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    warned = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name, overrides in itertools.islice(settings(), runs):
            summary, _ = run(Path(folder), overrides, steps)
            warnings = {one["name"]: one for one in summary["warnings"]}
            counts.update(warnings.keys())
            warned += bool(warnings)
            said = "; ".join(f"{one['message']} at {one['progress']:.0%}" for one in warnings.values())
            print(f"{name}: {said or 'healthy'}", flush=True)
    seconds = time.monotonic() - started
    print(f"{warned} of {runs} runs with a warning ({warned / runs:.1%}), {seconds:.0f} s: {dict(counts)}")


if __name__ == "__main__":
    main()
