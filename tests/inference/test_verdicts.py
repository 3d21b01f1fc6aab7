"""What a run decides of a claim: known truths, cases solved by hand, and how often it is wrong in simulation."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from segattr_lib.inference import verdicts
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import median_interval, studentised_interval, studentised_test
from segattr_lib.inference.paired import paired
from segattr_lib.inference.verdicts import (
    Difference,
    best_of,
    correlated,
    decided,
    difference,
    every_run,
    sound,
    values_of,
)

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def rows_of(
    values: Mapping[str, Sequence[float]],
    metric: str = "tdd",
    k: float | None = 0.2,
    fill: str | None = "mean",
    model: str = "m",
    seed: int = 0,
    scores: Sequence[float] | None = None,
    status: Mapping[tuple[str, int], str] | None = None,
) -> pd.DataFrame:
    """Rows of a run: of every method ("name" or "name(options)") a value an image, of status ok but where another
    is given by (method, image); scores: the model's, .9 if left out."""
    rows = []
    for place in range(len(next(iter(values.values())))):
        about = {"run_id": f"{model} {seed}", "dataset": "d", "model": model, "seed": seed, "sample_id": f"{place}"}
        score = 0.9 if scores is None else scores[place]
        rows.append({**about, "metric": "score", "value": score, "status": "ok"})
        for key, of_method in values.items():
            name, _, variant = key.rstrip(")").partition("(")
            row = {**about, "method": name, "variant": variant, "metric": metric, "k": k, "fill": fill}
            standing = (status or {}).get((key, place), "ok")
            kept = np.nan if standing in ("failed", "undefined") else of_method[place]
            rows.append({**row, "value": kept, "status": standing})
    return pd.DataFrame(rows)


def lying(mean: float, n: int = 30, seed: int = 0) -> np.ndarray:
    """n values of exactly this mean and the standard deviation 1."""
    drawn = np.random.default_rng(seed).normal(size=n)
    return (drawn - drawn.mean()) / drawn.std(ddof=1) + mean


def verdict_of(values: np.ndarray, side: str, by_median: bool = False) -> str:
    ((_, verdict),) = decided([difference(values, by_median)], [side])
    return verdict


# the images that count


def test_images_that_the_model_scores_below_the_floor_are_left_out():
    rows = rows_of({"ria": [1, 2, 3], "ega": [4, 5, 6]}, scores=[0.3, 0.29, 0.9])
    assert values_of(rows, "tdd", ["ria", "ega"], 0.2, "mean").to_numpy().tolist() == [[1, 4], [3, 6]]


def test_the_table_of_all_methods_is_made_once_of_the_same_rows_and_forgotten_with_them(monkeypatch):
    made = []
    monkeypatch.setattr(
        verdicts, "paired", lambda *given, **options: made.append(given[1]) or paired(*given, **options)
    )
    rows = rows_of({"ria": [1, 2, 3], "ega": [4, 5, 6], "dea": [7, 8, 9]}, status={("dea", 0): "failed"})
    for methods, wanted in (
        (["ria", "ega"], [[1, 4], [2, 5], [3, 6]]),
        (["dea"], [[8], [9]]),
        (["ega", "dea"], [[5, 8], [6, 9]]),
    ):
        assert values_of(rows, "tdd", methods, 0.2, "mean").to_numpy().tolist() == wanted
    assert made == ["tdd"]
    others = rows.assign(value=rows["value"] + 1)
    assert values_of(others, "tdd", ["ria"], 0.2, "mean")["ria"].tolist() == [2, 3, 4]
    assert values_of(rows, "tdd", ["ria"], 0.5, "mean").empty
    assert made == ["tdd"] * 3
    places = {id(rows), id(others)}
    assert places <= set(verdicts._MADE)
    del rows, others
    gc.collect()
    assert not places & set(verdicts._MADE)


