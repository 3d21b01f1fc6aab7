"""A paper's claims beside what the runs say, and the names that tables and prose give to metrics and models."""

from __future__ import annotations

import pandas as pd
import pytest
from classifier_maps import cells

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.report.labels import model_label, signed_label
from segattr_lib.report.reproduced import answers_of_ends, claims_of_ends, claims_table, end_label, held
from segattr_lib.report.tables import correlation

ENDS = pd.DataFrame(
    [
        ("within", "highest", "arcc", HOLDS, HOLDS),
        ("within", "lowest", "complexity", UNDECIDED, CONTRADICTED),
        ("pooled", "highest", "product", HOLDS, UNDECIDED),
    ],
    columns=["way", "end", "metric", "verdict", "claim"],
)


def test_ends_answer_the_claims_about_them() -> None:
    answers = answers_of_ends(ENDS)
    assert answers == {"arcc_highest_within": "yes", "ad_lowest_within": "no", "arcc_highest_pooled": "undecided"}
    assert held(answers) == "1 of 3 (1 undecided)"
    assert answers.keys() <= claims_of_ends("the truth").keys()
    heading, *rows = cells(claims_table(claims_of_ends("the truth"), answers))
    assert heading == ["the paper's claim", "here"]
    assert rows == [
        ["ARCC has the highest correlation with the truth: images of a method", "yes"],
        ["AD has the lowest correlation with the truth: images of a method", "no"],
        ["ARCC has the highest correlation with the truth: all maps", "undecided"],
    ]


def test_an_end_is_named_and_said_to_be_told_apart_or_not() -> None:
    assert end_label(ENDS, "within", "highest") == "ARCC"
    assert end_label(ENDS, "within", "lowest") == "− Complexity (not told apart from every other)"
    assert end_label(ENDS, "pooled", "highest") == "product"
    assert end_label(pd.DataFrame(), "pooled", "highest") == "–"


@pytest.mark.parametrize(
    ("metric", "label"), [("average_drop", "− AD"), ("road", "ROAD"), ("least part", "least part")]
)
def test_a_metric_whose_lower_end_is_better_is_named_with_its_sign(metric: str, label: str) -> None:
    assert signed_label(metric) == label


def test_models_are_named_without_where_their_weights_came_from() -> None:
    assert [model_label(name) for name in ("shapes_vgg11", "finetuned_swin_t", "resnet50")] == [
        "vgg11",
        "swin_t",
        "resnet50",
    ]


def test_a_correlation_is_found_by_metric_way_and_model() -> None:
    about = {"kind": "pearson", "way": "pooled", "metric": "arcc", "n": 15}
    rows = pd.DataFrame(
        [
            {**about, "model": "all models", "value": 0.5, "low": 0.25, "high": 0.75},
            {**about, "model": "net", "value": 0.125, "low": float("nan"), "high": float("nan")},
            {**about, "model": "net", "kind": "spearman", "value": 0.9, "low": 0.8, "high": 1.0},
        ]
    )
    assert correlation(rows, "arcc", "pooled") == "0.50 [0.25, 0.75]"
    assert correlation(rows, "arcc", "pooled", "net") == "0.12 (n = 15)"
    assert correlation(pd.DataFrame(), "arcc", "pooled") == "–"
