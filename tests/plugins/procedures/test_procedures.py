from __future__ import annotations

from dataclasses import dataclass

import built_in
import pytest
import torch

from ganbench import ConfigError, Loss, PluginSpec, change, registry
from ganbench.testing import check_procedure, run_steps, tiny_config, tiny_parts, tiny_training
from ganbench_zoo.procedures.adversarial import Adversarial
from ganbench_zoo.procedures.split_d_steps import SplitDSteps


def updates(d, g):
    return change(tiny_config(), training={"d_updates": d, "g_updates": g})


def partner(procedure):
    """An architecture that goes with a procedure."""
    return "vae_gan" if "encoder" in procedure.uses else "dcgan"


def make(name, **options):
    return registry.make("procedure", PluginSpec(name=name, options=options))


@pytest.mark.parametrize("name", built_in.names("procedure"))
def test_conformance(name):
    procedure = make(name)
    check_procedure(procedure, tiny_parts(architecture=partner(procedure)))


KINDS = ["non_saturating", "hinge", "relativistic_paired"]  # of losses: reads labels, reads none, compares


def test_the_kinds_of_losses_are_all_there():
    kinds = [
        {(loss.reads_labels, loss.compares) for loss in (registry.plugin_class("loss", name) for name in names)}
        for names in (KINDS, built_in.names("loss"))
    ]
    assert kinds[0] == kinds[1]


@pytest.mark.soak
@pytest.mark.parametrize("loss", [name for name in built_in.names("loss") if name not in KINDS])
@pytest.mark.parametrize("name", built_in.names("procedure"))
def test_every_procedure_with_every_loss(name, loss):
    test_every_procedure_with_every_kind_of_loss(name, loss)


@pytest.mark.parametrize("loss", KINDS)
@pytest.mark.parametrize("name", built_in.names("procedure"))
def test_every_procedure_with_every_kind_of_loss(name, loss):
    procedure = make(name)
    parts = tiny_parts(architecture=partner(procedure), procedure=procedure, loss=loss)
    if sentence := procedure.conflict(parts):
        assert (name, parts.loss.compares) == ("split_d_steps", True), sentence
    else:
        check_procedure(procedure, parts)


@pytest.mark.parametrize(("d", "g"), [(5, 1), (1, 1), (1, 2)])
def test_updates_and_images_are_counted(d, g):
    training, data = tiny_training(tiny_parts(updates(d, g)))
    run_steps(training, data, 2)
    assert training.updates == {"D": 2 * d, "G": 2 * g}
    assert training.images_seen == 2 * d * 4
    check_procedure(Adversarial(), tiny_parts(updates(d, g)))


def reals_that_d_saw(procedure, steps=2):
    training, data = tiny_training(tiny_parts(updates(3, 1), procedure=procedure))
    seen = []
    training.networks.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    run_steps(training, data, steps)
    return [seen[i] for i in range(len(seen)) if i % 7 in (0, 2, 4)]  # 3 x (real, fake), then a fake


def test_each_d_update_has_fresh_reals_unless_they_are_shared():
    fresh, shared = reals_that_d_saw(Adversarial()), reals_that_d_saw(Adversarial(fresh_batches=False))
    assert len(torch.stack(fresh).unique(dim=0)) == 6
    assert len(torch.stack(shared).unique(dim=0)) == 2


def test_each_update_has_latents_of_its_own():
    training, data = tiny_training(tiny_parts(updates(2, 2)))
    seen = []
    training.networks.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    run_steps(training, data, 2)
    assert len(torch.stack(seen).unique(dim=0)) == 8


@pytest.mark.parametrize(("norm", "equal"), [("none", True), ("batch", False)])
def test_a_mixed_batch_differs_from_separate_ones_only_through_batch_norm(norm, equal):
    def first_loss(separate):
        config = change(tiny_config(), discriminator={"norm": norm})
        procedure = Adversarial(separate_batches=separate)
        training, data = tiny_training(tiny_parts(config, procedure=procedure))
        return float(run_steps(training, data)["D/adversarial"])

    assert (first_loss(True) == pytest.approx(first_loss(False), rel=1e-5)) is equal


