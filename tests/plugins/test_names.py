"""The names by which the field reports and the 17 ganhacks are asked for. Suites rely on them, so they stay."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import get_args

import pytest
from typer.testing import CliRunner

from ganbench.api import config
from ganbench.api.config import NetworkConfig, RunConfig
from ganbench.cli import app

PLUGINS = {
    "architecture": "dcgan resnet sagan r3gan vae_gan",
    "loss": "non_saturating saturating least_squares hinge wasserstein relativistic_paired relativistic_average",
    "trick": "label_smoothing label_flips swapped_labels instance_noise experience_replay past_checkpoints "
    "feature_matching historical_averaging diff_augment ada lecam consistency top_k spectral_norm "
    "spectral_regularization orthogonal_regularization ttur gradient_penalty weight_clipping auxiliary_classifier",
    "procedure": "adversarial split_d_steps loss_balanced unrolled vae_gan",
    "dataset": "faces blocks celeba i_clevr attribute_table tagged_faces mnist fashion_mnist cifar10 image_folder "
    "metadata_folder",
    "extractor": "efficientnet_lite0 inception",
    "metric": "fid kid inception_score precision_recall conditional_accuracy face_yield",
    "executor": "local ray slurm",
    "logger": "console tensorboard wandb",
    "report": "csv json md html tex curves figures",
}
CHOICES = {
    "Norm": "batch instance layer pixel none",
    "Activation": "relu leaky_relu selu silu",
    "Upsampling": "transposed pixel_shuffle nearest",
    "Downsampling": "strided average_pool max_pool",
    "Conditioning": "concat embedding projection conditional_norm",
    "Minibatch": "std discrimination",
    "Distribution": "normal uniform sphere",
}


def test_list_has_every_plugin() -> None:
    found = CliRunner().invoke(app, ["list", "--json"])
    listed = {kind: {entry["name"] for entry in held} for kind, held in json.loads(found.stdout).items()}
    missing = {kind: sorted(set(names.split()) - listed[kind]) for kind, names in PLUGINS.items()}
    assert not any(missing.values()), missing


@pytest.mark.parametrize("choice", CHOICES)
def test_every_network_has_every_choice(choice: str) -> None:
    assert set(CHOICES[choice].split()) <= set(get_args(getattr(config, choice)))


def test_what_is_no_plugin_is_an_option_of_every_run() -> None:
    network = {"kernel", "stem", "slope", "dropout", "dropout_when_sampling", "output_activation", "layer_noise"}
    assert network | {"minibatch", "conditioning", "attention_at"} <= {one.name for one in fields(NetworkConfig)}
    assert {"ema", "input_range", "latents", "generator", "discriminator"} <= {one.name for one in fields(RunConfig)}