def test_images_that_either_judge_or_explained_model_scores_below_the_floor_are_left_out():
    rows = rows_of({"ria": [1, 2, 3], "ega": [4, 5, 6]}, scores=[0.9, 0.29, 0.9])
    explained = rows[rows["metric"] == "score"].assign(metric="score_explained", value=[0.29, 0.9, 0.9])
    rows = pd.concat([rows, explained], ignore_index=True)
    assert values_of(rows, "tdd", ["ria", "ega"], 0.2, "mean").to_numpy().tolist() == [[3, 6]]


@pytest.mark.parametrize("status", ["degenerate", "undefined", "failed"])
def test_an_image_without_a_sound_value_of_every_method_compared_is_left_out_and_stays_for_others(status):
    rows = rows_of({"ria": [1, 2, 3], "ega": [4, 5, 6], "dea": [7, 8, 9]}, status={("ega", 1): status})
    assert values_of(rows, "tdd", ["ria", "ega"], 0.2, "mean").to_numpy().tolist() == [[1, 4], [3, 6]]
    assert values_of(rows, "tdd", ["ria", "dea"], 0.2, "mean").to_numpy().tolist() == [[1, 7], [2, 8], [3, 9]]


def test_a_lost_sample_is_no_image():
    rows = rows_of({"ria": [1, 2], "ega": [4, 5]})
    lost = {"run_id": "m 0", "dataset": "d", "model": "m", "seed": 0, "sample_id": "2", "status": "failed"}
    rows = pd.concat([rows, pd.DataFrame([lost])], ignore_index=True)
    assert len(values_of(rows, "tdd", ["ria", "ega"], 0.2, "mean")) == 2


def test_a_composite_that_does_not_exist_counts_as_0_and_no_other_metric_and_no_failure_does():
    for metric, wanted in (("arcc", [0.5, 0.0, 0.7]), ("adcc", [0.5, 0.0, 0.7]), ("coherency", [0.5, 0.7])):
        rows = rows_of(
            {"layercam": [0.5, 0.6, 0.7, 0.8], "half": [0.1] * 4},
            metric,
            None,
            None,
            status={("layercam", 1): "undefined", ("layercam", 3): "failed"},
        )
        table = values_of(rows, metric, ["layercam", "half"], None, None)
        assert table["layercam"].tolist() == wanted
    assert sound(rows).loc[rows["status"] == "ok", "value"].equals(rows.loc[rows["status"] == "ok", "value"])


def test_models_and_seeds_that_see_an_image_are_one_image():
    runs = [
        rows_of({"ria": [1.0, 2.0], "ega": [0.0, 0.0]}, model="m", seed=0),
        rows_of({"ria": [3.0, 4.0], "ega": [0.0, 1.0]}, model="m", seed=1),
        rows_of({"ria": [8.0, 0.0], "ega": [3.0, 5.0]}, model="n", scores=[0.9, 0.1]),
    ]
    table = values_of(pd.concat(runs, ignore_index=True), "tdd", ["ria", "ega"], 0.2, "mean")
    # n scores the second image too low
    assert table.to_numpy().tolist() == [[4.0, 1.0], [3.0, 0.5]]
    twelve = [rows_of({"ria": lying(1, 6), "ega": np.zeros(6)}, model=model) for model in ("m", "n")]
    table = values_of(pd.concat(twelve, ignore_index=True), "tdd", ["ria", "ega"], 0.2, "mean")
    assert verdict_of((table["ria"] - table["ega"]).to_numpy() + 9, "above") == UNDECIDED


def test_an_image_that_one_model_cannot_judge_is_left_out_where_the_other_scores_it_well():
    runs = [
        rows_of({"ria": [1.0, 2.0], "ega": [0.0, 0.0]}, model="m"),
        rows_of({"ria": [1.0, 2.0], "ega": [0.0, 0.0]}, model="n", status={("ria", 0): "degenerate"}),
    ]
    table = values_of(pd.concat(runs, ignore_index=True), "tdd", ["ria", "ega"], 0.2, "mean")
    assert table["ria"].tolist() == [2.0]


