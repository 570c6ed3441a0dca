"""Fashion-MNIST from the files of its authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganbench_zoo.datasets.mnist import Mnist


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Mnist):
    """Fashion-MNIST (Xiao et al., 2017): 28x28 grey images of ten kinds of clothes; its test images are held out."""

    name: ClassVar[str] = "fashion_mnist"
    source: ClassVar[str] = "FashionMNIST"
    classes: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )

    root: str = ""  # folder that holds FashionMNIST/raw/; empty: $GANBENCH_DATA, or ./data if that is not set
