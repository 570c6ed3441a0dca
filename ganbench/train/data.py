"""Real images in memory as uint8, each batch a pure function of (seed, step, update, domain)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganbench.api.config import RunConfig
from ganbench.api.data import Batch, DatasetInfo, Labels, Samples
from ganbench.errors import DataError
from ganbench.seeds import derive


class RealImages:
    """The images of one split, on the device, served in a new order every epoch.

    There is no iterator to save: epoch and position follow from the step, so a resumed run sees the same batches.
    """

    def __init__(
        self,
        info: DatasetInfo,
        samples: Sequence[Samples],
        config: RunConfig,
        *,
        seed: int,
        batches_per_step: int,
        device: torch.device,
    ):
        self.info = info
        self.step = 0  # set by the loop before each step
        self._seed = seed
        self._batch_size = config.training.batch_size
        self._batches_per_step = batches_per_step
        self._range = config.input_range
        self._device = device
        self._images: dict[str, Tensor] = {}
        self._labels: dict[str, Labels] = {}
        for part in samples:
            if len(part) == 0:
                raise DataError("a split that images or labels are drawn from holds no images")
            self._images[part.domain] = torch.from_numpy(np.ascontiguousarray(part.images)).to(device)
            self._labels[part.domain] = as_tensors(part, device)
        self._orders: dict[tuple[str, int], Tensor] = {}

    def batch(self, update: int, domain: str = "") -> Batch:
        """Real images number `update` of the current step. float32 in config.input_range, channels_last."""
        images = self._images[domain]
        first = (self.step * self._batches_per_step + update) * self._batch_size
        index = self._indices(domain, len(images), first)
        chosen = images[index].to(memory_format=torch.channels_last)
        low, high = self._range
        scaled = chosen.float().mul_((high - low) / 255).add_(low)
        return Batch(images=scaled, labels={name: value[index] for name, value in self._labels[domain].items()})

    def _indices(self, domain: str, count: int, first: int) -> Tensor:
        """Positions first .. first + batch_size of an endless sequence of shuffled epochs."""
        wanted, parts = self._batch_size, []
        while wanted:
            epoch, start = divmod(first, count)
            part = self._order(domain, count, epoch)[start : start + wanted]
            parts.append(part)
            first, wanted = first + len(part), wanted - len(part)
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _order(self, domain: str, count: int, epoch: int) -> Tensor:
        if (domain, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[1] >= epoch - 1}
            rng = torch.Generator().manual_seed(derive(self._seed, "order", domain, epoch))
            # To the device once an epoch: a copy for each batch would make the host wait for all that is queued.
            self._orders[domain, epoch] = torch.randperm(count, generator=rng).to(self._device)
        return self._orders[domain, epoch]


def per_domain(samples: Samples, info: DatasetInfo) -> list[Samples]:
    """A split as one part for each domain; as it is, where the data set has none."""
    if not info.domain_label:
        return [samples]
    found = []
    for number, domain in enumerate(info.domains):
        rows = np.flatnonzero(samples.labels[info.domain_label] == number)
        if len(rows) == 0:
            raise DataError(f"a split holds no image of the domain {domain!r}")
        labels = {name: values[rows] for name, values in samples.labels.items()}
        found.append(Samples(images=samples.images[rows], labels=labels, domain=domain))
    return found


def as_tensors(samples: Samples, device: torch.device) -> Labels:
    """Labels as the contract wants them: class numbers int64 [N], flags and values float32 [N, K]."""
    tensors: Labels = {}
    for name, values in samples.labels.items():
        dtype = np.int64 if values.ndim == 1 else np.float32
        tensors[name] = torch.from_numpy(np.ascontiguousarray(values.astype(dtype))).to(device)
    return tensors


def balanced(samples: Samples, count: int, seed: int) -> Samples:
    """`count` rows of a split such that every label combination that occurs in it is (nearly) equally frequent."""
    if not samples.labels:
        return samples
    columns = [values.reshape(len(values), -1).astype(np.float64) for _, values in sorted(samples.labels.items())]
    _, group = np.unique(np.concatenate(columns, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    members = [np.flatnonzero(group == index) for index in range(group.max() + 1)]
    rng = torch.Generator().manual_seed(derive(seed, "balanced labels"))
    draws = torch.rand(count, generator=rng, dtype=torch.float64).tolist()
    rows = [members[i % len(members)][int(draw * len(members[i % len(members)]))] for i, draw in enumerate(draws)]
    order = torch.randperm(count, generator=rng).numpy()
    index = np.asarray(rows)[order]
    labels = {name: values[index] for name, values in samples.labels.items()}
    return Samples(images=samples.images[index], labels=labels, domain=samples.domain)
