"""Tiny runs between two domains, for the tests beside this file."""

from __future__ import annotations

from dataclasses import replace

import torch

from ganbench.phases import watching
from ganbench.testing import tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_translation.architectures.cyclegan import CycleGAN as CycleGANNetworks
from ganbench_translation.architectures.unit import UNIT as UNITNetworks
from ganbench_translation.procedures.cyclegan import CycleGAN
from ganbench_translation.procedures.unit import UNIT

MODELS = ["cyclegan", "unit"]
NETWORKS = {"cyclegan": CycleGANNetworks, "unit": UNITNetworks}
PROCEDURES = {"cyclegan": CycleGAN, "unit": UNIT}


def parts(
    model, *, size=16, domains=("day", "night"), options=None, depth=None, tricks=(), loss="least_squares", **changes
):
    """Parts of a tiny run; `options` are those of the procedure, `depth` those of the architecture, `changes` of the
    configuration."""
    architecture = NETWORKS[model](**(depth or {}))
    given = tiny_parts(
        tiny_config(architecture, **changes),
        tiny_info(size=size, domains=domains),
        architecture=architecture,
        procedure=PROCEDURES[model](**(options or {})),
        loss=loss,
        tricks=tricks,
    )
    # tiny_parts names plugins after their classes: CycleGAN would be cycle_gan
    named = {kind: type(getattr(given.config, kind))(name=model) for kind in ("architecture", "procedure")}
    return replace(given, config=replace(given.config, **named))


def training(model, **changes):
    return tiny_training(parts(model, **changes))


def gallery(run, data, n=6):
    """What the procedure shows of n inputs, and the inputs."""
    inputs = run.procedure.sampling_inputs(n, data, run.config, torch.Generator())
    with watching(run, "gallery"):
        return run.procedure.gallery(run.networks.generator, inputs), inputs
