"""What each run says: two variants of a method are two methods, and no count or rank puts them together."""

from __future__ import annotations

import statistics as plain_statistics

import numpy as np
import pandas as pd
import pytest
from run_rows import TDD, filled, run_rows, runs

from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.statistics import at, run_level
from segattr_lib.benchmark.store import read_samples
from segattr_lib.registry import UserError
from segattr_lib.sections.benchmark.per_run import across_runs, fills_of, ranking, wins, with_seconds
from segattr_lib.sections.benchmark.tables import over_runs, wide


def test_a_bare_name_is_the_plain_variant_and_a_key_names_another():
    assert wins(runs(), "dea", "ega", "tdd") == (1, 2)
    assert wins(runs(), "dea(alpha=1.0, beta=0.0)", "ega", "tdd") == (0, 2)
    assert wins(runs(), "ria(grid=2)", "ria", "tdd") == (2, 2)
    assert wins(runs()[runs()["variant"] != ""], "dea", "ria", "tdd") == (0, 0)  # neither was run


def test_under_several_fills_a_method_is_the_map_made_with_the_fill_that_judges():
    assert fills_of(filled()) == ["mean", "blur"]
    assert wins(at(filled(), 0.2, "mean"), "dea", "ega", "tdd") == (1, 2)
    assert wins(at(filled(), 0.2, "blur"), "dea", "ega", "tdd") == (2, 2)
    assert wins(at(filled(), 0.2, "blur"), "dea", "ria", "stability") == (0, 2)
    only = filled()[filled()["metric"] == "tdd"]  # of the maps of the other fill no row is left
    assert wins(at(only, 0.2, "blur"), "ria", "ega", "tdd") == (0, 2)
    assert wide(at(filled(), 0.2, "mean"), ["tdd", "stability"]).loc["ria(fill=blur)"].isna().tolist() == [
        True,
        False,
    ]


def test_a_run_under_several_fills_has_the_rows_these_functions_read(tmp_path):
    changes = {"samples": 2, "image_size": 64, "grid": 4, "methods": ["ega", "ria", "ria(grid=2)", "dea"]}
    settings = read_settings({**changes, "metrics": ["tdd"], "fill": ["mean", "blur"], "batch_size": 8})
    rows = run_level(read_samples(run_benchmark(settings, tmp_path / "r")))
    assert fills_of(rows) == ["mean", "blur"]
    for fill in settings.fill:
        here = at(rows, 0.2, fill)
        means = wide(here, ["tdd"])["tdd"]
        assert set(means.index) == {"ega", f"ria(fill={fill})", f"ria(grid=2, fill={fill})", f"dea(fill={fill})"}
        won, of = wins(here, "dea", "ria(grid=2)", "tdd")
        assert (won, of) == (int(means[f"dea(fill={fill})"] > means[f"ria(grid=2, fill={fill})"]), 1)


def test_values_of_several_fills_k_or_data_sets_are_refused():
    several = run_rows(TDD).assign(k=0.5)
    for rows in (filled(), pd.concat([run_rows(TDD), several]), pd.concat([runs(), runs().assign(dataset="e")])):
        for ask in (wide, over_runs):
            with pytest.raises(UserError, match="one data set, k and evaluation fill"):
                ask(rows, ["tdd"])
        with pytest.raises(UserError, match="one data set, k and evaluation fill"):
            wins(rows, "dea", "ega", "tdd")


def _runs() -> pd.DataFrame:
    """The means of two methods in four runs; dea is better in three of them where both have a value."""
    tdd = {"r1": (0.5, 0.4), "r2": (0.3, 0.4), "r3": (0.9, 0.2), "r4": (0.1, None), "r5": (0.4, 0.4), "r6": (0.2, 0.1)}
    rows = [
        {
            "run_id": run,
            "dataset": "d",
            "model": run,
            "seed": 0,
            "method": method,
            "variant": "",
            "metric": metric,
            "k": 0.2,
        }
        | {"fill": "mean", "mean": value}
        for run, pair in tdd.items()
        for method, value in zip(("dea", "ega"), pair, strict=True)
        for metric in ("tdd", "odd_abs", "odd")
    ]
    return pd.DataFrame(rows).astype({"mean": float})


def test_a_win_is_a_strictly_better_mean_in_the_metrics_direction_of_runs_that_have_both():
    runs = _runs()
    assert wins(runs, "dea", "ega", "tdd") == (3, 5)
    assert wins(runs, "ega", "dea", "tdd") == (1, 5)
    assert wins(runs, "dea", "ega", "odd_abs") == (1, 5)
    assert wins(runs, "dea", "ega", "odd") == (0, 5)  # no direction, no winner
    assert wins(runs, "dea", "gpa", "tdd") == (0, 0)


def test_across_runs_every_run_counts_once():
    table = across_runs(_runs()).xs("tdd", level="metric").droplevel(["dataset", "variant", "k", "fill"])
    values = [0.5, 0.3, 0.9, 0.1, 0.4, 0.2]
    assert table.loc["dea", "mean"] == pytest.approx(plain_statistics.mean(values))
    assert table.loc["dea", "std"] == pytest.approx(plain_statistics.stdev(values))
    assert list(table["runs"]) == [6, 5]


def test_ranks_follow_each_metrics_direction_and_metrics_without_one_rank_nothing():
    table = pd.DataFrame(
        {"tdd": [0.1, 0.5, 0.5], "odd_abs": [0.1, 0.5, 0.3], "odd": [1.0, 2.0, 3.0], "stability": [0.2, np.nan, 0.9]},
        index=["gpa", "ega", "dea"],
    )
    ranks = ranking(table)
    assert list(ranks.columns) == ["tdd", "odd_abs", "stability"]
    assert list(ranks["tdd"]) == [3, 1, 1]
    assert list(ranks["odd_abs"]) == [1, 3, 2]
    assert ranks["stability"].tolist()[::2] == [2, 1] and ranks["stability"].isna().tolist() == [False, True, False]


def test_seconds_join_the_run_level_table_as_one_more_metric():
    rows = run_rows({("ega", ""): (0.4,), ("ria", "grid=2"): (0.5,)})
    about = {"run_id": "run 0", "dataset": "d", "model": "m", "seed": 0}
    timings = pd.DataFrame(
        [
            {**about, "sample_id": sample, "method": method, "variant": variant, "seconds": seconds}
            for method, variant, of_samples in (("ega", "", (1.0, 2.0, 6.0)), ("ria", "grid=2", (4.0, 5.0, np.nan)))
            for sample, seconds in zip("abc", of_samples, strict=True)
        ]
    )
    table = with_seconds(rows, timings)
    seconds = table[table["metric"] == "seconds"]
    assert seconds[["method", "variant"]].to_numpy().tolist() == [["ega", ""], ["ria", "grid=2"]]
    assert seconds[["mean", "median", "count"]].to_numpy().tolist() == [[3, 2, 3], [4.5, 4.5, 2]]
    assert (table["metric"] == "tdd").sum() == len(rows)