def test_values_are_of_the_k_and_fill_that_are_asked_for_and_of_the_methods_options():
    parts = [
        rows_of({"ria": [value], "ria(grid=7)": [value + 0.5]}, k=k, fill=fill)
        for value, (k, fill) in enumerate(product((0.2, 0.5), ("mean", "blur")))
    ]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[~rows.duplicated(["sample_id", "method", "variant", "metric", "k", "fill"])]
    assert values_of(rows, "tdd", ["ria", "ria(grid=7)"], 0.5, "mean").to_numpy().tolist() == [[2, 2.5]]
    assert values_of(rows, "tdd", ["ria"], 0.2, "blur").to_numpy().tolist() == [[1]]
    passes = rows_of({"ria": [17.0]}, "passes", None, None)
    assert values_of(passes, "passes", ["ria"], 0.2, "mean").to_numpy().tolist() == [[17]]


def test_what_was_not_run_has_no_values():
    rows = rows_of({"ria": [1.0], "ega": [2.0]})
    for metric, methods, k, fill in (
        ("tdd", ["ria", "dea"], 0.2, "mean"),
        ("odd_abs", ["ria", "ega"], 0.2, "mean"),
        ("tdd", ["ria", "ega"], 0.3, "mean"),
        ("tdd", ["ria", "ega"], 0.2, "blur"),
    ):
        table = values_of(rows, metric, methods, k, fill)
        assert table.empty
        assert list(table) == methods


# a difference


@pytest.mark.parametrize("by_median", [False, True])
def test_the_right_side_holds_the_wrong_is_contradicted_and_none_is_undecided(by_median):
    for mean, above, below in ((1, HOLDS, CONTRADICTED), (-1, CONTRADICTED, HOLDS), (0, UNDECIDED, UNDECIDED)):
        values = lying(mean, 31)
        assert verdict_of(values, "above", by_median) == above
        assert verdict_of(values, "below", by_median) == below


@pytest.mark.parametrize("by_median", [False, True])
def test_fewer_than_twelve_images_decide_nothing_and_say_how_many_there_are(by_median):
    for n in (0, 1, 2, 11):
        values = np.full(n, 5.0) + np.arange(n) / 100
        few = difference(values, by_median)
        assert verdict_of(values, "above", by_median) == verdict_of(values, "below", by_median) == UNDECIDED
        assert few.n == n
        assert np.isnan([few.low, few.high, few.p, few.smallest(), few.images()]).all()
        assert n == 0 or few.value == pytest.approx(5, abs=0.2)
    assert verdict_of(np.arange(12) + 5.0, "above", by_median) == HOLDS


def test_equal_differences_are_decided_and_none_at_all_is_not():
    for by_median in (False, True):
        assert verdict_of(np.full(12, 0.25), "above", by_median) == HOLDS
        assert verdict_of(np.full(12, 0.25), "below", by_median) == CONTRADICTED
        assert verdict_of(np.zeros(12), "above", by_median) == UNDECIDED
    assert difference(np.full(12, 0.25)).images() == 12
    assert difference(np.zeros(12)).images() == np.inf


def test_a_difference_is_the_mean_with_its_interval_or_the_median_with_its_own():
    values = np.random.default_rng(5).gamma(2, size=40) - 1
    by_mean, by_median = difference(values, seed=3), difference(values, by_median=True)
    assert (by_mean.n, by_mean.value, by_mean.spread) == (40, values.mean(), stats.sem(values))
    assert (by_mean.low, by_mean.high) == studentised_interval(values, 0.95, 3)
    assert (by_mean.low, by_mean.high, by_mean.p) == studentised_test(values, seed=3)
    assert (by_median.n, by_median.value) == (40, np.median(values))
    assert (by_median.low, by_median.high) == median_interval(values)
    # a ratio of ratios: a single enormous one carries the mean, not the median
    wild = np.append(np.full(20, -0.1) - np.arange(20) / 100, 1e6)
    assert verdict_of(wild, "below", by_median=True) == HOLDS
    assert verdict_of(wild, "below") == UNDECIDED


