"""Where results come from: versions, plugins with their source digests, data, device, commit.

Importing this imports no torch: `status` and `report` compare what is recorded with what is installed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench import registry
from ganbench.api.cell import Cell, Provenance
from ganbench.api.config import EvaluationConfig, Json, PluginSpec, RunConfig, RunOptions
from ganbench.api.plugin import Kind
from ganbench.files import plain
from ganbench.version import __version__

if TYPE_CHECKING:
    from ganbench.cache import RealImagesOf

PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "pillow")


def provenance(
    cell: Cell, real: RealImagesOf, options: RunOptions, left_out: Mapping[str, str] | None = None
) -> Provenance:
    """Of a cell that starts now, in this process."""
    from ganbench import device as devices

    return Provenance(
        ganbench=__version__,
        versions={"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        plugins=plugin_digests(training_plugins(cell.config) + evaluation_plugins(cell.evaluation)),
        dataset=real.digest("train"),
        extractor=real.extractor_plugin.digest(),
        device=devices.describe(real.device),
        git_commit=git_commit(),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        options=options,
        settings=devices.settings(),
        left_out=dict(left_out or {}),
    )


def went_on(earlier: Provenance, now: Provenance) -> Provenance:
    """Of a cell that continues: with the versions under which it was trained until now, where they are others."""
    then = {"torch": earlier.versions.get("torch", ""), "ganbench": earlier.ganbench, "device": earlier.device}
    here = {"torch": now.versions.get("torch", ""), "ganbench": now.ganbench, "device": now.device}
    continued = earlier.continued if then == here else (*earlier.continued, then)
    return replace(now, continued=continued, self_check=earlier.self_check)


def training_plugins(config: RunConfig) -> list[tuple[Kind, PluginSpec]]:
    """Those that make the trained networks."""
    single: list[tuple[Kind, PluginSpec]] = [
        ("dataset", config.dataset),
        ("architecture", config.architecture),
        ("loss", config.loss),
        ("procedure", config.procedure),
    ]
    return single + [("trick", spec) for spec in config.tricks]


def evaluation_plugins(config: EvaluationConfig) -> list[tuple[Kind, PluginSpec]]:
    """Those that judge them."""
    return [("extractor", config.extractor), *(("metric", spec) for spec in config.metrics)]


def plugin_digests(plugins: list[tuple[Kind, PluginSpec]]) -> dict[str, dict[str, str]]:
    """`kind/name` -> its distribution, version and source digest; nothing is imported."""
    found = {}
    for kind, spec in plugins:
        entry = registry.find(kind, spec.name)
        found[f"{kind}/{spec.name}"] = {
            "distribution": entry.distribution,
            "version": entry.version,
            "digest": registry.source_digest(entry),
        }
    return found


def training_key(config: RunConfig, data: str) -> dict[str, str]:
    """What must not change once a cell is trained, as it is now: source of its plugins, and its data."""
    digests = {name: plugin["digest"] for name, plugin in plugin_digests(training_plugins(config)).items()}
    return digests | {"data": data}


def recorded_training_key(origin: Provenance) -> dict[str, str]:
    """The same, as it was when the cell was trained."""
    kinds = ("dataset/", "architecture/", "loss/", "procedure/", "trick/")
    digests = {name: plugin["digest"] for name, plugin in origin.plugins.items() if name.startswith(kinds)}
    return digests | {"data": origin.dataset}


def changed_since(origin: Provenance, config: RunConfig, data: str | None = None) -> str:
    """Which plugins, or the data, are not as they were when a cell was trained; empty when all are. Plugins that are
    not installed here, and data whose digest is not given, cannot be compared."""
    then = recorded_training_key(origin)
    names = tuple((kind, spec.name) for kind, spec in training_plugins(config))
    key = ("changed since", names, data, tuple(then.items()))
    return registry.once(key, lambda: _differing(then, training_plugins(config), data))


def _differing(then: dict[str, str], plugins: list[tuple[Kind, PluginSpec]], data: str | None) -> str:
    installed = [(kind, spec) for kind, spec in plugins if spec.name in registry.names(kind)]
    now = {name: plugin["digest"] for name, plugin in plugin_digests(installed).items()}
    now |= {} if data is None else {"data": data}
    changed = sorted(name for name in now if then.get(name) != now[name])
    return f"changed since: {', '.join(changed)}" if changed else ""


def protocol_digest(protocol: Mapping[str, Json]) -> str:
    """Of a measurement protocol: it names what no option does, such as the weights of extractor and evaluator."""
    return hashlib.sha256(json.dumps(plain(protocol), sort_keys=True).encode()).hexdigest()[:16]


def evaluation_key(config: EvaluationConfig, protocol: str) -> str:
    """Digest of all that a score depends on besides the trained networks, as it is now; `protocol` is the digest of
    the measurement protocol."""
    digests = {name: plugin["digest"] for name, plugin in plugin_digests(evaluation_plugins(config)).items()}
    value = {"config": plain(config), "plugins": digests, "protocol": protocol}
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def git_commit() -> str | None:
    """Of the folder that ganbench is run from, with `+` when it has uncommitted changes; None outside a repository."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=Path.cwd(),
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
