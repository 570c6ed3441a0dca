"""Tasks of a Ray cluster: `pip install 'ganbench[ray]'`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ganbench import ConfigError, Executor, Exit, Job, RunOptions, Unavailable
from ganbench_zoo.executors.remote import LOST, Errand, ended, errand, gpus_of

LOOK_SECONDS = 10.0  # between two looks at which nodes there are
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Ray(Executor):
    """Cells as tasks of Ray (Moritz et al., 2018): of a cluster that exists, or of one that is started for the run.

    Ray itself tries nothing again: a cell whose node is lost goes on from its last checkpoint, and what the cell itself
    did wrong is a result. What a cell asks for stands in the suite's `resources:`; GPUs may be shares of one.
    """

    address: str = (
        "auto"  # host:port; auto: RAY_ADDRESS or a cluster on this machine, else one is started; local: one is
    )
    autoscaling: bool = False  # nodes may come later: wait for resources that no node has yet

    def start(self, options: RunOptions, jobs: int | None, threads: int, say: Callable[[str], None]) -> RayWorkers:
        try:
            import ray
        except ImportError as error:
            raise Unavailable("the executor ray needs Ray: pip install 'ganbench[ray]'") from error
        if jobs is not None and jobs < 1:
            raise ConfigError(f"--jobs {jobs}: at least 1")
        ours = not ray.is_initialized()
        if ours:
            connect(ray, self.address, say)
        workers = RayWorkers(ray=ray, plugin=self, options=options, wanted=jobs, threads=threads, say=say, ours=ours)
        try:
            workers.refuse_impossible()
        except ConfigError:
            workers.stop(0.0)
            raise
        return workers


def connect(ray: Any, address: str, say: Callable[[str], None]) -> None:
    common = {"log_to_driver": False, "configure_logging": False, "include_dashboard": False}
    try:
        if address == "auto":
            try:
                ray.init(address="auto", **{k: v for k, v in common.items() if k != "include_dashboard"})
            except ConnectionError:
                say("no Ray cluster is running: one is started here, for this run")
                ray.init(address="local", **common)
        elif address == "local":
            ray.init(address="local", **common)
        else:
            ray.init(address=address, **{k: v for k, v in common.items() if k != "include_dashboard"})
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise Unavailable(f"ray: cannot connect to {address!r} ({' '.join(str(error).split())[:300]})") from error


@dataclass(kw_only=True)
class RayWorkers:
    ray: Any  # the module
    plugin: Ray
    options: RunOptions
    wanted: int | None
    threads: int
    say: Callable[[str], None]
    ours: bool  # the connection, to be closed at the end
    live: dict[Any, tuple[Job, float]] = field(default_factory=dict)  # by Ray's reference; with the time of submission
    looked: float = field(default_factory=time.monotonic)
    room: int = 0  # cells that the cluster could run at once when it was last looked at

    def asked(self, threads: int) -> dict[str, float]:
        """What one cell asks for, in Ray's words."""
        found = {"CPU": float(self.options.resources.cpus or threads), "GPU": self._gpus()}
        if self.options.resources.memory_gib:
            found["memory"] = self.options.resources.memory_gib * GIB
        return found

    def _gpus(self) -> float:
        """`device: auto` takes a GPU where the cluster has one."""
        asked = gpus_of(self.options)
        if self.options.resources.gpus is None and self.options.device == "auto":
            return float(any(node.get("GPU", 0.0) >= 1 for node in self.nodes()))
        return asked

    def nodes(self) -> list[dict[str, float]]:
        """What the nodes that live have in all."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def refuse_impossible(self) -> None:
        """Raises ConfigError when no node could ever run a cell: Ray would wait for ever."""
        asked, nodes = self.asked(self.threads), self.nodes()
        self.room = sum(fits(node, asked) for node in nodes)
        if self.room or self.plugin.autoscaling:
            return
        has = "; ".join(sorted({told(node) for node in nodes})) or "nothing"
        raise ConfigError(
            f"ray: a cell asks for {told(asked)}, and no node of the cluster has that much (there is: {has}). "
            "Change the suite's resources:, or set the executor's option autoscaling if nodes come by themselves"
        )

    @property
    def capacity(self) -> int:
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            asked = self.asked(self.threads)
            self.room = sum(fits(node, asked) for node in self.nodes())
            if not self.live:
                self.refuse_impossible()
        return self.wanted or max(self.room, 1)

    def submit(self, job: Job) -> None:
        asked = self.asked(job.threads)
        named = {"num_cpus": asked["CPU"], "num_gpus": asked["GPU"], "memory": asked.get("memory")}
        task = self.ray.remote(max_retries=0, **{k: v for k, v in named.items() if v is not None})(run_errand)
        self.live[task.remote(errand(Errand, job, self.options))] = (job, time.monotonic())

    def running(self) -> list[Job]:
        return [job for job, _ in self.live.values()]

    def describe(self) -> str:
        nodes = len(self.nodes())
        return f"ray, {nodes} node{'s' * (nodes != 1)}, {self.capacity} at once, {told(self.asked(self.threads))} each"

    def poll(self) -> list[Exit]:
        return list(self._ended())

    def _ended(self, stopped: bool = False) -> Iterator[Exit]:
        if not self.live:
            return
        done, _ = self.ray.wait(list(self.live), num_returns=len(self.live), timeout=0, fetch_local=True)
        for reference in done:
            job, started = self.live.pop(reference)
            try:
                yield ended(job, self.ray.get(reference), stopped)
            except self.ray.exceptions.RayError as error:  # its node or worker is lost, or it was cancelled
                if not stopped:
                    self.say(f"{job.cell}: {type(error).__name__}: its worker or node is lost")
                yield Exit(job=job, code=LOST, seconds=time.monotonic() - started, stopped=stopped)

    def stop(self, seconds: float) -> list[Exit]:
        exits: list[Exit] = []
        for reference in self.live:
            self.ray.cancel(reference)  # a KeyboardInterrupt there: the cell saves
        deadline = time.monotonic() + seconds
        while self.live and time.monotonic() < deadline:
            exits += self._ended(stopped=True)
            time.sleep(0.05)
        for reference, (job, _) in self.live.items():
            with contextlib.suppress(ValueError, RuntimeError):
                self.ray.cancel(reference, force=True)  # cells end with the process that started them
            exits.append(Exit(job=job, code=-9, stopped=True))
        self.live = {}
        if self.ours:
            self.ray.shutdown()
        return exits


def run_errand(errand: Errand) -> dict[str, Any]:
    return errand()


def fits(node: dict[str, float], asked: dict[str, float]) -> int:
    """How many cells a node has room for."""
    return min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in asked.items() if amount)


def told(resources: dict[str, float]) -> str:
    """`2 CPU, 0.5 GPU, 8 GiB`"""
    parts = [f"{resources[name]:g} {name}" for name in ("CPU", "GPU") if resources.get(name)]
    if resources.get("memory"):
        parts.append(f"{resources['memory'] / GIB:.0f} GiB")
    return ", ".join(parts) or "nothing"
