"""Scores of features, computed by torch-fidelity's own functions (Obukhov et al., 2020) behind typed signatures.

torch-fidelity ignores options that it does not know in silence, its feature cache trusts whatever name it is given,
and importing it takes seconds. So only this module calls it: it passes features, never images, and imports late.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganbench import FeatureExtractor

SEED = 2020  # of shuffles and subsets, torch-fidelity's default
SMALLEST_FID = 1e-6  # rounding can make the distance of a set to itself 0 or negative, and ratios need logarithms


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Mean and covariance of reference features, prepared for distances to many other sets."""

    mean: npt.NDArray[np.float32]  # [F]
    root: npt.NDArray[np.float64]  # [F, F], the symmetric square root of the covariance
    trace: float  # of the covariance

    def save(self, path: Path) -> None:
        with path.open("wb") as file:  # given a path, savez would append a suffix
            np.savez(file, mean=self.mean, root=self.root, trace=np.float64(self.trace))

    @classmethod
    def load(cls, path: Path) -> Gaussian:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(mean=arrays["mean"], root=arrays["root"], trace=float(arrays["trace"]))


def gaussian(features: Tensor) -> Gaussian:
    """The reference's side of the Fréchet distance. features: [N, F] float32, N >= 2."""
    mean, covariance = _mean_and_covariance(features)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return Gaussian(mean=mean, root=root, trace=float(np.trace(covariance)))


def frechet_distance(reference: Gaussian, features: Tensor) -> float:
    """Squared Fréchet distance of two Gaussians (Heusel et al., 2017, eq. 6). features: [N, F] float32, N >= 2.

    tr sqrt(S1 S2) is taken from the symmetric matrix sqrt(S1) S2 sqrt(S1), which has the same eigenvalues as S1 S2: the
    symmetric solver is faster than the general one that torch-fidelity calls, needs no complex numbers, and the root of
    the reference is computed once. The results agree to better than 1e-6 of the distance.
    """
    mean, covariance = _mean_and_covariance(features)
    # float(): added to float32, the traces would be rounded to float32 too.
    between = float(np.square(mean - reference.mean).sum(dtype=np.float64))
    values = np.linalg.eigvalsh(reference.root @ covariance @ reference.root)
    overlap = float(np.sqrt(values.clip(min=0)).sum())
    return max(between + reference.trace + float(np.trace(covariance)) - 2 * overlap, SMALLEST_FID)


def inception_score(logits: Tensor, *, splits: int) -> tuple[float, float]:
    """Mean and standard deviation over splits (Salimans et al., 2016). logits: [N, K], N >= splits."""
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

    scores = isc_features_to_metric(logits, splits=splits, shuffle=True, rng_seed=SEED)
    return scores[KEY_METRIC_ISC_MEAN], scores[KEY_METRIC_ISC_STD]


def kernel_distance(fake: Tensor, real: Tensor, *, subsets: int, subset_size: int) -> float:
    """Unbiased squared MMD with the cubic kernel, averaged over random subsets (Binkowski et al., 2018).

    fake: [N, F], real: [M, F]; subsets have min(subset_size, N, M) >= 2 images.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    scores = kid_features_to_metric(
        fake,
        real,
        kid_subsets=subsets,
        kid_subset_size=min(subset_size, len(fake), len(real)),
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=SEED,
        verbose=False,
    )
    return float(scores[KEY_METRIC_KID_MEAN])


def precision_and_recall(fake: Tensor, real: Tensor, *, neighbours: int) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al., 2019). fake: [N, F], real: [M, F], N and M > neighbours."""
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    scores = prc_features_to_metric(
        fake, real, prc_neighborhood=neighbours, prc_batch_size=10000, save_cpu_ram=False, verbose=False
    )
    return scores[KEY_METRIC_PRECISION], scores[KEY_METRIC_RECALL]


def register_extractor(name: str, extractor: FeatureExtractor) -> None:
    """Give torch-fidelity this very extractor, so that `calculate_metrics(feature_extractor=name)` can check ours."""
    from torch_fidelity import FeatureExtractorBase
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    class Registered(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: object) -> None:
            super().__init__(name, features_list)

        def forward(self, images: Tensor) -> tuple[Tensor | None, ...]:
            features = extractor(images)
            layers = {"pooled": features.pooled, "logits": features.logits}
            return tuple(layers[layer] for layer in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return "pooled", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "pooled"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> Tensor:
            return torch.zeros(1, 3, 64, 64, dtype=torch.uint8)

    FEATURE_EXTRACTORS_REGISTRY[name] = Registered  # replaces one of that name, which register_... would refuse


def _mean_and_covariance(features: Tensor) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    from torch_fidelity.metric_fid import fid_features_to_statistics

    statistics = fid_features_to_statistics(features.cpu())
    return statistics["mu"], statistics["sigma"]
