from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ganbench.api.cell import Suite
from ganbench.api.config import Budget, PluginSpec
from ganbench.errors import ConfigError
from ganbench.suite import dump, expand, load, load_resolved

Load = Callable[..., Suite]
Mistakes = Callable[..., list[str]]

TEN = """\
name: my suite
base:
  dataset: {faces: {sise: 32}}
  loss: hnge
  generator: {norm: bacth, optimizer: {lr: -1}}
  training: {budget: {steps: 5, images: 10}, batch_size: "16"}
axes:
  bn: {off: {discriminator.nrm: none}}
  lr: {high: {discriminator.optimizer.lr: 017}}
colour: red
"""


def test_many_mistakes_give_as_many_precise_lines(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(TEN, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    expected = [
        ("suite.yaml:1:1: question: is missing", ""),
        ("suite.yaml:1:7: name: ", "letters, digits"),
        ("suite.yaml:3:21: base.dataset.faces.sise: unknown option of faces.", "Did you mean size?"),
        ("suite.yaml:4:9: base.loss: no loss is called 'hnge'.", "Did you mean hinge?"),
        ("suite.yaml:5:21: base.generator.norm: ", "Did you mean batch?"),
        ("suite.yaml:5:44: base.generator.optimizer.lr: must be greater than 0, not -1", ""),
        ("suite.yaml:6:22: base.training.budget: must have exactly one of", "steps, images"),
        ("suite.yaml:6:58: base.training.batch_size: expected a whole number", "without quotes"),
        ("suite.yaml:8:14: axes.bn.off.discriminator.nrm: there is no 'nrm' here.", "Did you mean norm?"),
        ("suite.yaml:9:43: axes.lr.high.discriminator.optimizer.lr: 017 is octal", "write 17"),
        ("suite.yaml:10:1: colour: unknown key.", "Known:"),
    ]
    assert len(lines) == len(expected)
    for line, (start, hint) in zip(lines, expected, strict=True):
        assert line.startswith(start) and hint in line, line


ONE = [  # text, and the only line it gives
    ("base: {ema: none}", '3:13: base.ema: expected a number, not "none": write null for none'),
    ("base: {generator: {spectral_norm: on}}", ": write true"),
    ("base: {generator: {width: 8.0}}", ": write 8"),
    ("base: {generator: {dropout: 1}}", "3:29: base.generator.dropout: must be at least 0 and less than 1, not 1"),
    ("base: {generator: {optimizer: {betas: [0.5]}}}", "must be two numbers"),
    ("base: {input_range: [1, -1]}", "the lower one first"),
    ("base: {discriminator: {heads: {hair: 0}}}", "must hold sizes"),
    ("base: {evaluation: {images: 1}}", "3:29: base.evaluation.images: must be at least 2"),
    ("base: {evaluation: {window: 0}}", "must be at least 1"),
    ("base: {training: {budget: {}}}", "exactly one"),
    ("base: {training: {budget: {steps: 0}}}", "greater than 0"),
    ("base: {dataset: [faces]}", "expected the name of a plugin"),
    ("base: {dataset: {faces: {}, blocks: {}}}", "expected one plugin"),
    ("base: {dataset: {faces: 32}}", "expected the options of faces as a mapping"),
    ("base: {tricks: top_k}", "expected a list"),
    ("base: {tricks: [topk]}", "3:17: base.tricks.0: no trick is called 'topk'. Did you mean top_k?"),
    ("base: {generator: 3}", "expected a mapping"),
    ("base: [1]", "3:7: base: expected a mapping"),
    ("base: {evaluation: {metrics: [fid]}}\nmetrics: [fid]", "named twice"),
    ("metrics: []", "at least one metric"),
    ("primary_metric: fd", "3:17: primary_metric: 'fd' is none of the metrics' numbers. Did you mean fid?"),
    ("design: gird", "Did you mean grid?"),
    ("seeds: 0", "3:8: seeds: expected a number from 1"),
    ("seeds: [1, 1]", "different seeds"),
    ("seeds: true", "expected a number"),
    ("seeds: 5\ntop_up: 5", "4:9: top_up: expected a number of seeds greater than `seeds` (5)"),
    ("margin: 5", "write 5% if that is meant"),
    ("axes: {a: {}}", "an axis needs at least one level"),
    ("axes: {a: [1]}", "3:11: axes.a: expected a mapping, not [1]"),
    ("axes: {a: {x: 1}}", "axes.a.x: expected a mapping, not 1"),
    ("axes: {a: {x: {}}}", "3:12: axes.a.x: a: x is the same as the baseline; an A/A test sets `replicate: 1`"),
    ("axes: {a: {x: {ema: 0.9}}, b: {y: {ema: 0.9}}}", "axes.b.y: b: y is the same as a: x"),
    ("axes: {a: {x: {ema: 2}}}", "3:21: axes.a.x.ema: must be between 0 and 1"),
    ("axes: {a: {x: {generator: {width: 8}, generator.norm: none}}}", "one of the two contains the other"),
    ("axes: {a: {x: {tricks: [], tricks+: [top_k]}}}", "one of the two contains the other"),
    ("axes: {a: {x: {tricks+: top_k}}}", "+ appends a list"),
    ("axes: {a: {x: {ema+: [1]}}}", "+ appends to lists"),
    ("axes: {a: {x: {ema.x: 1}}}", "nothing inside a single value"),
    ("axes: {a: {x: {dataset.blocks.size: 16}}}", "'faces' stands here, not 'blocks'"),
    ("axes: {a: {x: {dataset.faces.sise: 16}}}", "unknown option of faces. Did you mean size?"),
    ("axes: {a: {x: {tricks.top_k.start: 0.5}}}", "no 'top_k' stands in this list"),
    ("axes: {a: {x: {evaluation.images: 9}}}", "cells of one table are measured alike"),
    ("axes: {a: {x: {trainin.batch_size: 9}}}", "Did you mean training?"),
    ("design: paired\naxes: {a: {x: {ema: 0.9}}, b: {y: {replicate: 1}, z: {replicate: 2}}}", "a has 1, b has 2"),
    ("design: grid\naxes: {a: {x: {ema: 0.9}}, b: {y: {ema: 0.8}}}", "the axis 'a' sets 'ema' too"),
    ("design: grid\naxes: {a: {base: {ema: 0.9}}}", "call this one otherwise"),
    ("exclude: [{a: x, because: y}]", "unknown axis"),
    ("axes: {a: {x: {ema: 0.9}}}\nexclude: [{a: x}]", "because: is missing"),
    ("axes: {a: {x: {ema: 0.9}}}\nexclude: [{a: y, because: z}]", "4:15: exclude.0.a: unknown level. Known: x."),
    ("axes: {a: {x: {ema: 0.9}}}\nexclude: [{because: z}]", "would remove the baseline"),
    ("axes: {a: {x: {ema: 0.9}}, b: {y: {replicate: 1}}}\nexclude: [{a: x, b: y, because: z}]", "no combination"),
    ("options: {device: 3}", "3:19: options.device: expected text, not 3: put it in quotes"),
    ("options: {loggers: [consle]}", "Did you mean console?"),
    ("options: {log_every: 0}", "must be at least 1"),
    ("profiles: {smoke: {seed: 2}}", "3:20: profiles.smoke.seed: unknown key. Did you mean seeds?"),
    ("profiles: {a b: {}}", "cannot name a folder"),
    ("profiles: {smoke: {set: {ema: 3}}}", "3:31: profiles.smoke.set.ema: must be between 0 and 1"),
    ("profiles: {smoke: {set: {em: 3}}}", "profiles.smoke.set.em: there is no 'em' here. Did you mean ema?"),
    ("profiles: {smoke: {seeds: 0.5}}", "(in the profile smoke)"),
]


@pytest.mark.parametrize(("text", "line"), ONE, ids=[text for text, _ in ONE])
def test_each_mistake_gives_one_line(mistakes: Mistakes, text: str, line: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith("suite.yaml:") and line in found


def test_a_suite_states_only_what_it_cares_about(suite: Load) -> None:
    loaded = suite()
    assert (loaded.name, loaded.design, loaded.margin) == ("s", "one_at_a_time", 0.05)
    assert loaded.seeds == (0, 1, 2, 3, 4) and loaded.baseline_seeds == tuple(range(10))
    assert loaded.primary_metric == "fid" and loaded.folder == "s"


@pytest.mark.parametrize(("text", "margin"), [("5%", 0.05), ("2.5 %", 0.025), ("0.1", 0.1)])
def test_margins_are_shares(suite: Load, text: str, margin: float) -> None:
    assert suite(f"margin: {text}").margin == pytest.approx(margin)


@pytest.mark.parametrize(
    "dataset", ["blocks", "{blocks: {}}", "{blocks: }", "{name: blocks}", "{name: blocks, options: {}}"]
)
def test_plugins_can_be_written_in_several_ways(suite: Load, dataset: str) -> None:
    (cell,) = expand(suite(f"base: {{dataset: {dataset}}}\nbaseline_seeds: 1"))
    assert cell.config.dataset == PluginSpec(name="blocks")


def test_whole_numbers_become_floats(suite: Load) -> None:
    cell = expand(suite("base: {generator: {optimizer: {lr: 1, betas: [0, 0.9]}}}"))[0]
    found = (cell.config.generator.optimizer.lr, *cell.config.generator.optimizer.betas)
    assert found == (1.0, 0.0, 0.9) and all(type(number) is float for number in found)


def level(suite: Load, base: str, sets: str, **options: object):  # type: ignore[no-untyped-def]
    cells = expand(suite(f"base: {base}\naxes: {{a: {{x: {sets}}}}}", **options))
    return next(cell.config for cell in cells if cell.levels)


def test_setting_a_path_replaces_the_whole_and_a_deeper_one_changes_a_field(suite: Load) -> None:
    base = "{generator: {width: 8, norm: none, optimizer: {name: sgd, lr: 0.1}}}"
    whole = level(suite, base, "{generator: {width: 16}}").generator
    assert (whole.width, whole.norm, whole.optimizer.name) == (16, "batch", "adam")
    field = level(suite, base, "{generator.optimizer.lr: 0.2, generator.width: 4}").generator
    assert (field.width, field.norm, field.optimizer.name, field.optimizer.lr) == (4, "none", "sgd", 0.2)


def test_plus_appends_also_where_the_base_is_silent(suite: Load) -> None:
    names = [spec.name for spec in level(suite, "{tricks: [ttur]}", "{tricks+: [top_k]}").tricks]
    assert names == ["ttur", "top_k"]
    assert [spec.name for spec in level(suite, "{}", "{tricks+: [top_k]}").tricks] == ["top_k"]
    assert level(suite, "{}", "{generator.attention_at+: [16]}").generator.attention_at == (16,)
    (cell,) = expand(suite("baseline_seeds: 1\nprofiles: {p: {set: {evaluation.metrics+: [kid]}}}", profile="p"))
    assert [spec.name for spec in cell.evaluation.metrics] == ["fid", "kid"]


def test_options_of_the_plugin_that_stands_there_can_be_set(suite: Load) -> None:
    assert level(suite, "{}", "{dataset.faces.size: 64}").dataset.options == {"size": 64}
    found = level(suite, "{dataset: {faces: {train: 100}}}", "{dataset.faces.size: 64}")
    assert found.dataset.options == {"train": 100, "size": 64}


def test_options_of_a_trick_in_the_list_can_be_set(suite: Load) -> None:
    found = level(suite, "{tricks: [ttur, auxiliary_classifier]}", "{tricks.auxiliary_classifier.on_fakes_in_d: true}")
    assert found.tricks[1] == PluginSpec(name="auxiliary_classifier", options={"on_fakes_in_d": True})


def test_a_profile_sets_paths_of_base_and_its_seeds(suite: Load) -> None:
    text = """base: {training: {budget: {images: 9000}, batch_size: 8}}
seeds: 5
baseline_seeds: 7
top_up: 8
profiles: {smoke: {set: {training.budget: {steps: 2}, evaluation.images: 64}, seeds: 2, question: Run}}
"""
    plain, smoke = suite(text), suite(text, profile="smoke")
    assert (plain.folder, smoke.folder, smoke.profiles) == ("s", "s@smoke", ("smoke",))
    assert expand(plain)[0].config.training.budget == Budget(images=9000)
    cell = expand(smoke)[0]
    assert cell.config.training.budget == Budget(steps=2) and cell.config.training.batch_size == 8
    assert cell.evaluation.images == 64 and cell.suite == "s@smoke"
    assert smoke.question == "Run" and plain.question == "Does it?"
    # who sets `seeds` anew drops what was said about other seeds
    assert (len(smoke.seeds), len(smoke.baseline_seeds), smoke.top_up) == (2, 4, None)
    assert (len(plain.seeds), len(plain.baseline_seeds), plain.top_up) == (5, 7, 8)


def test_a_profile_may_replace_the_axes(suite: Load) -> None:
    """Levels of other architectures have sizes of their own, which paths in `base` do not reach."""
    text = """base: {architecture: dcgan}
axes: {model: {wide: {architecture: resnet, generator.width: 128}, deep: {architecture: sagan}}}
profiles: {cpu: {axes: {model: {wide: {architecture: resnet, generator.width: 8}}}}}
"""
    plain, small = suite(text), suite(text, profile="cpu")
    assert list(plain.axes["model"]) == ["wide", "deep"] and list(small.axes["model"]) == ["wide"]
    assert {cell.config.generator.width for cell in expand(small)} == {64, 8}
    with pytest.raises(ConfigError, match=r"axes\.model\.wide\.generator\.wdth: .*Did you mean width"):
        suite("profiles: {cpu: {axes: {model: {wide: {generator.wdth: 8}}}}}", profile="cpu")


def test_an_unknown_profile_is_named(mistakes: Mistakes) -> None:
    assert mistakes("profiles: {smoke: {}}", profile="smok") == [
        "suite.yaml: there is no profile 'smok'. Did you mean smoke? Known: smoke."
    ]


def test_the_command_line_comes_after_the_profile(suite: Load) -> None:
    text = "seeds: 5\nprofiles: {smoke: {set: {training.budget: {steps: 2}}, seeds: 2}}"
    overrides = ["base.training.budget={images: 640}", "seeds=3", "base.dataset=blocks", "base.tricks+=[ttur]"]
    overrides += ["options.device=cpu", "metrics=[kid]", "base.generator.optimizer.lr=2e-3"]
    found = suite(text, profile="smoke", overrides=overrides)
    cell = expand(found)[0]
    assert cell.config.training.budget == Budget(images=640) and len(found.seeds) == 3
    assert cell.config.dataset.name == "blocks" and cell.config.tricks == (PluginSpec(name="ttur"),)
    assert found.options.device == "cpu" and cell.config.generator.optimizer.lr == 2e-3
    assert [spec.name for spec in cell.evaluation.metrics] == ["kid"] and found.primary_metric == "kid"


def test_seeds_of_the_command_line_win(suite: Load) -> None:
    found = suite("seeds: 5\nbaseline_seeds: 6\ntop_up: 8", seeds=2)
    assert (found.seeds, found.baseline_seeds, found.top_up) == ((0, 1), (0, 1, 2, 3), None)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("x", "--set x: expected path=value"),
        ("sees=2", "Did you mean seeds?"),
        ("axes.a=1", "set axes whole"),
        (
            "base.dataset=fces",
            "--set base.dataset=fces: base.dataset: no dataset is called 'fces'. Did you mean faces?",
        ),
        ("base.traning.batch_size=5", "Did you mean training?"),
        ("base.training.batch_size=017", "write 17"),
        ("base.training.batch_size=[", "--set base.training.batch_size=[: "),
        ("options.devise=cpu", "Did you mean device?"),
        ("seeds=0", "--set seeds=0: seeds: expected a number from 1"),
    ],
)
def test_mistakes_on_the_command_line_name_it(mistakes: Mistakes, override: str, line: str) -> None:
    (found,) = mistakes(overrides=[override])
    assert line in found


def test_listed_seeds_are_continued(suite: Load) -> None:
    assert suite("seeds: [3, 7]").baseline_seeds == (3, 7, 8, 9)


def test_a_missing_or_oversized_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "no.yaml")
    big = tmp_path / "big.yaml"
    big.write_bytes(b"# " + b"x" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than"):
        load(big)
    big.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(big)


def test_what_is_loaded_dumps_and_loads_to_the_same(suite: Load, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "suites" / "ganhacks.yaml").read_text()
    for profile in (None, "smoke"):
        found = suite(text, head=False, profile=profile, overrides=["base.ema=0.99"])
        path = tmp_path / "resolved.yaml"
        path.write_text(dump(found), encoding="utf-8")
        assert load(path) == found == load_resolved(dump(found))
        assert [cell.id for cell in expand(load(path))] == [cell.id for cell in expand(found)]


def test_a_resolved_suite_has_no_profiles_to_choose(suite: Load, tmp_path: Path) -> None:
    path = tmp_path / "resolved.yaml"
    path.write_text(dump(suite("profiles: {smoke: {seeds: 2}}", profile="smoke")), encoding="utf-8")
    assert load(path).folder == "s@smoke"
    with pytest.raises(ConfigError, match="its profiles are not in it any more"):
        load(path, profile="smoke")


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=15).filter(
    lambda text: text not in ("because", "<<") and text == " ".join(text.split())
)


