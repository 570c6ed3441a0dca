"""Compiled networks and CUDA graphs: asked for by a suite, and left out with a reason where they cannot be.

Only passes in training mode are compiled: samples and probes of any number of images come from the plain networks, and
copies of a network (the moving average, standing batch norm) are plain, too. Everything else of a run stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganbench.api.training import Parts, Training
from ganbench.blame import message
from ganbench.source import locate

BACKEND = "inductor"
FAILED = "compiled networks failed"
COMPILER = ("/torch/_dynamo/", "/torch/_inductor/", "/torch/_functorch/")
SECOND_DERIVATIVE = "create_graph"  # of torch.autograd.grad: compiled networks have no derivative of a derivative


def accelerate(training: Training, *, without: str = "") -> dict[str, str]:
    """Compile the networks where the suite asks for it. Returns what is left out: option -> why.

    `without` is a reason to leave all of it out, known from an earlier attempt.
    """
    asked = training.config.training
    wanted = [name for name in ("compile", "cuda_graphs") if getattr(asked, name)]
    if not wanted:
        return {}
    reason = without or takes_second_derivatives(training.parts)
    if reason:
        return dict.fromkeys(wanted, reason)
    left_out: dict[str, str] = {}
    graphs = asked.cuda_graphs
    if graphs and training.device.type != "cuda":
        left_out["cuda_graphs"] = f"they are of CUDA devices, and this one is {training.device.type}"
        graphs = False
    if asked.compile or graphs:
        for network in (training.networks.generator, training.networks.discriminator):
            compile_training(network, graphs)
    if graphs:
        mark_steps(training)
    return left_out


def takes_second_derivatives(parts: Parts) -> str:
    """Which plugin differentiates a gradient, as its source says; empty when none does."""
    for name, plugin in parts.plugins().items():
        file: Path | None = locate(type(plugin).__module__)
        if file is not None and SECOND_DERIVATIVE in file.read_text("utf-8", errors="replace"):
            return f"{name} takes derivatives of derivatives, which compiled networks do not have"
    return ""


def compile_training(network: nn.Module, graphs: bool) -> None:
    """Calls in training mode go through the compiler; the module, its names and its state stay what they are."""
    options: dict[str, Any] = {"mode": "reduce-overhead"} if graphs else {}  # its CUDA graphs
    compiled = torch.compile(network._call_impl, backend=BACKEND, dynamic=False, **options)

    def call(*inputs: Any, **named: Any) -> Any:
        return (compiled if network.training else network._call_impl)(*inputs, **named)

    network._compiled_call_impl = call


def to_blame(error: BaseException, training: Training) -> bool:
    """Whether an exception came through the compiler, so that the run may do without it."""
    if getattr(training.networks.generator, "_compiled_call_impl", None) is None:
        return False
    trace, files = error.__traceback__, list[str]()
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return "CUDAGraph" in message(error) or any(part in file for part in COMPILER for file in files)


def mark_steps(training: Training) -> None:
    """All passes of a step belong together: what a graph made stays whole until the next step begins."""
    step: Callable[..., Any] = training.procedure.step

    def marked(*inputs: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return step(*inputs)

    object.__setattr__(training.procedure, "step", marked)  # of this instance; plugins are frozen
