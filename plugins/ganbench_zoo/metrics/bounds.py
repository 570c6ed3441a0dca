"""What real images score: floors and ceilings beside the scores of generated ones, and whether there are enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ganbench import DatasetInfo, EvaluationConfig, Features, Json, Real, Split


def too_few(info: DatasetInfo, config: EvaluationConfig, *, least: int, what: str) -> str | None:
    """A sentence, where the evaluation samples or refers to fewer than `least` images, or to more than there are."""
    available = info.counts.get(config.reference, 0)
    counts = {
        "evaluation.images": config.images,
        "evaluation.final_images": config.final_images,
        "evaluation.reference_images": available if config.reference_images is None else config.reference_images,
    }
    for field, count in counts.items():
        if count < least:
            return f"{what} needs at least {least} images, and {field} is {count}."
    if config.reference_images is not None and config.reference_images > available:
        return (
            f"{what}: evaluation.reference_images is {config.reference_images}, "
            f"but the split {config.reference} has {available} images."
        )
    return None


def identity(real: Real) -> dict[str, Json]:
    """All that the reference features depend on, for keys of caches."""
    config = real.config
    return {
        "reference": config.reference,
        "data": real.digest(config.reference),
        "count": config.reference_images,
        "extractor": real.extractor_digest(),
        "resize": config.resize,
    }


def bounds(
    real: Real, word: str, options: dict[str, Json], least: int, score: Callable[[Features], dict[str, float]]
) -> dict[str, Json]:
    """Scores of real images outside the reference, as many as the evaluations sample, or all there are of them.

    With `word` "floor" the notes are `fid_floor` and `fid_floor_images`, beside `fid`, and `fid_last_floor` and
    `fid_last_floor_images`, beside `fid_last`. Few images score worse, so a bound holds for its own number of images.
    """
    config = real.config
    split: Split = "held_out" if config.reference == "train" else "train"
    # Counted in the images themselves: `info` may promise files that turned out to be broken.
    available = len(real.samples(split)) if real.info.counts.get(split, 0) else 0
    notes: dict[str, Json] = {}
    for suffix, wanted in (("", config.images), ("_last", config.final_images)):
        count = min(wanted, available)
        if count < least:
            continue
        for name, value in _scores(real, split, count, options, score).items():
            notes[f"{name}{suffix}_{word}"] = value
            notes[f"{name}{suffix}_{word}_images"] = count
    return notes


def _scores(
    real: Real, split: Split, count: int, options: dict[str, Json], score: Callable[[Features], dict[str, float]]
) -> dict[str, float]:
    def make(path: Path) -> None:
        real.say(f"scoring {count} real images ({split.replace('_', ' ')})")
        most = max(real.config.images, real.config.final_images)  # extracted once for both numbers of images
        path.write_text(json.dumps(score(real.features(split, most).rows(0, count))))

    key: dict[str, Json] = {"split": split, "split_data": real.digest(split), "split_count": count, "options": options}
    scores: dict[str, float] = json.loads(real.cached(identity(real) | key, make).read_text())
    return scores
