"""Where the time of a cell goes: every second has one part, and asking changes nothing of the run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganbench import profile
from ganbench.commands import run as run_command
from ganbench.profile import ORDER, Profile, add_up, as_seconds, table
from ganbench.testing import run_steps, tiny_config, tiny_parts, tiny_training


class Watch:
    """A clock that stands still unless told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(profile, "time", made)
    return made


def made_of(watch: Watch) -> Profile:
    return Profile(device=torch.device("cpu"), _since=watch.now)


def test_a_part_inside_another_counts_once(watch: Watch) -> None:
    clock = made_of(watch)

    def spend(seconds: float) -> None:
        watch.now += seconds

    inner = clock.part("tricks/noise", spend)

    def outer() -> None:
        spend(1.0)
        inner(4.0)
        spend(2.0)

    clock.part("evaluation", outer)()
    spend(8.0)
    assert clock.measured() == {"rest": 8.0, "evaluation": 3.0, "tricks/noise": 4.0}


def test_time_in_a_step_belongs_to_the_player_who_steps_next(watch: Watch) -> None:
    clock = made_of(watch)

    def step() -> None:
        for phase, seconds in (("D", 3.0), ("D", 3.0), ("G", 5.0)):
            watch.now += seconds
            clock.stepped(phase)  # type: ignore[arg-type]
        watch.now += 0.5  # the moving average

    clock.part("", step)()
    assert clock.measured() == {"rest": 0.0, "D": 6.0, "G": 5.5}


def test_a_part_that_raises_is_closed(watch: Watch) -> None:
    clock = made_of(watch)

    def fail() -> None:
        watch.now += 2.0
        raise KeyError

    with pytest.raises(KeyError):
        clock.part("health", fail)()
    watch.now += 1.0
    assert clock.measured() == {"rest": 1.0, "health": 2.0}


def test_profiles_add_up_and_tricks_are_summed() -> None:
    whole = add_up([{"G": 1.0, "tricks/top_k": 0.5, "rest": 0.1}, {"D": 2.0, "tricks/ada": 0.25, "rest": 0.1}])
    assert whole == {"D": 2.0, "G": 1.0, "tricks": 0.75, "rest": 0.2, "tricks/ada": 0.25, "tricks/top_k": 0.5}
    shares = [line.split()[-1] for line in table(whole)[1:]]
    assert shares == ["50.6%", "25.3%", "19.0%", "5.1%", "6.3%", "12.7%"]


def test_a_checkpoint_without_a_profile_begins_at_nothing() -> None:
    assert as_seconds(None) == {}
    assert as_seconds({"D": 1, "G": 0.5, "x": "y"}) == {"D": 1.0, "G": 0.5}


def test_the_same_run_with_a_profile_and_every_part_is_seen() -> None:
    ran = []
    for watched in (False, True):
        parts = tiny_parts(tiny_config(ema=0.9), tricks=["instance_noise", "gradient_penalty"])
        training, data = tiny_training(parts)
        clock = Profile(device=torch.device("cpu"))
        if watched:
            clock.watch_training(training, data)
        run_steps(training, data, steps=2)
        ran.append(training.networks.generator.state_dict())
        if watched:
            seen = clock.measured()
            assert {"data", "D", "G", "tricks/instance_noise", "tricks/gradient_penalty"} <= seen.keys()
            assert all(value >= 0 for value in seen.values())
        else:  # a run without has nothing of the clock
            assert "step" not in vars(training.procedure) and "batch" not in vars(data)
    assert all(torch.equal(value, ran[1][name]) for name, value in ran[0].items())


def test_what_a_cell_took_is_in_its_result_and_survives_a_restart(tiny_suite: Any, tmp_path: Any) -> None:
    from dataclasses import replace

    from ganbench.errors import Interrupted
    from ganbench.run import CellRun, StopSwitch, run_cell
    from ganbench.store import CellFolder
    from ganbench.suite import expand

    suite = tiny_suite()
    (cell,) = expand(suite)

    def folder_of(name: str, wanted: bool) -> CellFolder:
        folder = CellFolder(tmp_path / "cells" / name)
        folder.write_config(cell, replace(suite.options, profile_cell=wanted), tmp_path / "cache")
        return folder

    assert run_cell(folder_of("without", False)).profile == {}
    folder = folder_of("with", True)
    stop = StopSwitch()
    run = CellRun.open(cell, folder, replace(suite.options, profile_cell=True), tmp_path / "cache", stop)
    heartbeat = run.heartbeat

    def stop_at_five(training: Any) -> None:
        stop.reason = "enough" if training.step == 5 else ""
        heartbeat(training)

    run.heartbeat = stop_at_five  # type: ignore[method-assign]
    run.resume()
    with pytest.raises(Interrupted):
        run.finish()
    state = folder.load_checkpoint()
    assert state is not None and state["profile"]["D"] > 0
    again = CellRun.open(cell, folder, replace(suite.options, profile_cell=True), tmp_path / "cache", StopSwitch())
    again.resume()
    assert again.profile is not None and again.profile.seconds["D"] == state["profile"]["D"]
    result = again.finish()
    assert {"data", "D", "G", "health", "evaluation", "checkpoints", "history", "rest"} <= result.profile.keys()
    assert set(result.profile) <= set(ORDER)
    assert result.profile["D"] > state["profile"]["D"]
    assert result.metrics == run_cell(folder_of("once more", False)).metrics


def test_the_command_prints_one_table_for_all_cells() -> None:
    class Planned:
        def __init__(self, profile: dict[str, float]) -> None:
            self.result = type("Result", (), {"profile": profile})()

    def ran(*profiles: dict[str, float]) -> Any:
        return type("Ran", (), {"outcome": type("Outcome", (), {"planned": [Planned(p) for p in profiles]})()})()

    lines = run_command.profile_lines(ran({"D": 1.0, "tricks": 1.0, "tricks/ada": 1.0}, {"D": 2.0}, {}))
    assert lines[0] == "where the time of 2 cells went:"
    assert [line.split() for line in lines[2:]] == [
        ["D", "3.00", "75.0%"],
        ["tricks", "1.00", "25.0%"],
        ["ada", "1.00", "25.0%"],
    ]
    assert "no cell has a profile" in run_command.profile_lines(ran({}))[0]