def test_a_median_of_0_is_decided_by_no_minority():
    assert verdict_of(np.array([0.0] * 12 + [1.0] * 8), "above", by_median=True) == UNDECIDED
    assert verdict_of(np.array([0.0] * 12 + [1.0] * 8), "below", by_median=True) == UNDECIDED


def test_verdicts_are_adjusted_over_the_family_and_what_has_no_p_is_no_test():
    rng = np.random.default_rng(1)
    differences = [difference(lying(mean, 40, place)) for place, mean in enumerate([0.36, 0.38, 0.45, 0.7, -0.5])]
    differences.insert(2, difference(rng.normal(size=5) + 9))
    outcomes = decided(differences, ["above"] * 6)
    tested = [0, 1, 3, 4, 5]
    wanted = multipletests([differences[place].p for place in tested], method="holm")[1]
    assert [outcomes[place][0] for place in tested] == pytest.approx(list(wanted))
    assert np.isnan(outcomes[2][0])
    alone = [verdict_of(lying(mean, 40, place), "above") for place, mean in enumerate([0.36, 0.38])]
    assert alone == [HOLDS, HOLDS]
    assert [verdict for _, verdict in outcomes] == [UNDECIDED, UNDECIDED, UNDECIDED, HOLDS, HOLDS, CONTRADICTED]
    assert decided([], []) == []


def test_a_correlation_is_decided_by_its_side_as_spearmans_test_has_it():
    rng = np.random.default_rng(3)
    trait, noise = rng.normal(size=40), rng.normal(size=40)
    of = correlated(trait, np.exp(trait + noise))
    assert (of.value, of.p) == pytest.approx(tuple(stats.spearmanr(trait, trait + noise)))  # of ranks alone
    assert 0 < of.low < of.value < of.high < 1 and of.n == 40
    assert decided([of], ["above"])[0][1] == HOLDS and decided([of], ["below"])[0][1] == CONTRADICTED
    assert decided([correlated(trait, noise)], ["above"])[0][1] == UNDECIDED
    for few in (correlated(trait[:11], trait[:11]), correlated(np.ones(40), noise), correlated(trait[:0], noise[:0])):
        assert np.isnan([few.p, few.low, few.high]).all() and decided([few], ["above"])[0][1] == UNDECIDED
    assert few.n == 0


@pytest.mark.parametrize("tests", [1, 5])
def test_the_smallest_correlation_is_decided_in_four_of_five_runs_or_a_few_more(tests):
    rng, n, repeats = np.random.default_rng(7), 60, 1000
    smallest = Difference(n, 0.0, 0.0, 0.0, 1.0, float(np.sqrt(1.06 / (n - 3)))).smallest(tests)
    pearson = 2 * np.sin(np.pi * smallest / 6)  # of normal values with that Spearman correlation
    x, other = rng.normal(size=(2, repeats, n))
    y = pearson * x + np.sqrt(1 - pearson**2) * other
    p = np.array([stats.spearmanr(*pair).pvalue for pair in zip(x, y, strict=True)])
    assert 0.78 < (p * tests < 0.05).mean() < 0.93  # the spread is that of no correlation: of a large one it is less


@pytest.mark.slow
@pytest.mark.parametrize(("by_median", "tests"), [(False, 1), (False, 5), (True, 1)])
def test_the_smallest_difference_is_decided_in_four_of_five_runs(by_median, tests, monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 1999)
    rng, n, repeats = np.random.default_rng(7), 30, 200
    spreads = [difference(rng.normal(size=n), by_median).spread for _ in range(60)]
    typical = Difference(n, 0.0, 0.0, 0.0, 1.0, float(np.mean(spreads)))
    smallest = typical.smallest(tests)
    p = np.array([difference(rng.normal(size=n) + smallest, by_median).p for _ in range(repeats)])
    power = (p * tests < 0.05).mean()  # the first of so many
    assert 0.7 < power < (0.95 if by_median else 0.88)  # the sign test's interval is wider than its level


