"""One cell: assemble -> (train a stretch -> evaluate)* -> result.

The cell's folder holds all that is needed, and all that is left; started again, a cell continues where it stopped.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from ganbench import device as devices, registry
from ganbench.api.cell import Cell, Provenance, RunResult
from ganbench.api.config import RunOptions
from ganbench.api.data import rgb
from ganbench.api.logger import Logger
from ganbench.api.training import SamplingInputs, Training
from ganbench.assemble import assemble
from ganbench.blame import said_by
from ganbench.cache import real_images
from ganbench.cadence import Cadence
from ganbench.cell_folder import CellFolder
from ganbench.diary import Diary
from ganbench.errors import Diverged, GanbenchError, Interrupted
from ganbench.evaluate import prepare_panel
from ganbench.judge import Judge
from ganbench.lease import LeaseLost
from ganbench.phases import gallery, sampling_inputs
from ganbench.pictures import columns_for, save_animation, save_grid, side_by_side
from ganbench.profile import Profile, add_up, as_seconds, table
from ganbench.provenance import provenance, recorded_training_key, went_on
from ganbench.speed import FAILED, accelerate, to_blame
from ganbench.streams import monitor, real_data, sampling_streams
from ganbench.train.data import RealImages
from ganbench.train.health import Monitor, NotFinite
from ganbench.train.loop import Evaluation, Progress, restore, save, schedule, train
from ganbench.twice import compared, first_pass

GRID_IMAGES = 64  # of the fixed latents, kept at every evaluation


@dataclass(kw_only=True)
class StopSwitch:
    """Set by a signal; the run saves and stops at the next step."""

    reason: str = ""

    def check(self) -> None:
        if self.reason:
            raise Interrupted(self.reason)


class DoesNotFit(Exception):
    """A checkpoint is whole, and of another program."""


def run_cell(folder: CellFolder, stop: StopSwitch | None = None) -> RunResult:
    """Train and evaluate the cell of a folder, or go on with it; returns the result, which the caller saves.

    Raises Interrupted (after saving), and whatever a plugin raises.
    """
    cell, options, cache = folder.read_config()
    stop = stop or StopSwitch()
    earlier = folder.read_provenance()
    failed = [why for why in earlier.left_out.values() if why.startswith(FAILED)] if earlier is not None else []
    without = "".join(failed[:1])
    first = earlier.self_check if earlier is not None else {}
    if options.self_check and folder.checkpoint_step() <= 0:
        first = first_pass(cell, options, cache, lambda: bool(stop.reason))
    run = CellRun.open(cell, folder, options, cache, stop, without=without)
    if earlier is not None and recorded_training_key(earlier) != recorded_training_key(run.origin):
        print("the plugins or the data have changed since this cell was begun: starting over")
        folder.forget()
        earlier, first = None, {}
    try:
        run.resume()
    except DoesNotFit as error:
        print(f"the checkpoint does not fit ({error}): starting over")
        folder.drop_checkpoints()
        run = CellRun.open(cell, folder, options, cache, stop, without=without)  # half of it may have been restored
        run.resume()
    if earlier is not None and run.training.step:
        run.origin = went_on(earlier, run.origin)
    else:
        run.origin = replace(run.origin, self_check=first)
    folder.write_provenance(run.origin)
    try:
        return run.finish()
    except Exception as error:
        if isinstance(error, GanbenchError | OSError) or not to_blame(error, run.training):
            raise
        without = f"{FAILED} at step {run.training.step} ({said_by(error)})"
    print(f"{without}: starting over without")
    del run  # and what it holds of the device's memory
    folder.forget()
    run = CellRun.open(cell, folder, options, cache, stop, without=without)
    folder.write_provenance(run.origin)
    run.resume()
    return run.finish()


@dataclass(kw_only=True)
class CellRun:
    """A cell's training, its judges and its files."""

    cell: Cell
    folder: CellFolder
    options: RunOptions
    stop: StopSwitch
    origin: Provenance
    training: Training
    data: RealImages
    judge: Judge
    grid_inputs: SamplingInputs
    diary: Diary
    health: Monitor | None  # None where it is switched off
    cadence: Cadence
    profile: Profile | None = None  # where the time goes, if anybody asks
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def open(
        cls, cell: Cell, folder: CellFolder, options: RunOptions, cache: Path, stop: StopSwitch, *, without: str = ""
    ) -> CellRun:
        """Everything that can fail cheaply fails here: plugins, conflicts, weights, data. `without` says why networks
        are not to be compiled."""
        device = devices.pick(options.device)
        devices.configure(device, cell.config.training.threads, options.deterministic)
        real = real_images(cell.config.dataset, cell.evaluation, device=device, cache=cache, say=print)
        training = assemble(cell, device)
        left_out = accelerate(training, without=without)
        streams = sampling_streams(training, real)
        health = monitor(training, real, streams["data"]) if options.health else None
        run = cls(
            cell=cell,
            folder=folder,
            options=options,
            stop=stop,
            origin=provenance(cell, real, options, left_out),
            training=training,
            data=real_data(training, real.samples("train"), training.seed),
            judge=Judge(
                config=cell.evaluation,
                training=training,
                panel=prepare_panel(real.metrics, real, lambda: real.network),
                streams=streams,
            ),
            grid_inputs=sampling_inputs(
                training, GRID_IMAGES // len(training.procedure.shows), streams["data"], "grid"
            ),
            diary=Diary(
                folder=folder,
                training=training,
                health=health,
                loggers=[cast(Logger, registry.make("logger", log)).open(cell, folder.path) for log in options.loggers],
            ),
            health=health,
            cadence=Cadence(seconds=options.checkpoint_seconds),
        )
        for name, why in left_out.items():
            print(f"training.{name} is left out: {why}")
        if options.profile_cell:
            run.watch_time()
        return run

    def resume(self) -> None:
        """Continue from the newest whole checkpoint; what was written after it is forgotten and done again."""
        state = self.folder.load_checkpoint(str(self.training.device))
        if state is not None and state.get("evaluation") != self.judge.key:
            print("the evaluation has changed since this cell was begun: starting over, so that no scores are mixed")
            state = None
        if state is not None and state["snapshots"] > len(self.folder.snapshots()):
            print("snapshots.jsonl is damaged: starting over")
            state = None
        if state is None:
            self.folder.drop_checkpoints()
            self.folder.rewind(step=-1, snapshots=0)
            return
        try:
            restore(self.training, self.progress, state, self.health)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise DoesNotFit((str(error).splitlines() or [type(error).__name__])[0]) from error
        self.folder.rewind(step=self.training.step, snapshots=state["snapshots"])
        if self.profile is not None:
            self.profile.seconds = as_seconds(state.get("profile"))
        print(f"resumed at step {self.training.step}")

    def watch_time(self) -> None:
        """Say where it goes: from here on, every part of the run is timed."""
        self.profile = profile = Profile(device=self.training.device)
        profile.watch_training(self.training, self.data)
        if self.health is not None:
            profile.watch(self.health, "wants_gradients", "collect", "look", part="health")
        profile.watch(self, "evaluate", part="evaluation")
        profile.watch(self.diary, "log", "looked", part="history")
        profile.watch(self, "heartbeat", part="history")
        profile.watch(self, "save_checkpoint", part="checkpoints")

    # --- the run -------------------------------------------------------------------------------------
    def finish(self) -> RunResult:
        """Train to the end of the budget, evaluating on the way."""
        points = schedule(self.cell.evaluation.curve_fractions(), self.cell.evaluation.window_fractions())
        try:
            for point in train(
                self.training,
                self.data,
                points,
                self.progress,
                log_every=self.options.log_every,
                log=self.diary.log,
                heartbeat=self.heartbeat,
                checkpoint=self.checkpoint,
                health=self.health,
                looked=self.diary.looked,
            ):
                self.evaluate(point)
        except LeaseLost:
            raise
        except Interrupted:
            self.save_checkpoint()
            raise
        except Diverged as error:
            if isinstance(error, NotFinite) and self.health is not None:
                self.diary.warn(self.health.end(self.training, str(error)))
            return replace(self.counts(), status="diverged", reason=str(error))
        except BaseException:
            with contextlib.suppress(Exception):
                self.diary.last_words()
            raise
        finally:
            self.diary.close()
        frames = [self.grid_path(s["step"]) for s in self.folder.snapshots()]
        save_animation([frame for frame in dict.fromkeys(frames) if frame.exists()], self.folder.animation)
        result = self.judge.result(self.counts(), self.folder.snapshots())
        if result.profile:
            print("\n".join(table(result.profile)))
        return result

    def evaluate(self, point: Evaluation) -> None:
        """One pause of the loop: the grid of fixed latents, the generator for later re-scoring, and all metrics."""
        config, grid = self.cell.evaluation, self.grid_path(self.training.step)
        made = gallery(
            self.training, self.grid_inputs, purpose="grid", weights=config.weights, batch_norm=config.batch_norm
        )
        views = [rgb(made[name]) for name in self.training.procedure.shows]
        save_grid(side_by_side(views), grid, columns_for(len(views)))
        kept = self.keep_generator() if self.options.keep_generators else ""
        self.diary.snapshots(self.judge.measure(point, kept, self.check_evaluation), grid)

    def keep_generator(self) -> str:
        kept = {name: net.state_dict() for name, net in self.training.networks.items() if name != "discriminator"}
        return self.folder.save_generator(self.training.step, kept)

    def grid_path(self, step: int) -> Path:
        return self.folder.samples / f"{step:08d}.webp"

    def counts(self) -> RunResult:
        """What is known of every cell that ended, however it ended."""
        return RunResult(
            status="done",
            updates={"d": self.training.updates["D"], "g": self.training.updates["G"]},
            steps=self.training.step,
            images_seen=self.training.images_seen,
            seconds=round(self.training.seconds, 3),
            evaluation_seconds=round(sum(s["evaluation_seconds"] for s in self.folder.snapshots()), 3),
            peak_memory_mib=self.diary.peak_memory_mib(),
            profile=add_up([self.profile.measured()]) if self.profile is not None else {},
            health=self.health.summary() if self.health is not None else {},
            protocol=self.judge.protocol,
            evaluation=self.judge.key,
        )

    # --- what the loop calls ---------------------------------------------------------------------------
    def heartbeat(self, training: Training) -> None:
        self.check_itself()
        self.stop.check()
        self.diary.sign_of_life("training")

    def check_evaluation(self) -> None:
        self.stop.check()
        self.diary.sign_of_life("evaluating")

    def check_itself(self) -> None:
        """Once the run is where its first pass ended; before any checkpoint of that step, so that it is not missed."""
        said = compared(self.origin.self_check, self.training)
        if said != self.origin.self_check:
            self.origin = replace(self.origin, self_check=said)
            self.folder.write_provenance(self.origin)

    def checkpoint(self, after_evaluation: bool) -> None:
        self.check_itself()
        if self.cadence.due(after_evaluation):
            self.save_checkpoint()

    def save_checkpoint(self) -> None:
        started = time.monotonic()
        state = save(self.training, self.progress, self.health)
        more = {"snapshots": len(self.folder.snapshots()), "evaluation": self.judge.key}
        if self.profile is not None:
            more["profile"] = self.profile.measured()
        self.folder.save_checkpoint(self.training.step, state | more)
        self.cadence.saved(started)
