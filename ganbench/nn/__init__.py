"""Building blocks for architectures: modules that obey `NetworkConfig`, so that a plugin need not write them again."""

from ganbench.nn.activation import OutputRange, activation
from ganbench.nn.attention import SelfAttention
from ganbench.nn.dropout import Dropout
from ganbench.nn.init import add_spectral_norm, dcgan_init, normal_init
from ganbench.nn.labels import LabelEmbedding, LabelVector
from ganbench.nn.minibatch import MinibatchDiscrimination, MinibatchStd, minibatch
from ganbench.nn.noise import LayerNoise
from ganbench.nn.norm import ConditionalNorm, PixelNorm, norm
from ganbench.nn.resample import Repeat, down, up

__all__ = [
    "ConditionalNorm",
    "Dropout",
    "LabelEmbedding",
    "LabelVector",
    "LayerNoise",
    "MinibatchDiscrimination",
    "MinibatchStd",
    "OutputRange",
    "PixelNorm",
    "Repeat",
    "SelfAttention",
    "activation",
    "add_spectral_norm",
    "dcgan_init",
    "down",
    "minibatch",
    "norm",
    "normal_init",
    "up",
]
