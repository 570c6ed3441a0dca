"""Scoring a finished cell again, under another evaluation: its kept generators are measured, nothing is trained."""

from __future__ import annotations

from dataclasses import replace

from ganbench.api.cell import RunResult
from ganbench.api.config import Json
from ganbench.cell_folder import CellFolder
from ganbench.errors import GanbenchError
from ganbench.run import CellRun, StopSwitch
from ganbench.train.loop import Evaluation, schedule, together


def rescore_cell(folder: CellFolder, stop: StopSwitch | None = None) -> RunResult:
    """Measure the kept generators of a cell under the evaluation that its config.json now asks for.

    The curve keeps the evaluations that both schedules have; the score window must be complete. Raises GanbenchError
    when a generator is missing or damaged: then the cell must be retrained.
    """
    cell, options, cache = folder.read_config()
    earlier, origin = folder.load_result(), folder.read_provenance()
    assert earlier is not None
    if sentence := folder.lacks(cell.evaluation):
        raise GanbenchError(sentence)
    kept = folder.generators()
    run = CellRun.open(cell, folder, replace(options, loggers=(), health=False), cache, stop or StopSwitch())
    training = run.training
    points: dict[int, list[Evaluation]] = {}  # by step
    for point in schedule(cell.evaluation.curve_fractions(), cell.evaluation.window_fractions()):
        if point.fraction in kept:
            points.setdefault(kept[point.fraction]["step"], []).append(point)
    records: list[dict[str, Json]] = []
    for step, due in points.items():
        old = kept[due[-1].fraction]
        state = folder.load_generator(step, old["generator"])
        if state is None:
            raise GanbenchError(f"the generator of step {step} is damaged, so the cell must be retrained")
        for name, network in training.networks.items():
            if name in state:
                network.load_state_dict(state[name])
        training.step, training.images_seen, training.seconds = step, old["images_seen"], old["seconds"]
        training.updates = {"D": old["d_updates"], "G": old["g_updates"]}
        same: dict[str, Json] = {"progress": old["progress"], "fractions": old["fractions"]}
        records += [
            record | same for record in run.judge.measure(together(due), old["generator"], run.check_evaluation)
        ]
    steps = {record["step"] for record in records}
    unscheduled: dict[str, Json] = {"metrics": {}, "tables": {}, "window": False, "final": False}
    spare = {s["step"]: s | unscheduled for s in kept.values() if s["step"] not in steps}  # for later schedules
    folder.replace_snapshots(sorted([*spare.values(), *records], key=lambda record: float(str(record["step"]))))
    if origin is not None:
        judges = {
            name: plugin for name, plugin in run.origin.plugins.items() if name.startswith(("extractor/", "metric/"))
        }
        folder.write_provenance(replace(origin, plugins=origin.plugins | judges, extractor=run.origin.extractor))
    scored = run.judge.result(run.counts(), folder.snapshots())
    return replace(
        scored,
        steps=earlier.steps,
        updates=earlier.updates,
        images_seen=earlier.images_seen,
        seconds=earlier.seconds,
        peak_memory_mib=earlier.peak_memory_mib,
        profile=earlier.profile,
        health=earlier.health | scored.health,
    )
