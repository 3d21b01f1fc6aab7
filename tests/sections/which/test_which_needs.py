"""Which methods answer a need: on tables and rows of which the answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_records import CONTROLS, IMAGES, PASSES, VALUES, made_rows

from segattr_lib.sections.which.needs import (
    ABOVE,
    EXCESS,
    NEEDS,
    NO_CONTROL,
    Answer,
    answer,
    best_control,
    chances,
    cheapest,
    explaining,
    frontier,
    steps,
    unbeaten,
)

NEED = {need.name: need for need in NEEDS}
BEST = {
    "faithful": ("ria", "adaptive_ria"),
    "drop": ("ria",),
    "per_pass": ("ega",),  # .15 / 3 is above .10 / 3, and far above .5 / 49
    "stable": ("dea",),
    "on_target": ("ega", "gpa"),
    "leaks": ("adaptive_ria",),
    "forward": ("ria", "adaptive_ria"),
}
FOLLOWING = {
    "faithful": ("adaptive_dea", 0.101),
    "drop": ("adaptive_ria", 0.1),
    "per_pass": ("gpa", 0.05 / 3),
    "stable": ("adaptive_dea", 0.05),
    "on_target": ("adaptive_ria", 0.1),
    "leaks": ("adaptive_dea", 0.1),
    "forward": (None, np.nan),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return made_rows()


@pytest.fixture(scope="module")
def answers(rows: pd.DataFrame) -> dict[str, Answer]:
    every = {need.name: answer(rows, need) for need in NEEDS}
    return {name: each for name, each in every.items() if each is not None}


def without(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] != metric]


@pytest.mark.parametrize("need", BEST)
def test_an_answer_is_every_method_that_no_other_lies_above(answers: dict[str, Answer], need: str) -> None:
    best = answers[need].best
    assert set(best) == set(BEST[need])
    if need not in ("on_target", "faithful", "forward"):  # of a tie the noise of .02 decides which is first
        assert best == BEST[need]


@pytest.mark.parametrize("need", FOLLOWING)
def test_the_runner_up_is_behind_by_the_difference_of_the_means(answers: dict[str, Answer], need: str) -> None:
    mine, (name, behind) = answers[need], FOLLOWING[need]
    if need == "on_target":  # two methods of one mean follow
        assert mine.following in ("adaptive_ria", "adaptive_dea")
    else:
        assert mine.following == name
    if need == "leaks":  # the median of noisy differences
        assert mine.behind.value == pytest.approx(behind, abs=0.02)
    else:
        assert mine.behind.value == pytest.approx(behind, nan_ok=True)
        assert np.isnan(behind) or mine.behind.low < behind < mine.behind.high


def test_images_that_the_model_scores_low_or_a_constant_decides_count_for_nothing(answers: dict[str, Answer]) -> None:
    """They would raise every mean to near 9."""
    counts = {name: each.n for name, each in answers.items()}
    assert counts == {**dict.fromkeys(BEST, IMAGES), "forward": IMAGES + 1}  # there is no GPA among them
    shared = 0.1 * np.arange(IMAGES).mean() / IMAGES
    ranking = answers["drop"].ranking.set_index("method")["value"]
    for method, mean in VALUES["tdd"].items():
        if method not in CONTROLS:
            assert ranking[method] == pytest.approx(mean + shared)


def test_controls_that_equal_the_first_are_told(answers: dict[str, Answer]) -> None:
    equals = {name: each.equalled_by for name, each in answers.items()}
    equalled = {"stable": ("depth",), "on_target": ("random_cells",)}
    assert equals == {**dict.fromkeys(BEST, ()), **equalled}


def test_the_lead_of_a_tie_is_its_first_over_its_second(answers: dict[str, Answer]) -> None:
    assert answers["faithful"].lead.value == pytest.approx(0.001)
    assert answers["on_target"].lead.value == pytest.approx(0.001)  # .151 - .15, lower being better
    assert answers["drop"].lead.n == 0
    assert answers["faithful"].smallest == answers["faithful"].lead.smallest(15)
    assert answers["drop"].smallest == answers["drop"].behind.smallest(15)


def test_fewer_than_twelve_images_answer_nothing() -> None:
    few = answer(made_rows(images=11), NEED["drop"])
    assert few is not None
    assert (few.best, few.following, few.n, few.equalled_by) == ((), None, 11, ())
    enough = answer(made_rows(images=12), NEED["drop"])
    assert enough is not None and enough.best == ("ria",)


def test_a_run_without_what_a_need_asks_for_gives_no_answer(rows: pd.DataFrame) -> None:
    assert answer(without(rows, "stability"), NEED["stable"]) is None
    assert answer(without(rows, "passes"), NEED["per_pass"]) is None
    assert answer(without(rows, "passes"), NEED["faithful"]) is not None


@pytest.mark.parametrize(("wins", "beaten"), [(10, True), (9, False)])
def test_medians_are_parted_by_the_sign_test(wins: int, beaten: bool) -> None:
    """p of 10 of 12 is 2 (1 + 12 + 66) / 4096 = .039, of 9 of 12 it is .146; one huge loss changes no sign."""
    difference = np.where(np.arange(12) < wins, 1.0, -1.0)
    difference[-1] = -1e6
    table = pd.DataFrame({"ria": difference, "ega": 0.0})
    assert unbeaten(table, 1, by_median=True) == (("ria",) if beaten else ("ria", "ega"))
    assert unbeaten(table, -1, by_median=True) == (("ega",) if beaten else ("ega", "ria"))


def test_medians_of_several_methods_are_parted_at_one_level_for_all_pairs() -> None:
    """10 of 12 have p = .039, which times the three pairs is above .05; 12 of 12 have p = .0005."""
    table = pd.DataFrame({"ria": np.where(np.arange(12) < 10, 1.0, -1.0), "ega": 0.0, "gpa": 0.0})
    assert set(unbeaten(table, 1, by_median=True)) == {"ria", "ega", "gpa"}
    assert unbeaten(table.assign(ria=1.0), 1, by_median=True) == ("ria",)


def test_one_unit_of_noise_parts_nothing_and_a_shared_one_does_not_hide_a_difference() -> None:
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=40)
    table = pd.DataFrame({"ria": shared + 0.1, "dea": shared, "ega": shared + 5 * rng.normal(size=40)})
    table["ria"] += 0.01 * rng.normal(size=40)
    best = unbeaten(table, 1)
    assert "dea" not in best and {"ria", "ega"} == set(best)


def test_which_methods_earn_more_than_every_control(rows: pd.DataFrame) -> None:
    verdicts = chances(rows)
    assert set(verdicts.index[verdicts == ABOVE]) == {"ria", "dea", "adaptive_ria", "adaptive_dea"}
    assert set(verdicts.index) == set(PASSES)
    blind = made_rows({EXCESS: changed(random_cells=0.9)[EXCESS]}, {})
    assert not (chances(blind) == ABOVE).any()
    control = best_control(rows)
    assert control is not None and control["method"] == "random_cells"
    assert control["n"] == IMAGES  # the methods' own
    free = rows[~rows["method"].isin(CONTROLS)]
    assert chances(free).empty and best_control(free) is None


VERDICTS = pd.Series({"gpa": "not above", "ega": "undecided", **dict.fromkeys(("ria", "adaptive_ria"), ABOVE)})


def bought(rows: pd.DataFrame) -> list[tuple[int, tuple[str, ...]]]:
    return steps(frontier(rows, explaining(rows), VERDICTS))


def changed(**excess: float) -> dict[str, dict[str, float]]:
    return {**VALUES, EXCESS: {**VALUES[EXCESS], **excess}}


def test_the_frontier_is_what_more_passes_buy(rows: pd.DataFrame) -> None:
    assert bought(rows) == [(3, ("ega",)), (49, ("adaptive_ria",))]
    assert bought(made_rows(changed(ria=0.6))) == [(3, ("ega",)), (49, ("adaptive_ria",)), (197, ("ria",))]
    assert bought(made_rows(changed(dea=0.7)))[-1] == (200, ("dea",))
    tied = bought(made_rows(changed(gpa=0.15)))[0]
    assert tied[0] == 3 and set(tied[1]) == {"ega", "gpa"}
    assert bought(made_rows(changed(ega=0.8))) == [(3, ("ega",))]
    assert bought(made_rows(images=11)) == []
    assert bought(without(rows, "passes")) == []


def test_the_cheapest_lies_above_every_control(rows: pd.DataFrame) -> None:
    methods = explaining(rows)
    assert cheapest(frontier(rows, methods, VERDICTS)) == (49, ("adaptive_ria",))
    assert cheapest(frontier(rows, methods, pd.Series(ABOVE, methods))) == (3, ("ega", "gpa"))
    assert cheapest(frontier(rows, methods, pd.Series("not above", methods))) is None


def test_without_controls_nothing_is_said_to_lie_above_them(rows: pd.DataFrame) -> None:
    free = rows[~rows["method"].isin(CONTROLS)]
    passes = frontier(free, explaining(free), pd.Series(dtype=object))
    assert set(passes["above"]) == {NO_CONTROL} and cheapest(passes) is None
    assert steps(passes) == [(3, ("ega",)), (49, ("adaptive_ria",))]


def test_a_need_of_forward_passes_leaves_out_what_takes_gradients(rows: pd.DataFrame) -> None:
    forward = answer(rows, NEED["forward"])
    assert forward is not None and set(forward.ranking["method"]) == {"ria", "adaptive_ria"}
    every = answer(rows, dataclasses.replace(NEED["forward"], forward_only=False))
    assert every is not None and set(every.ranking["method"]) == set(PASSES)
