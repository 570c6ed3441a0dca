from __future__ import annotations

from dataclasses import replace

import built_in
import pytest

from ganbench import ConfigError, PluginSpec, TrainingConfig, Trick, change, registry
from ganbench.testing import check_run, check_trick, tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_zoo.procedures.unrolled import Unrolled

TRICKS, LOSSES, PROCEDURES = built_in.names("trick"), built_in.names("loss"), built_in.names("procedure")

LOSS = {"swapped_labels": "saturating"}  # of tricks that the usual one leaves nothing to do; non_saturating otherwise

KNOWS: dict[str, object] = {"generator": {"conditioning": "concat"}}  # G knows the labels
CHANGES = {"auxiliary_classifier": KNOWS}  # of the configuration, which tricks need

KINDS = ["non_saturating", "hinge", "relativistic_paired"]  # of losses: reads labels, reads none, compares


def loss_of(name):
    return LOSS.get(name, "non_saturating")


def config_of(name, **changes):
    return tiny_config(**CHANGES.get(name, {}), **changes)


def make(name, **options):
    return registry.make("trick", PluginSpec(name=name, options=options))


@pytest.mark.parametrize("name", TRICKS)
def test_every_trick_with_every_kind_of_loss_resumes_exactly_or_is_refused(name):
    """One loss of each kind, since a trick can tell no more of it; the product is in the soak test."""
    refused = check_trick(make(name), losses=[*dict.fromkeys([loss_of(name), *KINDS])], config=config_of(name))
    assert all(sentence.strip() for sentence in refused)


# `adversarial` is in the test above, and loss_balanced is the same to a trick; the product is in the soak test
@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("procedure", [name for name in PROCEDURES if name not in ("adversarial", "loss_balanced")])
def test_every_trick_with_every_procedure(name, procedure):
    architecture = "vae_gan" if procedure == "vae_gan" else "dcgan"
    trick = make(name)
    if procedure == "unrolled" and type(trick).after_update is not Trick.after_update:
        with pytest.raises(ConfigError, match="cannot look ahead"):
            tiny_training(tiny_parts(config_of(name), loss=loss_of(name), procedure=procedure, tricks=[trick]))
        return
    # torch has no third derivative of batch norm, which steps ahead through a gradient penalty need
    config = config_of(name, **({"discriminator": {"norm": "layer"}} if procedure == "unrolled" else {}))
    made = Unrolled(lookahead=1) if procedure == "unrolled" else procedure
    assert not check_trick(trick, losses=[loss_of(name)], architecture=architecture, procedure=made, config=config)


def test_all_tricks_at_once():
    refusing = {"weight_clipping", "spectral_regularization", "swapped_labels"}  # spectral norm twice; the loss
    check_run(
        lambda: tiny_training(
            tiny_parts(tiny_config(**KNOWS), tricks=[name for name in TRICKS if name not in refusing])
        )
    )


def test_two_instances_of_one_trick():
    both = [make("gradient_penalty"), make("gradient_penalty", at="real", target=0.0)]
    training = check_run(lambda: tiny_training(tiny_parts(tricks=both)))
    assert list(training.tricks) == ["gradient_penalty", "gradient_penalty#2"]


@pytest.mark.parametrize("name", TRICKS)
def test_every_trick_under_bf16(name):
    config = config_of(name)
    config = replace(config, training=replace(config.training, precision="bf16"))
    check_trick(make(name), losses=[loss_of(name)], config=config)


# Every loss with every procedure at 16 pixels; at larger ones a loss of each kind (and what swapped_labels needs)
COMBINATIONS = [(loss, procedure, 16) for loss in LOSSES for procedure in PROCEDURES]
COMBINATIONS += [(loss, "adversarial", size) for loss in [*KINDS, "saturating"] for size in (32, 64, 128)]


@pytest.mark.soak
@pytest.mark.parametrize(("loss", "procedure", "size"), COMBINATIONS)
@pytest.mark.parametrize("name", TRICKS)
def test_every_combination_at_every_size(name, loss, procedure, size):
    training = {"g_updates": 1 + (procedure != "loss_balanced")}
    config = config_of(name, ema=0.9, input_range=(0.0, 255.0), training=training)
    if procedure == "unrolled":
        config = change(config, discriminator={"norm": "layer"})
    architecture = "vae_gan" if procedure == "vae_gan" else "dcgan"
    trick, info = make(name), tiny_info(size=size)
    parts = tiny_parts(config, info, architecture=architecture, loss=loss, procedure=procedure, tricks=[trick])
    if not any(plugin.conflict(parts) for plugin in parts.plugins().values()):
        check_trick(trick, losses=[loss], architecture=architecture, procedure=procedure, config=config, info=info)


def test_updates_per_step_do_not_disturb_the_tricks():
    config = tiny_config(training=TrainingConfig(budget=tiny_config().training.budget, batch_size=4, d_updates=2))
    check_run(lambda: tiny_training(tiny_parts(config, tricks=["top_k", "gradient_penalty", "instance_noise"])))