def test_the_mixed_batch_holds_the_reals_in_gs_phase_too():
    training, data = tiny_training(tiny_parts(procedure=Adversarial(separate_batches=False)))
    sizes = []
    training.networks.discriminator.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    run_steps(training, data)
    assert sizes == [8, 8]


def test_gs_phase_shows_d_no_reals_otherwise():
    training, data = tiny_training()
    sizes = []
    training.networks.discriminator.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    run_steps(training, data)
    assert sizes == [4, 4, 4]


def test_fakes_have_the_labels_of_the_reals():
    training, data = tiny_training(tiny_parts(tiny_config(generator={"conditioning": "concat"})))
    seen = []
    training.networks.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    run_steps(training, data)
    wanted = data.batch(0).labels
    assert len(seen) == 2
    assert all(torch.equal(labels[name], wanted[name]) for labels in seen for name in wanted)


def test_split_d_steps_makes_one_step_per_side_and_logs_them_apart():
    training, data = tiny_training(tiny_parts(updates(1, 2), procedure="split_d_steps", loss="hinge"))
    terms = run_steps(training, data, 3)
    assert terms.keys() == {"D/adversarial_on_real", "D/adversarial_on_fake", "G/adversarial"}
    assert training.updates == {"D": 6, "G": 6}
    assert training.images_seen == 12


def test_the_second_half_of_a_split_step_sees_the_d_of_the_first():
    training, data = tiny_training(tiny_parts(procedure="split_d_steps"))
    seen = []
    discriminator = training.networks.discriminator
    discriminator.register_forward_pre_hook(lambda module, _: seen.append(module.logit.weight.detach().clone()))
    run_steps(training, data)
    assert len(seen) == 3 and not torch.equal(seen[0], seen[1])


@dataclass(frozen=True, kw_only=True)
class Comparing(Loss):
    """Reals against fakes."""

    compares = True


@pytest.mark.parametrize(
    ("procedure", "changes", "sentence"),
    [
        (SplitDSteps(), {"loss": Comparing()}, "comparing compares the two"),
        (SplitDSteps(separate_batches=False), {}, "separate_batches cannot be false"),
        (SplitDSteps(fresh_batches=False), {}, "fresh_batches has nothing to switch off"),
        (SplitDSteps(), {"config": updates(2, 1)}, r"training\.d_updates is 2 and must stay 1"),
        (Adversarial(fresh_batches=False), {}, "changes nothing with one D update"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(procedure, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(procedure=procedure, **changes))


@pytest.mark.parametrize("distribution", ["normal", "uniform", "unit_uniform", "sphere"])
def test_latents_are_of_the_configured_distribution(distribution):
    training, data = tiny_training(tiny_parts(tiny_config(latents={"distribution": distribution})))
    latents = training.procedure.sampling_inputs(50, data, training.config, torch.Generator()).latents
    seen = []
    training.networks.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    run_steps(training, data)
    for drawn in (latents, *seen):
        match distribution:
            case "normal":
                assert drawn.min() < -1.5 and drawn.max() > 1.5
            case "uniform":
                assert -1 <= drawn.min() < -0.8 and 0.8 < drawn.max() <= 1
            case "unit_uniform":
                assert 0 <= drawn.min() < 0.1 and 0.9 < drawn.max() <= 1
            case "sphere":
                torch.testing.assert_close(drawn.norm(dim=1), torch.full((len(drawn),), 10.0))


def test_sampling_inputs_carry_labels_of_the_data():
    training, data = tiny_training()
    inputs = training.procedure.sampling_inputs(10, data, training.config, torch.Generator())
    assert inputs.latents.shape == (10, 100)
    assert {name: len(value) for name, value in inputs.labels.items()} == {"kind": 10, "marks": 10}
