"""Networks that somebody else has written: tried out, told what is wrong with them, and trained as they are."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from ganbench import ConfigError, ExistingNetworks, PluginSpec, change
from ganbench.seeds import reseed
from ganbench.testing import check_architecture, check_run, tiny_config, tiny_info, tiny_parts, tiny_training

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples" / "existing_networks"


class PlainG(nn.Module):
    """A linear layer and two convolutions; `view` needs the usual memory format."""

    def __init__(self, latents: int, last: nn.Module, size: int = 16):
        super().__init__()
        self.size, self.linear = size, nn.Linear(latents, 4 * size * size // 4)
        self.layers = nn.Sequential(nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU(True))
        self.image, self.last = nn.Conv2d(4, 3, 3, padding=1), last

    def forward(self, latents):
        return self.last(self.image(self.layers(self.linear(latents).view(-1, 4, self.size // 2, self.size // 2))))


class PlainD(nn.Module):
    def __init__(self, *last: nn.Module, shape: tuple[int, ...] = (-1, 1)):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2))
        self.logit, self.shape = nn.Sequential(nn.Linear(4 * 64, 1), *last), shape

    def forward(self, images):
        maps = self.maps(images)
        return self.logit(maps.view(len(maps), -1)).view(self.shape)


class Squeezed(PlainD):
    def forward(self, images):
        return super().forward(images).squeeze()


@dataclass(frozen=True, kw_only=True)
class Plain(ExistingNetworks):
    """A pair without any ado."""

    sizes = (16,)

    def make_generator(self, config, info):
        return PlainG(config.latents.size, nn.Tanh())

    def make_discriminator(self, config, info):
        return PlainD()


def build(kind, **changes):
    config = change(tiny_config(kind, **changes), architecture=PluginSpec(name="plain"))
    return kind.generator(config, tiny_info()), kind.discriminator(config, tiny_info())


def with_(base=Plain, **members):
    """An instance of a subclass that has these members."""
    return type("Odd", (base,), members)()


def test_a_plain_pair_conforms():
    check_architecture(Plain())


def test_a_plain_pair_trains_resumes_and_is_not_disturbed_by_watching():
    parts = tiny_parts(tiny_config(Plain(), ema=0.9), architecture=Plain(), tricks=["gradient_penalty", "diff_augment"])
    training = check_run(lambda: tiny_training(parts))
    (fresh, _) = tiny_training(parts)
    pairs = zip(training.networks.generator.parameters(), fresh.networks.generator.parameters(), strict=True)
    assert not any(torch.equal(after, before) for after, before in pairs)


def test_images_are_converted_between_the_ranges():
    kind = with_(make_generator=lambda *_: PlainG(100, nn.Sigmoid()), image_range=(0.0, 1.0))
    generator, discriminator = build(kind, input_range=(0.0, 255.0))
    latents = torch.randn(4, 100)
    generator.eval()
    torch.testing.assert_close(generator(latents, {}), 255 * generator.network(latents))
    images = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(discriminator(255 * images, {}).score(), discriminator.network(images)[:, 0])


def test_images_of_the_same_range_pass_as_they_are():
    generator, discriminator = build(Plain())
    images = torch.rand(4, 3, 16, 16)
    assert torch.equal(discriminator(images, {}).score(), discriminator.network(images)[:, 0])
    assert torch.equal(generator.eval()(latents := torch.randn(4, 100), {}), generator.network(latents))


@pytest.mark.parametrize("made", [PlainD(shape=(-1,)), PlainD(shape=(-1, 1, 1, 1)), Squeezed()])
def test_answers_of_any_usual_shape_are_one_number_per_image(made):
    _, discriminator = build(with_(make_discriminator=lambda *_: made))
    for n in (1, 3):
        assert discriminator(torch.rand(n, 3, 16, 16), {}).logits[0].shape == (n,)


def test_a_patch_discriminator_gives_maps():
    patches = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(True), nn.Conv2d(4, 1, 4, 2, 1))
    _, discriminator = build(with_(make_discriminator=lambda *_: patches))
    assert discriminator(torch.rand(3, 3, 16, 16), {}).logits[0].shape == (3, 4, 4)


def test_a_sigmoid_is_undone_where_it_is_declared():
    reseed(0)
    made = PlainD(nn.Sigmoid())
    _, discriminator = build(with_(make_discriminator=lambda *_: made, probabilities=True))
    images = torch.rand(4, 3, 16, 16)
    before = made.logit[0](made.maps(images).flatten(1))[:, 0]
    torch.testing.assert_close(discriminator(images, {}).score(), before, atol=1e-4, rtol=1e-4)


def test_latents_can_be_maps():
    generator = nn.Sequential(nn.ConvTranspose2d(100, 3, 16), nn.Tanh())
    made, _ = build(with_(make_generator=lambda *_: generator, latent_maps=True))
    assert made(torch.randn(2, 100), {}).shape == (2, 3, 16, 16)


def test_trying_them_out_leaves_modes_and_averages_as_they_were():
    made = PlainG(100, nn.Tanh())
    made.image.eval()  # as its author may have wanted
    generator, _ = build(with_(make_generator=lambda *_: made))
    assert generator.training and made.layers.training and not made.image.training
    assert made.layers[1].num_batches_tracked == 0


class InPlace(PlainD):
    def forward(self, images):
        return super().forward(images.mul_(2))


class Several(PlainD):
    def forward(self, images):
        return super().forward(images), None


G, D = "make_generator", "make_discriminator"
WRONG = {
    "size": (
        G,
        PlainG(100, nn.Tanh(), size=32),
        {},
        r"makes \(2, 3, 32, 32\); the images .* would be \(2, 3, 16, 16\)",
    ),
    "latents": (G, PlainG(64, nn.Tanh()), {}, r"generator fails on latents of shape \(2, 100\): RuntimeError"),
    "sigmoid": (G, PlainG(100, nn.Sigmoid()), {}, r"all values .* in 0\.\.1.*image_range = \(0\.0, 1\.0\)"),
    "no range": (G, PlainG(100, nn.Identity()), {"image_range": (0.0, 1.0)}, r"image_range is 0 to 1.*bounded = False"),
    "no module": (G, lambda latents: latents, {}, "is a function, not an nn.Module"),
    "probabilities": (D, PlainD(nn.Sigmoid()), {}, "all that the discriminator says is in 0..1. Does it end in a sigm"),
    "no probabilities": (D, PlainD(), {"probabilities": True}, "which is no probability"),
    "many numbers": (D, nn.Conv2d(3, 5, 4, 2, 1), {}, r"of 2 images the discriminator says \(2, 5, 8, 8\)"),
    "in place": (D, InPlace(), {}, "changes the images that it is given"),
    "several answers": (D, Several(), {}, "answers with tuple"),
    "not finite": (D, nn.Sequential(PlainD(), nn.Threshold(1e9, float("nan"))), {}, "not finite"),
}


@pytest.mark.parametrize(("method", "made", "more", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_them_is_said(method, made, more, sentence):
    kind = with_(**{method: lambda *_: made}, **more)
    with pytest.raises(ConfigError, match=rf"^plain: .*{sentence}"):
        build(kind)


def test_an_unbounded_generator_may_leave_the_range():
    made = nn.Sequential(PlainG(100, nn.Identity()), nn.Hardtanh(5, 9))
    generator, _ = build(with_(make_generator=lambda *_: made, bounded=False))
    assert generator(torch.randn(2, 100), {}).min() >= 5


def test_other_sizes_are_refused_before_anything_is_built():
    parts = tiny_parts(info=tiny_info(size=32), architecture=Plain())
    assert Plain().conflict(parts) == "plain makes images of side 16; the dataset has side 32"
    assert Plain().conflict(tiny_parts(architecture=Plain())) is None


def test_weights_keep_the_usual_memory_format():
    generator, discriminator = build(Plain())
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
        assert all(weight.is_contiguous() for weight in network.parameters())
    images = torch.rand(3, 3, 16, 16)
    same = discriminator(images.to(memory_format=torch.channels_last), {}).score()
    assert torch.equal(discriminator(images, {}).score(), same)


# --- other people's packages -----------------------------------------------------------------------
@pytest.fixture
def example(monkeypatch):
    """The modules of the example package; torch-mimicry without its first lines, which import TensorFlow."""
    monkeypatch.syspath_prepend(EXAMPLES)
    if (spec := importlib.util.find_spec("torch_mimicry")) is not None:
        package = importlib.util.module_from_spec(spec)
        nets = types.ModuleType("torch_mimicry.nets")
        nets.__path__ = [str(Path(folder) / "nets") for folder in package.__path__]
        monkeypatch.setitem(sys.modules, "torch_mimicry", package)
        monkeypatch.setitem(sys.modules, "torch_mimicry.nets", nets)
    return lambda value: getattr(importlib.import_module(f"existing_networks.{value[0]}"), value[1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("package", "value", "options", "latents"),
    [
        ("torchgan", ("torchgan_dcgan", "TorchganDCGAN"), {"step_channels": 4}, 10),
        ("torch_mimicry", ("mimicry_sngan", "MimicrySNGAN"), {"ngf": 8, "ndf": 8}, 128),
    ],
    ids=["torchgan", "torch-mimicry"],
)
def test_networks_of_other_packages_conform_and_train(package, value, options, latents, example):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    kind, info = example(value)(**options), tiny_info(size=32)
    config = tiny_config(kind, latents={"size": latents})
    check_architecture(kind, size=32, config=config)
    for loss, tricks in (("non_saturating", []), ("wasserstein", ["gradient_penalty"])):
        check_run(
            lambda loss=loss, tricks=tricks: tiny_training(
                tiny_parts(config, info, architecture=kind, loss=loss, tricks=tricks)
            ),
            steps=2,
        )
