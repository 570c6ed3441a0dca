"""The hybrid of VAE and GAN: its terms by hand, who learns from which, and what it goes with."""

from __future__ import annotations

import pytest
import torch

from ganbench import ConfigError, OptimizerConfig
from ganbench.phases import sample, sampling_inputs
from ganbench.testing import (
    check_architecture,
    check_procedure,
    check_run,
    run_steps,
    tiny_config,
    tiny_info,
    tiny_parts,
    tiny_training,
)
from ganbench_zoo.architectures.vae_gan import CONDITIONING, VAEGAN as Architecture
from ganbench_zoo.procedures.vae_gan import VAEGAN, Code

PLAIN = {"discriminator": {"norm": "none"}, "generator": {"norm": "none"}}


def vae_gan(settings=None, info=None, *, tricks=(), loss="non_saturating", **options):
    return tiny_parts(
        settings or tiny_config(**PLAIN),
        info,
        architecture="vae_gan",
        procedure=VAEGAN(**options),
        tricks=tricks,
        loss=loss,
    )


@pytest.mark.parametrize("size", [16, 32])
def test_architecture_conforms(size):
    check_architecture(Architecture(), size=size)
    check_architecture(Architecture(), size=size, channels=1)


def test_the_divergence_from_the_prior_by_hand():
    """KL of N(m, v) from N(0, 1) is (m^2 + v - 1 - log v) / 2 for each latent; the sum over latents counts."""
    mean, log_variance = torch.tensor([[0.5, -1.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, -2.0]])
    code = Code(mean=mean, log_variance=log_variance, latents=mean)
    first = 0.25 / 2 + (1 + torch.e - 1 - 1) / 2
    second = 0 + (torch.e**-2 - 1 + 2) / 2
    assert float(code.divergence()) == pytest.approx((first + second) / 2)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(code.divergence(), wanted.sum(1).mean())


def test_d_sees_samples_of_the_prior_and_reconstructions():
    training, data = tiny_training(vae_gan())
    generator, discriminator = training.networks.generator, training.networks.discriminator
    latents, shown, encoded = [], [], []
    generator.decoder.register_forward_pre_hook(lambda module, inputs: latents.append(inputs[0].detach().clone()))
    generator.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(output.heads))
    discriminator.register_forward_pre_hook(lambda module, inputs: shown.append(inputs))
    real = data.batch(0)
    run_steps(training, data)
    # D's phase: reals, then twice as many fakes; G's phase: fakes, and D's features of reals and of reconstructions
    assert [len(images) for images, _ in shown] == [4, 8, 8, 4, 4]
    assert all(torch.equal(shown[i][0], real.images) for i in (0, 3))
    for name, label in real.labels.items():
        assert torch.equal(shown[1][1][name], torch.cat([label, label]))
    assert len(encoded) == 2  # once per phase
    posterior, prior, again = latents[2:]
    assert torch.equal(posterior, again)  # what is reconstructed for the bound is what D was shown
    spread = (posterior - encoded[1]["mean"]) / (encoded[1]["log_variance"] / 2).exp()
    assert abs(float(spread.mean().detach())) < 0.2 and abs(float(spread.std().detach()) - 1) < 0.2
    assert not torch.equal(prior, posterior)


def test_terms_are_the_bound_per_feature():
    training, data = tiny_training(vae_gan(reconstruction=0.5, prior=3.0))
    codes, features = [], []
    training.networks.generator.encoder.register_forward_hook(lambda module, i, output: codes.append(output.heads))
    training.networks.discriminator.register_forward_hook(lambda module, i, output: features.append(output.features))
    terms = run_steps(training, data)
    assert terms.keys() == {"D/adversarial", "G/adversarial", "G/reconstruction", "G/prior"}
    wanted, found = features[3:]
    count = wanted.shape[1]
    error = ((found - wanted) ** 2).sum(1).mean() / 2
    torch.testing.assert_close(terms["G/reconstruction"], (0.5 * error / count).detach())
    mean, log_variance = codes[1]["mean"], codes[1]["log_variance"]
    divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
    torch.testing.assert_close(terms["G/prior"], (0.5 * 3.0 * divergence / count).detach())


def test_a_real_and_its_reconstruction_are_augmented_alike():
    """A distance between two augmentations of one image would be no error of the decoder's."""
    training, data = tiny_training(vae_gan(tricks=["instance_noise"]))
    generator, discriminator = training.networks.generator, training.networks.discriminator
    made, seen = [], []
    generator.decoder.register_forward_hook(lambda module, inputs, output: made.append(output.detach()))
    discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    real = data.batch(0).images
    run_steps(training, data)
    noise, same = seen[-2] - real, seen[-1] - made[-1]
    assert noise.std() > 0.05
    torch.testing.assert_close(noise, same, rtol=0, atol=1e-5)


def gradients(**options):
    """Of G's halves in the first step."""
    training, data = tiny_training(vae_gan(**options))
    kept = {}

    def keep(*_):
        for half in ("encoder", "decoder"):
            parameters = getattr(training.networks.generator, half).named_parameters()
            kept[half] = {name: p.grad.clone() for name, p in parameters}

    training.optimizers["G"].register_step_pre_hook(keep)
    run_steps(training, data)
    return kept


