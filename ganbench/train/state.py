"""What a checkpoint holds. No random state: every stream is a function of (seed, purpose, step)."""

from __future__ import annotations

from typing import Any

from ganbench.api.training import Training

State = dict[str, Any]  # tensors, numbers, strings, None, and lists and dicts of them: loads with weights_only=True


def state_dict(training: Training) -> State:
    """Everything that changes while training, as a dict that `torch.load(weights_only=True)` reads back."""
    return {
        "step": training.step,
        "images_seen": training.images_seen,
        "updates": dict(training.updates),
        "seconds": training.seconds,
        "memories": {name: plugin.memory for name, plugin in training.parts.plugins().items()},
        "networks": {name: network.state_dict() for name, network in training.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in training.optimizers.items()},
    }


def load_state_dict(training: Training, state: State) -> None:
    """Put a run back to where `state_dict` was taken. The run must have been assembled from the same cell."""
    training.step = state["step"]
    training.images_seen = state["images_seen"]
    training.updates = dict(state["updates"])
    training.seconds = state["seconds"]
    for name, plugin in training.parts.plugins().items():
        plugin.memory.clear()
        plugin.memory.update(state["memories"][name])
    for name, network in training.networks.items():
        network.load_state_dict(state["networks"][name])
    for phase, optimizer in training.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][phase])