@pytest.mark.slow
@pytest.mark.parametrize("by_median", [False, True])
def test_as_many_images_as_it_says_decide_a_difference_as_large(by_median, monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 1999)
    rng = np.random.default_rng(8)
    spread = float(np.mean([difference(rng.normal(size=20), by_median).spread for _ in range(60)]))
    images = Difference(20, 0.4, 0.0, 1.0, 0.2, spread).images()
    power = np.mean([difference(rng.normal(size=int(images)) + 0.4, by_median).p < 0.05 for _ in range(150)])
    assert 0.7 < power < 0.95
    assert Difference(20, -0.4, 0.0, 1.0, 0.2, spread).images() == images
    assert Difference(20, 0.4, 0.0, 1.0, 0.2, spread).images(tests=10) > images
    assert Difference(20, 0.0, 0.0, 1.0, 0.2, spread).images() == np.inf
    assert Difference(500, 99.0, 98.0, 100.0, 0.0, 0.001).images() == 12  # fewer decide nothing


# the best of several


def crowd(leads: Mapping[str, float], n: int = 40) -> pd.DataFrame:
    """Methods that share the images' difficulty, each ahead by so much."""
    rng = np.random.default_rng(2)
    difficulty = rng.normal(size=n)
    return pd.DataFrame({name: difficulty + lead + 0.3 * rng.normal(size=n) for name, lead in leads.items()})


@pytest.mark.parametrize("by_median", [False, True])
def test_a_clear_best_is_first_in_every_draw_a_clear_loser_is_contradicted_and_a_tie_undecided(by_median):
    table = crowd({"ega": 0.0, "ria": 2.0, "dea": 1.0})
    assert best_of(table, "ria", 1, by_median) == (1.0, HOLDS)
    assert best_of(table, "dea", 1, by_median) == (0.0, CONTRADICTED)
    assert best_of(-table, "ria", -1, by_median) == (1.0, HOLDS)  # of a metric that is better lower
    assert best_of(table, "ega", -1, by_median) == (1.0, HOLDS)
    even = crowd({"ega": 0.0, "ria": 0.0, "dea": -2.0})
    shares = {name: best_of(even, name, 1, by_median) for name in even}
    assert {name: verdict for name, (_, verdict) in shares.items()} == {
        "ega": UNDECIDED,
        "ria": UNDECIDED,
        "dea": CONTRADICTED,
    }
    assert sum(share for share, _ in shares.values()) == pytest.approx(1, abs=1e-9 if not by_median else 0.05)


def test_no_method_is_the_best_by_the_order_of_columns():
    alike = crowd({"ega": 0.0})
    alike["ria"] = alike["ega"]
    for name in alike:
        assert best_of(alike, name, 1) == (0.0, UNDECIDED)


def test_the_best_of_few_images_is_undecided():
    share, verdict = best_of(crowd({"ega": 0.0, "ria": 5.0}, n=11), "ria", 1)
    assert np.isnan(share)
    assert verdict == UNDECIDED


