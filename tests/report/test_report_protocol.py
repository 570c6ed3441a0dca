from __future__ import annotations

import pytest
from result_rows import ACCURACY, FID

from ganbench.errors import ConfigError
from ganbench.report.protocol import check_protocols, digest, titled

PROTOCOL = {"images": 2000, "extractor": {"name": "lite", "sha256": "ab"}, "sampler": {"weights": "ema"}}


def test_equal_protocols_pass_whatever_the_sampler():
    other = PROTOCOL | {"sampler": {"weights": "raw"}}
    shared = check_protocols({"b": PROTOCOL, "a": other})
    assert shared == {"images": 2000, "extractor": {"name": "lite", "sha256": "ab"}}
    assert check_protocols({}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 5000}, "images is 2000 and 5000"),
        ({"extractor": {"name": "lite", "sha256": "cd"}}, 'extractor.sha256 is "ab" and "cd"'),
        ({"resize": 64}, "resize is nothing and 64"),
        ({"images": 2000.5, "resize": None}, "images is 2000 and 2000.5; resize is nothing and null"),
    ],
)
def test_a_difference_is_refused_with_both_cells_and_the_field(change, message):
    with pytest.raises(ConfigError) as error:
        check_protocols({"cell-2": PROTOCOL | change, "cell-1": PROTOCOL, "cell-0": PROTOCOL})
    assert "cells cell-0 and cell-2" in str(error.value)
    assert message in str(error.value)


def test_titles_carry_the_protocol():
    shown = {"extractor": {"title": "EfficientNet-Lite0"}, "images": 2000, "evaluator": "small"}
    assert titled(FID, shown).title == "FID (EfficientNet-Lite0, 2000 images)"
    assert titled(ACCURACY, shown).title == "conditional_accuracy (evaluator small)"
    assert titled(FID, {}).title == "FID"


def test_the_digest_changes_with_any_field():
    assert digest(PROTOCOL) == digest(dict(reversed(PROTOCOL.items())))
    assert digest(PROTOCOL) != digest(PROTOCOL | {"images": 1})
