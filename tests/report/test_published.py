from __future__ import annotations

import math
import subprocess
import sys

from ganbench import registry
from ganbench.report.published import figures, published


def test_every_figure_says_who_measured_what_and_how() -> None:
    assert len(figures()) > 30
    for figure in figures():
        for field in ("metric", "model", "data", "images", "settings", "measured_by", "source"):
            text = getattr(figure, field)
            assert text and text == text.strip() and "\n" not in text, (figure, field)
        assert math.isfinite(figure.value) and figure.value > 0
        assert figure.dataset in {"", *registry.names("dataset")}
        assert figure.dataset or figure.suites, figure
        assert figure.metric in {"fid", "inception_score", "kid", "conditional_accuracy"}
        if figure.metric == "conditional_accuracy":
            assert figure.value < 1


def test_no_figure_stands_there_twice() -> None:
    assert len(set(figures())) == len(figures())
    told = {(f.metric, f.model, f.data, f.images, f.settings, f.measured_by) for f in figures()}
    assert len(told) == len(figures())  # what differs in value differs in settings


def test_figures_are_found_by_data_set_and_metric_and_its_variants() -> None:
    fids = published("cifar10", "fid")
    assert {figure.dataset for figure in fids} == {"cifar10"} and {figure.metric for figure in fids} == {"fid"}
    assert published("cifar10", "fid_last") == published("cifar10", "fid_best") == fids
    wgan_gp = {figure.value: figure.images for figure in fids if figure.model == "WGAN-GP"}
    assert {53.98, 25.852, 22.29} <= set(wgan_gp) and wgan_gp[53.98] != wgan_gp[25.852]
    assert {figure.value for figure in fids if figure.model.startswith("SNGAN")} >= {9.01, 16.77}
    assert {figure.value for figure in fids if figure.model == "DCGAN"} >= {48.29, 49.03, 137.4}
    assert published("faces", "fid") == published("cifar10", "precision") == published("", "fid") == []


def test_figures_of_a_report_go_with_its_suite_on_any_data() -> None:
    assert [figure.value for figure in published("faces", "fid", suite="r4")] == [17.277, 187.534, 133.792]
    assert [figure.value for figure in published("blocks", "conditional_accuracy/objects", "r3")] == [
        0.6527,
        0.8055,
        0.7638,
    ]
    assert published("i_clevr", "conditional_accuracy") == published("blocks", "conditional_accuracy", "r3")


def test_figures_that_were_only_quoted_are_marked() -> None:
    assert {figure.value for figure in figures() if not figure.checked} == {48.29, 53.98, 9.01, 137.4}


def test_reading_them_needs_no_torch() -> None:
    code = "import sys; from ganbench.report.published import figures; figures(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