def test_the_share_is_that_of_resamples_by_hand(monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.verdicts.RESAMPLES", 20000)
    table = pd.DataFrame({"ria": np.r_[np.ones(7), np.zeros(6)], "ega": np.r_[np.zeros(7), np.ones(6)]})
    # first where more than half of 13 draws fall on the seven
    wanted = stats.binom.sf(6, 13, 7 / 13)
    share, verdict = best_of(table, "ria", 1)
    assert share == pytest.approx(wanted, abs=4 * (0.25 / 20000) ** 0.5)
    assert verdict == UNDECIDED


def test_against_many_others_one_that_is_a_little_above_is_not_enough():
    """Holm over the others: what would contradict alone does not among twenty that are equal."""
    table = crowd({"ria": 0.0})
    table["ega"] = table["ria"] + 0.3 * lying(0.4, 40)
    assert best_of(table, "ria", 1)[1] == CONTRADICTED
    for place in range(20):
        table[f"way{place}"] = table["ria"] + 0.3 * lying(0.0, 40, place + 1)
    assert best_of(table, "ria", 1)[1] == UNDECIDED


# every run


def runs_of(leads: Sequence[float], n: int = 12, metric: str = "tdd") -> pd.DataFrame:
    parts = [
        rows_of({"dea": lying(lead, n, seed), "ega": np.zeros(n)}, metric, seed=seed) for seed, lead in enumerate(leads)
    ]
    return pd.concat(parts, ignore_index=True)


def test_every_run_counts_and_a_single_one_contradicts():
    def outcome(leads: Sequence[float], side: str = "above", **about: int) -> tuple[int, int, str]:
        return every_run(runs_of(leads, **about), "tdd", "dea", "ega", side, 0.2, "mean")

    assert outcome([2.0, 3.0, 2.0]) == (3, 3, HOLDS)
    assert outcome([2.0, 3.0, 0.01]) == (3, 3, UNDECIDED)  # won, though by no more than chance would give
    assert outcome([2.0, 3.0, -0.01]) == (2, 3, UNDECIDED)
    assert outcome([2.0, 3.0, -2.0]) == (2, 3, CONTRADICTED)
    assert outcome([2.0, 3.0, -2.0], "below") == (1, 3, CONTRADICTED)
    assert outcome([-2.0, -3.0], "below") == (2, 2, HOLDS)
    assert outcome([2.0, 3.0], n=11)[2] == UNDECIDED
    assert every_run(runs_of([0.1]), "tdd", "dea", "ria", "above", 0.2, "mean") == (0, 0, UNDECIDED)
    assert every_run(runs_of([0.1]), "odd_abs", "dea", "ega", "above", 0.2, "mean") == (0, 0, UNDECIDED)


def test_a_run_that_ties_is_not_won():
    rows = rows_of({"dea": np.ones(12), "ega": np.ones(12)})
    assert every_run(rows, "tdd", "dea", "ega", "above", 0.2, "mean") == (0, 1, UNDECIDED)


def test_a_run_is_compared_on_the_images_that_count():
    values = {"dea": np.r_[np.ones(12), -1000.0, -1000.0], "ega": np.zeros(14)}
    rows = rows_of(values, scores=[0.9] * 13 + [0.1], status={("dea", 12): "degenerate"})
    assert every_run(rows, "tdd", "dea", "ega", "above", 0.2, "mean") == (1, 1, HOLDS)


def test_runs_of_a_ratio_are_compared_by_the_median():
    wild = np.r_[np.full(12, 0.1), 1e6]
    rows = rows_of({"dea": wild, "ega": np.full(13, 0.2)}, "leak_abs")
    assert every_run(rows, "leak_abs", "dea", "ega", "below", 0.2, "mean") == (1, 1, HOLDS)


# how often it is wrong


@pytest.mark.slow
def test_a_true_claim_is_rarely_contradicted_and_no_difference_rarely_decided(monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    rng, repeats = np.random.default_rng(11), 200
    null = [verdict_of(rng.gamma(3, size=20) - 3, "above") for _ in range(repeats)]
    wrong = repeats - null.count(UNDECIDED)
    assert wrong <= stats.binom.ppf(0.9995, repeats, 0.05)
    true = [verdict_of(rng.gamma(3, size=20) - 2, "above") for _ in range(repeats)]
    assert true.count(CONTRADICTED) == 0
    assert true.count(HOLDS) > 0.3 * repeats
