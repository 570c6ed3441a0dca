from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganbench import Batch, ConfigError, DatasetInfo, LabelInfo
from ganbench.testing import check_trick, run_steps, tiny_config, tiny_info, tiny_parts, tiny_training
from ganbench_zoo.architectures.dcgan import DCGAN
from ganbench_zoo.tricks.auxiliary_classifier import AuxiliaryClassifier, combination

KNOWS = tiny_config(generator={"conditioning": "concat"})  # G knows the labels


def first_terms(trick, **changes):
    """Terms of the first step, and what D's heads answered in each pass."""
    training, data = tiny_training(tiny_parts(KNOWS, tricks=[trick], **changes))
    heads = []
    training.networks.discriminator.register_forward_hook(lambda module, inputs, output: heads.append(output.heads))
    return run_steps(training, data), heads, data.batch(0).labels


def expected(heads, labels, kind=1.0, marks=1.0):
    flags = F.binary_cross_entropy_with_logits(heads["marks"], labels["marks"])
    return float((kind * F.cross_entropy(heads["kind"], labels["kind"]) + marks * flags).detach())


def test_d_learns_from_reals_and_g_from_fakes():
    terms, (real, _, fake), labels = first_terms(AuxiliaryClassifier())
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(expected(real, labels))
    assert float(terms["G/auxiliary_classifier"]) == pytest.approx(expected(fake, labels))


def test_d_learns_from_fakes_when_asked_to():
    terms, (real, fake, _), labels = first_terms(AuxiliaryClassifier(on_fakes_in_d=True))
    both = expected(real, labels) + expected(fake, labels)
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(both)


def test_weights_of_labels():
    terms, (real, *_), labels = first_terms(AuxiliaryClassifier(labels={"marks": 0.5, "kind": 2.0}))
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(expected(real, labels, kind=2.0, marks=0.5))


@pytest.mark.parametrize("fakes", [False, True])
def test_the_class_loss_has_a_weight_in_each_player(fakes):
    trick = AuxiliaryClassifier(d_weight=2.0, g_weight=0.5, on_fakes_in_d=fakes)
    terms, (real, fake, gs), labels = first_terms(trick)
    in_d = expected(real, labels) + (expected(fake, labels) if fakes else 0)
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(2 * in_d)
    assert float(terms["G/auxiliary_classifier"]) == pytest.approx(0.5 * expected(gs, labels))


def test_g_can_be_left_out():
    terms, _, _ = first_terms(AuxiliaryClassifier(g_weight=0.0))
    assert "D/auxiliary_classifier" in terms and "G/auxiliary_classifier" not in terms


CLASSES = DatasetInfo(
    shape=(3, 16, 16),
    counts={"train": 24},
    labels={"hair": LabelInfo(kind="class", size=4), "eyes": LabelInfo(kind="class", size=3)},
)


def test_a_joint_head_names_the_combination_of_classes():
    trick = AuxiliaryClassifier(heads="joint", labels={"eyes": 3.0, "hair": 3.0})
    parts = tiny_parts(info=CLASSES, tricks=[trick])
    assert parts.config.discriminator.heads == {"auxiliary_classifier": 12}
    terms, (real, *_), labels = first_terms(trick, info=CLASSES)
    one_of_twelve = labels["hair"] * 3 + labels["eyes"]  # in the order of the data set
    wanted = 3 * F.cross_entropy(real["auxiliary_classifier"], one_of_twelve)
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(float(wanted.detach()))


def test_each_combination_has_an_output_of_its_own():
    hair, eyes = torch.arange(4).repeat_interleave(3), torch.arange(3).repeat(4)
    batch = Batch(images=torch.zeros(12, 3, 2, 2), labels={"hair": hair, "eyes": eyes})
    assert combination(CLASSES.labels, batch).tolist() == list(range(12))


def test_a_vector_head_answers_for_classes_and_flags_side_by_side():
    trick = AuxiliaryClassifier(heads="vector")
    assert tiny_parts(tricks=[trick]).config.discriminator.heads == {"auxiliary_classifier": 5}
    terms, (real, *_), labels = first_terms(trick)
    columns = torch.cat([torch.eye(3)[labels["kind"]], labels["marks"]], 1)
    wanted = F.binary_cross_entropy_with_logits(real["auxiliary_classifier"], columns)
    assert float(terms["D/auxiliary_classifier"]) == pytest.approx(float(wanted.detach()))


