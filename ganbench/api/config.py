"""What a run is made of, as frozen records. No torch here: suites are loaded and planned without it.

Every field has a default, so a suite states only what it cares about. Comments give ranges and meaning; `ganbench show`
prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from typing_extensions import TypeAliasType

# A named alias, since pydantic follows a plain recursive one for ever.
Json = TypeAliasType("Json", "bool | int | float | str | list[Json] | dict[str, Json] | None")

Norm = Literal["batch", "instance", "layer", "pixel", "none"]
Activation = Literal["relu", "leaky_relu", "selu", "silu"]
OutputActivation = Literal["tanh", "sigmoid", "none"]
Upsampling = Literal["transposed", "pixel_shuffle", "nearest"]
Downsampling = Literal["strided", "average_pool", "max_pool"]
Conditioning = Literal["none", "concat", "embedding", "projection", "conditional_norm"]
Minibatch = Literal["none", "std", "discrimination"]
Distribution = Literal["normal", "uniform", "unit_uniform", "sphere"]
Precision = Literal["fp32", "bf16"]
Quantity = Literal["steps", "images", "d_updates", "g_updates", "seconds"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of all records that a suite may set: an unknown field is an error, never ignored."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class PluginSpec(Config):
    """A plugin as a suite names it: `hinge`, or `{gradient_penalty: {at: real}}`."""

    name: str
    options: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Config):
    name: Literal["adam", "sgd", "rmsprop"] = "adam"
    lr: float = 2e-4  # learning rate, > 0
    betas: tuple[float, ...] = (0.5, 0.999)  # adam: two numbers in [0, 1)
    momentum: float = 0.0  # sgd and rmsprop, in [0, 1)
    weight_decay: float = 0.0  # >= 0
    decay_from: float = 1.0  # share of the budget after which lr falls linearly to 0, in [0, 1]; 1: it never falls

    def lr_at(self, progress: float) -> float:
        """The learning rate when that share of the budget is used, in [0, 1].

        It falls from the start in Gulrajani et al. (2017), on CIFAR-10, and from the middle in Zhu et al. (2017). A
        function of progress alone: nothing to be saved, and a resumed run goes on with the same rate.
        """
        return self.lr if progress <= self.decay_from else self.lr * (1 - progress) / (1 - self.decay_from)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Config):
    """One network side. The same record serves G and D: "separately in G and D" is just a field of either.

    An architecture declares which fields it obeys; changing one that it does not obey is refused, because the run would
    change nothing and still earn a verdict.
    """

    width: int = 64  # channels next to the image; deeper stages have multiples of it
    kernel: int = 4  # side of the strided convolutions
    stem: Literal["conv", "linear"] = "conv"  # how latents become the first feature map (generator)
    norm: Norm = "batch"
    spectral_norm: bool = False  # Miyato et al., 2018
    activation: Activation = "leaky_relu"
    slope: float = 0.2  # of leaky_relu, for negative inputs
    output_activation: OutputActivation = "tanh"  # generator
    bias: bool = False  # of convolutions
    dropout: float = 0.0  # probability in [0, 1)
    dropout_when_sampling: bool = False  # keep dropout on at test time (ganhacks 17)
    layer_noise: bool = False  # per-pixel noise with a learnt gain in every stage (StyleGAN, Karras et al., 2019)
    attention_at: tuple[int, ...] = ()  # feature-map sizes with self-attention (SAGAN, Zhang et al., 2019)
    upsampling: Upsampling = "transposed"  # generator
    downsampling: Downsampling = "strided"  # discriminator
    conditioning: Conditioning = "none"  # how labels enter this network
    minibatch: Minibatch = "none"  # discriminator: statistics over the batch as a feature
    heads: dict[str, int] = field(default_factory=dict)  # discriminator: extra outputs, name -> size
    optimizer: OptimizerConfig = OptimizerConfig()


@dataclass(frozen=True, kw_only=True)
class LatentsConfig(Config):
    size: int = 100
    # normal: N(0, I); uniform: [-1, 1]; unit_uniform: [0, 1] (report R1); sphere: N(0, I) scaled to norm sqrt(size)
    distribution: Distribution = "normal"


@dataclass(frozen=True, kw_only=True)
class Budget(Config):
    """How long a run trains: exactly one of these. It says what a suite holds constant between its cells."""

    steps: int | None = None  # iterations of the procedure
    images: int | None = None  # real images shown to D
    d_updates: int | None = None  # optimiser steps of D
    g_updates: int | None = None  # optimiser steps of G
    seconds: float | None = None  # wall time of training alone; not reproducible to the bit

    @property
    def quantity(self) -> Quantity:
        return self._given()[0]

    @property
    def amount(self) -> float:
        return self._given()[1]

    def given(self) -> list[Quantity]:
        """The quantities that are set; a valid budget has exactly one."""
        names: tuple[Quantity, ...] = ("steps", "images", "d_updates", "g_updates", "seconds")
        return [name for name in names if getattr(self, name) is not None]

    def _given(self) -> tuple[Quantity, float]:
        (name,) = self.given()
        return name, getattr(self, name)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Config):
    budget: Budget = Budget(steps=1000)
    batch_size: int = 64
    d_updates: int = 1  # optimiser steps of D per step
    g_updates: int = 1  # optimiser steps of G per step
    precision: Precision = "fp32"  # bf16: autocast of networks; losses, penalties stay fp32; slow on CPUs without AMX
    threads: int = 1  # on the CPU; part of the suite, since 1 and 2 threads give different bits
    compile: bool = False  # networks through torch.compile; left out, with a reason, where that cannot be
    cuda_graphs: bool = False  # and replayed as CUDA graphs: compiles, too; left out in the same way


@dataclass(frozen=True, kw_only=True)
class RunConfig(Config):
    """All that makes the trained networks, apart from the seed. Its digest is the identity of a cell."""

    dataset: PluginSpec = PluginSpec(name="faces")
    architecture: PluginSpec = PluginSpec(name="dcgan")
    loss: PluginSpec = PluginSpec(name="non_saturating")
    tricks: tuple[PluginSpec, ...] = ()  # order does not matter: they are applied sorted by name
    procedure: PluginSpec = PluginSpec(name="adversarial")
    generator: NetworkConfig = NetworkConfig()
    discriminator: NetworkConfig = NetworkConfig()
    latents: LatentsConfig = LatentsConfig()
    input_range: tuple[float, ...] = (-1.0, 1.0)  # of everything D sees; [0, 255] is raw
    ema: float | None = None  # decay per G update of the averaged generator, in (0, 1); none: no average is kept
    training: TrainingConfig = TrainingConfig()
    replicate: int = 0  # shifts all seeds of a level: an A/A test is a level with replicate 1

    @property
    def half_range(self) -> float:
        """Half the width of the input range: multiply noise by it, and slopes, so that options mean the same in -1..1
        and in 0..255."""
        low, high = self.input_range
        return (high - low) / 2


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(Config):
    """How trained networks are judged. Changing it re-scores kept generators; it never retrains."""

    extractor: PluginSpec = PluginSpec(name="efficientnet_lite0")
    metrics: tuple[PluginSpec, ...] = (PluginSpec(name="fid"),)
    resize: int | None = 64  # images are resized to this side before the extractor; none: as they are
    images: int = 2000  # sampled at each evaluation
    window: int = 10  # the score is the mean over this many evaluations in the last third of training, at least 1
    curve: int = 3  # evaluations before the window, the first of them at initialisation
    final_images: int = 5000  # sampled once more at the end, for `<metric>_last`
    reference: Literal["train", "held_out"] = "train"  # split whose statistics stand for the real data
    reference_images: int | None = None  # how many of them; none: all
    label_sampling: Literal["data", "balanced"] = "data"  # labels of sampled images: the data's frequencies, or uniform
    # Batch norm when sampling: running averages; the statistics of each batch; or averages re-estimated for sampling.
    batch_norm: Literal["running", "batch", "standing"] = "running"
    weights: Literal["ema", "raw"] = "ema"  # ema: the averaged generator where one is kept, else the raw one
    batch_size: int = 100  # of sampling and feature extraction

    def curve_fractions(self) -> list[float]:
        """Shares of the budget at which to evaluate before the window: 0 (initialisation) up to below 2/3."""
        return [2 / 3 * i / self.curve for i in range(self.curve)]

    def window_fractions(self) -> list[float]:
        """Shares of the budget at which the evaluations of the score window stand: equally spaced, the last at 1."""
        return [2 / 3 + (j / self.window) / 3 for j in range(1, self.window + 1)]


@dataclass(frozen=True, kw_only=True)
class Resources(Config):
    """What one cell asks of a cluster; the executors `slurm` and `ray` read it, `local` does not."""

    cpus: int | None = None  # cores; none: as many as training.threads
    gpus: float | None = None  # 0.5: two cells share one, where the executor can; none: one if the device is cuda
    memory_gib: float | None = None  # none: what the cluster gives by itself
    hours: float | None = None  # after which the scheduler ends a job; the cell is queued again and goes on
    partition: str | None = None  # queue, slurm
    account: str | None = None  # who pays, slurm


@dataclass(frozen=True, kw_only=True)
class RunOptions(Config):
    """How cells are run on this machine. Recorded beside results, never part of their identity."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    log_every: int = 50  # steps between two lines of the history
    checkpoint_seconds: float = 60.0  # at most this much training is lost to a kill
    keep_generators: bool = True  # of every evaluation: allows re-scoring without retraining
    hang_seconds: float = 600.0  # a cell that reports no progress for so long is stopped and counts as failed
    deterministic: bool = True  # deterministic kernels where there are any
    self_check: bool = True  # the first steps of each level's first seed run twice: does this machine repeat itself?
    profile_cell: bool = False  # say where the time of a cell goes: data, D, G, tricks, health, evaluation, ...
    health: bool = True  # look at the run every 5 % of training and warn; changes nothing of what is trained
    loggers: tuple[PluginSpec, ...] = (PluginSpec(name="console"),)
    resources: Resources = Resources()  # of a cell on a cluster; a suite says them at its root
