"""Building blocks for architectures: modules that obey `NetworkConfig`, so that a plugin need not write them again."""

from ganbench.nn.activation import OutputRange, activation
from ganbench.nn.attention import SelfAttention
from ganbench.nn.conditional import ConditionalDiscriminator, ConditionalGenerator
from ganbench.nn.conflict import network_conflict, obeyed, sides
from ganbench.nn.convolution import Conv2d, ConvTranspose2d, conv2d, conv_transpose2d
from ganbench.nn.dropout import Dropout
from ganbench.nn.flatten import flatten
from ganbench.nn.init import add_spectral_norm, dcgan_init, gain, he_init, normal_init, xavier_init, xavier_layer
from ganbench.nn.labels import LabelEmbedding, LabelVector
from ganbench.nn.minibatch import MinibatchDiscrimination, MinibatchStd, minibatch
from ganbench.nn.noise import LayerNoise
from ganbench.nn.norm import ConditionalNorm, PixelNorm, norm
from ganbench.nn.resample import Repeat, TentDown, TentUp, down, up
from ganbench.nn.residual import ResidualDown, ResidualUp
from ganbench.nn.stage import Stage, attention
from ganbench.nn.stem import LinearStem, stem

__all__ = [
    "ConditionalDiscriminator",
    "ConditionalGenerator",
    "ConditionalNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "LabelEmbedding",
    "LabelVector",
    "LayerNoise",
    "LinearStem",
    "MinibatchDiscrimination",
    "MinibatchStd",
    "OutputRange",
    "PixelNorm",
    "Repeat",
    "ResidualDown",
    "ResidualUp",
    "SelfAttention",
    "Stage",
    "TentDown",
    "TentUp",
    "activation",
    "add_spectral_norm",
    "attention",
    "conv2d",
    "conv_transpose2d",
    "dcgan_init",
    "down",
    "flatten",
    "gain",
    "he_init",
    "minibatch",
    "network_conflict",
    "norm",
    "normal_init",
    "obeyed",
    "sides",
    "stem",
    "up",
    "xavier_init",
    "xavier_layer",
]