@given(
    question=names,
    because=names,
    axes=st.dictionaries(
        names,
        st.dictionaries(
            names, st.integers(1, 10**6).map(lambda k: {"replicate": k}) | st.just({"ema": 0.5}), min_size=1, max_size=3
        ),
        max_size=3,
    ),
    lr=st.floats(1e-9, 1.0),
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_suite_survives_dump_and_load(
    question: str, because: str, axes: dict[str, dict[str, dict[str, float]]], lr: float, seeds: list[int]
) -> None:
    import json

    held = {"name": "s", "question": question, "axes": axes, "seeds": seeds}
    held["base"] = {"generator": {"optimizer": {"lr": lr}}}
    if axes:
        axis = next(iter(axes))
        held["exclude"] = [{axis: next(iter(axes[axis])), "because": because}]
    first = load_resolved(json.dumps(held, ensure_ascii=False))
    assert load_resolved(dump(first)) == first


WORDS = """name question base axes design seeds margin metrics profiles set exclude because options dataset faces blocks
tricks tricks+ top_k generator optimizer lr training budget steps smoke grid paired evaluation images s x 0 1 -1 0.5 5%
null true on 017 2e-4"""
words = st.sampled_from(WORDS.split())
trees = st.recursive(
    words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=25
)


@given(tree=st.dictionaries(words, trees, max_size=8), profile=st.none() | words, override=words, value=words)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_suite_raises_anything_but_config_errors(
    tmp_path: Path, tree: dict[str, object], profile: str | None, override: str, value: str
) -> None:
    def flow(tree: object) -> str:
        if isinstance(tree, dict):
            return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in tree.items()) + "}"
        return "[" + ", ".join(map(flow, tree)) + "]" if isinstance(tree, list) else str(tree)

    path = tmp_path / "fuzz.yaml"
    path.write_text(flow(tree))
    try:
        load(path, profile=profile, overrides=[f"{override}={value}"])
    except ConfigError as error:
        assert str(error)


def test_the_package_and_resolved_suites_need_no_torch() -> None:
    code = """
import sys
from ganbench.suite import load_resolved, schema
suite = load_resolved("{name: s, question: q, base: {tricks: [nobody_has_this]}, axes: {a: {x: {ema: 0.9}}}}")
assert suite.axes == {"a": {"x": {"ema": 0.9}}}
schema()
assert "torch" not in sys.modules and "ganbench_zoo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
