"""Each conformance check refuses a plugin that breaks its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch

import ganbench.phases
from ganbench import Architecture, Loss, PluginSpec, Trick, change, registry
from ganbench.testing import (
    check_architecture,
    check_loss,
    check_options,
    check_procedure,
    check_run,
    check_trick,
    tiny_config,
    tiny_parts,
    tiny_training,
)


def plugin(kind: str, name: str) -> type:
    return type(registry.make(kind, PluginSpec(name=name)))


DCGAN, Hinge, NonSaturating = plugin("architecture", "dcgan"), plugin("loss", "hinge"), plugin("loss", "non_saturating")
Adversarial = plugin("procedure", "adversarial")


# --- runs ----------------------------------------------------------------------------------------
class Forgetful(Trick):
    """Counts outside of memory."""

    def extra_loss(self, forward, moment):
        count = self.__dict__.get("count", 0)
        object.__setattr__(self, "count", count + 1)
        return forward.fake_output.score().mean() * count

    def __copy__(self):
        return type(self)()


def test_state_outside_of_memory_does_not_resume():
    with pytest.raises(AssertionError, match="a resumed run ends otherwise"):
        check_trick(Forgetful())


class Remembering(Forgetful):
    """Counts in memory."""

    def extra_loss(self, forward, moment):
        self.memory["count"] = self.memory.get("count", 0) + 1
        return forward.fake_output.score().mean() * self.memory["count"]


def test_state_in_memory_resumes():
    check_trick(Remembering())


def test_dropout_does_not_resume_without_reseeding(monkeypatch):
    parts = tiny_parts(tiny_config(generator={"dropout": 0.5}))
    monkeypatch.setattr(ganbench.phases, "reseed", lambda seed: None)
    with pytest.raises(AssertionError, match="ends otherwise"):
        check_run(lambda: tiny_training(parts))


class Exploding(Trick):
    """Adds infinity."""

    def extra_loss(self, forward, moment):
        return forward.fake_output.score().mean() + torch.inf


def test_terms_must_be_finite():
    with pytest.raises(AssertionError, match="the term D/exploding is inf"):
        check_trick(Exploding())


class Meddling(Trick):
    """Shifts the latents."""

    def prepare_networks(self, networks):
        networks.generator.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1, *inputs[1:]))


def test_latents_must_not_depend_on_a_trick():
    with pytest.raises(AssertionError, match="G gets other latents"):
        check_trick(Meddling())


# --- configure and options -----------------------------------------------------------------------
class Growing(Trick):
    """Adds to what is there."""

    def configure(self, config, info):
        return change(config, generator={"width": config.generator.width + 1})


class InPlace(Trick):
    """Changes a dict of the record it was given."""

    def configure(self, config, info):
        config.discriminator.heads["kind"] = 3
        return config


@pytest.mark.parametrize("trick", [Growing(), InPlace()])
def test_configure_must_be_pure(trick):
    with pytest.raises(AssertionError, match="configure must"):
        check_trick(trick, config=tiny_config(discriminator={"heads": {}}))


@dataclass(frozen=True, kw_only=True)
class Undocumented(Trick):
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Demanding(Trick):
    """Has an option without a default."""

    strength: float


@dataclass(frozen=True, kw_only=True)
class Unspeakable(Trick):
    """Has an option that YAML cannot hold."""

    strength: Callable[[], float] = float


@pytest.mark.parametrize(
    ("trick", "sentence"),
    [
        (Undocumented(), "needs a docstring"),
        (Demanding(strength=1.0), "the option strength of Demanding needs a default"),
        (Unspeakable(), "cannot be written as YAML"),
    ],
)
def test_options_must_have_defaults_and_survive_yaml_and_the_class_a_docstring(trick, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_options(trick)


# --- losses --------------------------------------------------------------------------------------
class WrongSign(Hinge):
    """D is rewarded for being wrong."""

    def on_real(self, logits, label):
        return -super().on_real(logits, label)


class WrongPlayer(Hinge):
    """G lowers its logits."""

    def for_generator(self, logits, label):
        return logits


class HidesLabels(NonSaturating):
    """Reads labels and does not say so."""

    reads_labels = False


class ClaimsLabels(Hinge):
    """Says that it reads labels."""

    reads_labels = True


class Unweighted(Hinge):
    """Ignores weights."""

    def generator(self, fake, real, targets):
        return -fake.score().mean()


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (WrongSign(), "D's loss must fall"),
        (WrongPlayer(), "G's loss must fall"),
        (HidesLabels(), "reads_labels"),
        (ClaimsLabels(), "reads_labels"),
        (Unweighted(), "weight 0"),
        (Loss(), None),
    ],
)
def test_losses_that_lie(loss, sentence):
    with pytest.raises((AssertionError, NotImplementedError), match=sentence):
        check_loss(loss)


# --- architectures and procedures ----------------------------------------------------------------
class Boasting(DCGAN):
    """Says that it obeys the norm, and builds without one."""

    def generator(self, config, info):
        return super().generator(change(config, generator={"norm": "layer"}), info)


class OutOfRange(DCGAN):
    """Makes images in -1..1 whatever is asked for."""

    def generator(self, config, info):
        return super().generator(replace(config, input_range=(-2.0, 2.0)), info)


class Untold(DCGAN):
    """Shows no features."""

    def discriminator(self, config, info):
        network = super().discriminator(config, info)
        network.register_forward_hook(lambda module, inputs, output: replace(output, features=None))
        return network


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [(Boasting(), r"obeys generator\.norm"), (OutOfRange(), "leaves the range"), (Untold(), "must show features")],
)
def test_architectures_that_lie(architecture: Architecture, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_architecture(architecture)


class Gluttonous(Adversarial):
    """Asks for more batches than it says."""

    def step(self, training, data):
        data.batch(7)
        return super().step(training, data)


def test_procedures_that_ask_for_too_many_batches():
    with pytest.raises(AssertionError, match="asked for batch 7; batches_per_step is 1"):
        check_procedure(Gluttonous())