@pytest.mark.parametrize("heads", ["joint", "vector"])
@pytest.mark.parametrize("procedure", ["adversarial", "split_d_steps"])
def test_shared_heads_conform(heads, procedure):
    trick = AuxiliaryClassifier(heads=heads, on_fakes_in_d=True)
    check_trick(trick, losses=["hinge"], procedure=procedure, config=KNOWS, info=CLASSES)


def test_only_chosen_labels_have_heads():
    parts = tiny_parts(tricks=[AuxiliaryClassifier(labels={"kind": 1.0})])
    assert parts.config.discriminator.heads == {"kind": 3}


def test_split_d_steps_classifies_the_side_it_looks_at():
    terms, _, _ = first_terms(AuxiliaryClassifier(on_fakes_in_d=True), procedure="split_d_steps")
    assert {"D/auxiliary_classifier_on_real", "D/auxiliary_classifier_on_fake"} <= terms.keys()
    terms, _, _ = first_terms(AuxiliaryClassifier(), procedure="split_d_steps")
    assert "D/auxiliary_classifier_on_fake" not in terms


def test_heads_learn():
    training, data = tiny_training(tiny_parts(KNOWS, tricks=["auxiliary_classifier"]))
    heads = training.networks.discriminator.heads
    before = [p.detach().clone() for p in heads.parameters()]
    run_steps(training, data)
    assert not any(torch.equal(a, b) for a, b in zip(before, heads.parameters(), strict=True))


class Headless(DCGAN):
    """A DCGAN without heads."""

    obeys = DCGAN.obeys - {"discriminator.heads"}


VALUES = DatasetInfo(shape=(3, 16, 16), counts={"train": 24}, labels={"age": LabelInfo(kind="value", size=1)})


@pytest.mark.parametrize(
    ("trick", "changes", "sentence"),
    [
        (AuxiliaryClassifier(), {"info": tiny_info(labels=False)}, "needs labels"),
        (AuxiliaryClassifier(labels={"colour": 1.0}), {}, "no label colour; it has kind, marks"),
        (AuxiliaryClassifier(), {"architecture": Headless()}, "headless does not obey discriminator.heads"),
        (AuxiliaryClassifier(), {"info": VALUES}, "age is a value"),
        (AuxiliaryClassifier(heads="joint"), {}, "marks has flags"),
        (AuxiliaryClassifier(heads="joint", labels={"kind": 1.0}), {}, "joint changes nothing with one label, kind"),
        (AuxiliaryClassifier(), {}, "G hears of none: .* labels, g_weight to 0$"),
        (AuxiliaryClassifier(g_weight=0.0, on_fakes_in_d=True), {}, "g_weight to 0 and on_fakes_in_d to false$"),
        (AuxiliaryClassifier(), {"architecture": "vae_gan", "procedure": "vae_gan"}, "G hears of none"),
    ],
)
def test_what_cannot_go_together_is_refused_with_a_sentence(trick, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(tricks=[trick], **changes))


class Translator(DCGAN):
    """Its G hears of labels in a way of its own."""

    obeys = DCGAN.obeys - {"generator.conditioning"}


@pytest.mark.parametrize(
    ("trick", "changes"),
    [
        (AuxiliaryClassifier(g_weight=0.0), {}),  # a semi-supervised D: nobody asks fakes for labels
        (AuxiliaryClassifier(on_fakes_in_d=True), {"architecture": Translator()}),
        *(
            (AuxiliaryClassifier(), {"config": tiny_config(generator={"conditioning": how})})
            for how in ("concat", "embedding", "conditional_norm")
        ),
    ],
)
def test_labels_that_g_hears_of_or_is_not_asked_for_are_no_conflict(trick, changes):
    tiny_training(tiny_parts(tricks=[trick], **changes))


@pytest.mark.parametrize(
    "options",
    [
        {"labels": {"kind": 0.0}},
        {"d_weight": 0.0},
        {"g_weight": -1.0},
        {"heads": "vector", "labels": {"kind": 1.0, "marks": 2.0}},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=r"above 0|different weights"):
        AuxiliaryClassifier(**options)
