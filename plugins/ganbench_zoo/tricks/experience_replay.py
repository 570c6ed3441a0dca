"""D is shown old fakes, too."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench import Batch, Moment, Trick


@dataclass(frozen=True, kw_only=True)
class ExperienceReplay(Trick):
    """A share of D's fakes comes from a buffer of past ones (Shrivastava et al., 2017, section 2.3; ganhacks 8).

    After each draw as many fresh fakes go into the buffer: into free places first, then over random ones, so a fake
    stays for size / (share x batch size) updates of D on average. Labels travel with their images. There is a buffer
    per domain.

    It costs size x C x H x W x 4 bytes on the device and in each checkpoint: 12 MiB for 1024 images of 3 x 32 x 32,
    200 MiB at 3 x 128 x 128. Images are kept in float32, since 8 bits would clip a G without tanh, and would round old
    fakes to the grid that reals lie on and fresh fakes do not.
    """

    size: int = 1024  # images in the buffer, >= 1
    share: float = 0.25  # of D's fakes that are old ones, in (0, 1); half in the paper

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 < self.share < 1:
            raise ValueError("size must be at least 1, and share between 0 and 1")

    def replace_fakes(self, fake: Batch, moment: Moment) -> Batch:
        buffer = self.memory.setdefault(moment.domain, {"held": 0, "images": None, "labels": {}})
        if buffer["images"] is None:
            buffer["images"] = room(self.size, fake.images)
            buffer["labels"] = {name: room(self.size, value) for name, value in fake.labels.items()}
        held, count = buffer["held"], max(round(self.share * len(fake)), 1)

        def draw(limit: int, n: int) -> Tensor:  # n different numbers below limit, or as many as there are
            return torch.randperm(limit, generator=moment.rng("experience_replay"))[:n]

        chosen, shown = draw(len(fake), count), draw(held, count)
        free = torch.arange(held, min(held + count, self.size))
        stored = torch.cat([free, draw(held, count - len(free))])

        def exchange(fresh: Tensor, kept: Tensor) -> Tensor:
            """Fresh fakes with some old ones among them; the same number of fresh ones is kept."""
            mixed = fresh.clone()
            mixed[chosen[: len(shown)]] = kept[shown]
            kept[stored] = fresh[chosen[: len(stored)]]
            return mixed

        buffer["held"] = held + len(free)
        labels = {name: exchange(value, buffer["labels"][name]) for name, value in fake.labels.items()}
        return Batch(images=exchange(fake.images, buffer["images"]), labels=labels)


def room(size: int, like: Tensor) -> Tensor:
    """Place for so many rows of a tensor."""
    return like.new_zeros((size, *like.shape[1:]))