def test_the_encoder_learns_from_the_bound_only_and_the_decoder_from_both():
    """Algorithm 1: with a weight near 0 nothing is left for the encoder, and the adversarial loss for the decoder."""
    faint, full = gradients(reconstruction=1e-9), gradients(reconstruction=1.0)
    for name, gradient in faint["encoder"].items():
        torch.testing.assert_close(gradient, 1e-9 * full["encoder"][name], rtol=1e-3, atol=1e-12)
    assert all(gradient.any() for gradient in faint["decoder"].values())
    other_loss = gradients(loss="hinge")
    for name, gradient in full["encoder"].items():  # D's first update differs, but Adam makes it nearly the same
        assert (gradient - other_loss["encoder"][name]).abs().max() < 0.2 * gradient.abs().max()


def test_the_prior_term_does_not_reach_the_decoder():
    light, heavy = gradients(prior=0.0), gradients(prior=50.0)
    for name, gradient in light["decoder"].items():
        assert torch.equal(gradient, heavy["decoder"][name])
    assert any(not torch.equal(light["encoder"][n], g) for n, g in heavy["encoder"].items())


def test_it_learns_to_reconstruct():
    """Pixels of what it decodes come nearer to what it encoded: so encoder, decoder and their order work together."""
    fast = OptimizerConfig(lr=2e-3)
    settings = tiny_config(
        generator={"norm": "layer", "width": 8, "optimizer": fast}, discriminator={"norm": "layer", "width": 8}
    )
    training, data = tiny_training(vae_gan(settings, tiny_info(labels=False), prior=0.01, reconstruction=10.0))
    real = data.batch(0)

    def distance():
        with torch.no_grad():
            mean, _ = training.networks.generator.encode(real.images, real.labels)
            made = training.networks.generator(mean, real.labels)
            shuffled = training.networks.generator(mean.roll(1, 0), real.labels)
        return float((made - real.images).square().mean() / (shuffled - real.images).square().mean())

    before = distance()
    run_steps(training, data, 60)
    assert before > 0.98 and distance() < 0.96


def test_sampling_draws_from_the_prior_and_decodes():
    training, data = tiny_training(vae_gan(tiny_config(ema=0.9)))
    run_steps(training, data, 2)
    asked = []
    training.networks.generator_ema.encoder.register_forward_hook(lambda *_: asked.append(True))
    inputs = sampling_inputs(training, 5, data, "x")
    assert sample(training, inputs).shape == (5, 3, 16, 16) and not asked
    assert float(inputs.latents.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_conditional_halves_hear_the_labels(conditioning):
    settings = tiny_config(generator={"conditioning": conditioning}, discriminator={"conditioning": "projection"})
    training, data = tiny_training(vae_gan(settings))
    generator, batch = training.networks.generator.eval(), data.batch(0)
    other = {"kind": (batch.labels["kind"] + 1) % 3, "marks": 1 - batch.labels["marks"]}
    codes = [generator.encode(batch.images, labels)[0] for labels in (batch.labels, other)]
    images = [generator(codes[0], labels) for labels in (batch.labels, other)]
    hears = conditioning != "none"
    assert torch.equal(*codes) is not hears
    # gains of conditional norms start without labels
    assert torch.equal(*images) is (not hears) or conditioning == "conditional_norm"
    check_procedure(VAEGAN(), vae_gan(settings))


def test_the_encoder_sees_the_same_whatever_the_input_range():
    codes = []
    for input_range in ((-1.0, 1.0), (0.0, 255.0)):
        training, data = tiny_training(vae_gan(tiny_config(input_range=input_range)))
        batch = data.batch(0)
        codes.append(training.networks.generator.eval().encode(batch.images, batch.labels)[0])
    torch.testing.assert_close(*codes, rtol=1e-4, atol=1e-6)


def test_runs_with_everything_resume_exactly():
    settings = tiny_config(
        ema=0.9,
        generator={"conditioning": "conditional_norm", "spectral_norm": True, "layer_noise": True, "dropout": 0.2},
        discriminator={"conditioning": "concat", "norm": "layer", "minibatch": "std"},
        training={"precision": "bf16", "d_updates": 2, "g_updates": 2},
    )
    tricks = ["gradient_penalty", "auxiliary_classifier", "instance_noise", "top_k"]
    check_run(lambda: tiny_training(vae_gan(settings, tricks=tricks, loss="relativistic_paired")))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"architecture": "vae_gan"}, "an encoder, which the procedure adversarial would leave untrained"),
        ({"architecture": "vae_gan", "procedure": "unrolled"}, "the procedure unrolled would leave untrained"),
        ({"procedure": "vae_gan"}, "needs an architecture that provides encoder; dcgan does not"),
    ],
)
def test_each_half_of_the_hybrid_refuses_to_go_alone(parts, sentence):
    with pytest.raises(ConfigError, match=sentence):
        tiny_training(tiny_parts(**parts))


def test_other_priors_are_refused():
    with pytest.raises(ConfigError, match=r"latents\.distribution is uniform"):
        tiny_training(vae_gan(tiny_config(latents={"distribution": "uniform"})))


@pytest.mark.parametrize("options", [{"reconstruction": 0.0}, {"prior": -1.0}])
def test_weights_must_mean_something(options):
    with pytest.raises(ValueError, match="reconstruction must be above 0"):
        VAEGAN(**options)
