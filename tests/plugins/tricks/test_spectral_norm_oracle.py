"""Spectral norm against torch-mimicry: the same weights in, the same outputs and gradients out."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from ganbench.nn import add_spectral_norm

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def mimicry():
    """Its modules without the package's own __init__, which imports TensorFlow."""
    if (found := importlib.util.find_spec("torch_mimicry")) is None:
        pytest.skip("torch-mimicry is not installed")
    package = ModuleType("torch_mimicry")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["torch_mimicry"] = package
    yield lambda module: importlib.import_module(f"torch_mimicry.{module}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch_mimicry"]:
        del sys.modules[name]


def test_spectral_norm(mimicry):
    torch.manual_seed(0)
    theirs = mimicry("modules.spectral_norm").SNConv2d(3, 5, 3).double()
    ours = torch.nn.Conv2d(3, 5, 3).double()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    network = torch.nn.Sequential(ours)
    add_spectral_norm(network)
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    for _ in range(500):  # one starts the iteration at the left vector, one at the right: equal once both have settled
        left, right = network(images), theirs(images)
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(left.square().sum(), ours.parametrizations.weight.original)
    (wanted,) = torch.autograd.grad(right.square().sum(), theirs.weight)
    torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-4)
