from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_plugins

from ganbench import registry
from ganbench.api.cell import Suite
from ganbench.suite import load

TINY = """
name: tiny
question: Does it run?
base:
  dataset: tiny
  generator: {width: 4}
  discriminator: {width: 4}
  latents: {size: 8}
  ema: 0.9
  training: {budget: {steps: 12}, batch_size: 4}
  evaluation: {extractor: pixels, resize: null, images: 12, window: 3, curve: 1, final_images: 20, batch_size: 8}
metrics: [colour]
seeds: [0]
baseline_seeds: [0]
options: {device: cpu, log_every: 3, checkpoint_seconds: 1.0e-3}
"""


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What came of trying plugins is kept in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The plugins of tiny_plugins.py are installed, here and in processes that are started from here."""
    path = tiny_plugins.announce(tmp_path_factory.mktemp("tiny"))
    path = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))  # which tests of tests set
    caches = (registry._scan, registry.plugin_class)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*path.split(os.pathsep), *sys.path])
        patch.setenv("PYTHONPATH", path)
        patch.setenv("OMP_NUM_THREADS", "1")
        for cache in caches:
            cache.cache_clear()
        yield path
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def tiny_suite(tiny_path: str, tmp_path: Path) -> Callable[..., Suite]:
    """The suite TINY with other lines behind it, and settings `path=value`."""

    def make(more: str = "", *settings: str) -> Suite:
        file = tmp_path / "tiny.yaml"
        file.write_text(TINY + more)
        return load(file, overrides=settings)

    return make
