"""The benchmark's tables: rows made by hand in, the table's numbers out."""

from __future__ import annotations

import pandas as pd
import pytest
from run_rows import KEYS, filled, run_rows, runs

from segattr_lib.benchmark.statistics import at
from segattr_lib.metrics import METRICS, Metric
from segattr_lib.registry import PERTURBATIONS
from segattr_lib.sections.benchmark import ranks
from segattr_lib.sections.benchmark.per_run import ranking, wins
from segattr_lib.sections.benchmark.tables import (
    BLIND,
    LEAKAGE,
    beside_paper,
    blind_selection,
    cost,
    dea_table1,
    hidden_by_the_mean,
    leakage,
    mean_and_robust,
    over_runs,
    side_by_side,
    stability,
    wide,
)


def test_every_variant_is_a_row_of_its_own():
    table = wide(runs(), ["tdd", "passes"])
    assert list(table.index) == KEYS
    assert table["tdd"].tolist() == pytest.approx([0.8, 0.55, 0.4, 0.1, 0.375])
    assert table["passes"].tolist() == [5, 17, 17, 17, 17]
    assert ranking(table[["tdd"]])["tdd"].tolist() == [1, 2, 3, 5, 4]
    labels = ["RIA (grid=2)", "RIA", "EGA", "DEA (alpha=1.0, beta=0.0)", "DEA"]
    shown = cost(runs())
    assert list(shown.index) == labels
    assert shown["passes ↓"].tolist() == ["5", "17", "17", "17", "17"]
    assert over_runs(runs(), ["tdd"]).loc["RIA (grid=2)", "TDD ↑"] == "0.800 ± 0.141"
    assert list(mean_and_robust(runs(), "tdd").index) == labels
    assert mean_and_robust(runs(), "tdd").loc["DEA", ["mean", "median", "n"]].tolist() == ["0.375", "1.375", 6]


def test_the_papers_numbers_stand_beside_the_plain_method_alone():
    shown = beside_paper(runs())
    assert shown.loc[("TDD ↑", "DEA"), "paper, VOC"] == "0.449 ± 0.043"
    assert shown.loc[("TDD ↑", "DEA"), "ours"].startswith("0.375")
    assert shown.loc[("TDD ↑", "DEA (alpha=1.0, beta=0.0)"), "paper, VOC"] == ""
    assert shown.loc[("TDD ↑", "RIA (grid=2)"), ["ours", "paper, SBD"]].tolist() == ["0.800 ± 0.141", ""]


def test_runs_on_different_data_stand_side_by_side_and_are_not_pooled():
    few = run_rows({("dea", ""): (0.1, 0.3), ("ega", ""): (0.2,)}, "excess_tdd")
    other = pd.concat([run_rows({("ega", ""): (0.1, 0.1), ("gpa", ""): (0.2, 0.2)}), few]).assign(dataset="other")
    shown = side_by_side({"d, n = 6": runs(), "other, n = 2": other})
    assert list(shown.columns) == ["d, n = 6", "other, n = 2"]
    assert shown.loc[("TDD ↑", "EGA")].tolist() == ["0.400 ± 0.000", "0.100 ± 0.000"]
    assert shown.loc[("TDD ↑", "GPA")].tolist() == ["", "0.200 ± 0.000"]
    assert shown.loc[("excess TDD ↑", "DEA")].tolist() == ["–", "0.200 ± 0.141"]
    assert list(dict.fromkeys(shown.index.get_level_values(0)))[-1] == "excess TDD ↑"


def test_the_papers_numbers_stand_beside_the_maps_made_with_its_own_fill():
    shown = beside_paper(at(filled(), 0.2, "mean"))["paper, SBD"]
    assert shown["TDD ↑", "DEA (fill=mean)"] == "0.381 ± 0.030"
    assert shown["Stability ↑", "DEA (fill=blur)"] == ""


def test_methods_are_ranked_by_the_median_of_a_ratio_of_ratios():
    rows = run_rows({("ega", ""): (9.0,), ("ria", ""): (0.2,), ("dea", ""): (0.5,)}, "leak_abs")
    rows["median"] = [0.1, 0.3, 0.2]
    table = wide(rows, ["leak_abs"])
    assert ranking(table)["leak_abs"].to_dict() == {"ega": 1, "ria": 3, "dea": 2}
    assert ranking(wide(rows, ["leak_abs"], "mean_robust"))["leak_abs"]["ega"] == 1
    assert wins(rows, "ega", "ria", "leak_abs") == (1, 1)
    assert over_runs(rows, ["leak_abs"]).loc["EGA"].tolist() == ["9.000"]  # the paper's column stays a mean


def test_the_papers_table_is_read_cell_by_cell():
    table = dea_table1().set_index(["dataset", "method", "metric"])
    assert len(table) == 2 * 4 * 4
    assert table.loc[("voc", "ega", "odd_abs")].tolist() == [0.982, 1.23]


def test_means_over_some_samples_stand_beside_the_plain_one_each_with_its_number():
    """Two runs of three samples; one in each is degenerate, one scored too low, two decided by ties."""
    rows = run_rows({("ega", ""): (0.4, 0.6)}).assign(
        mean_robust=[0.1, 0.3], count_robust=2, mean_nondegenerate=[0.5, 0.5], degenerate=1, undefined=[0, 1]
    )
    rows = rows.assign(mean_untied=[0.9, 0.7], count_untied=1)
    assert mean_and_robust(rows, "tdd").loc["EGA"].to_dict() == {
        "mean": "0.500",
        "median": "1.500",
        "s(x) ≥ .3": "0.200 (4)",
        "not degenerate": "0.500 (4)",
        "tied ≤ .5": "0.800 (2)",
        "n": 6,
        "undefined": 1,
    }
    both = hidden_by_the_mean(pd.concat([rows, rows.assign(metric="odd_abs", mean=[0.0, 0.2])]))
    assert both["mean"].to_dict() == {("TDD ↑", "EGA"): "0.500", ("|ODD| ↓", "EGA"): "0.100"}


def of_metrics(names: tuple[str, ...]) -> pd.DataFrame:
    """One run in which the metric in place n has the mean n, and the median n + 1."""
    return pd.concat([run_rows({("ega", ""): (float(place),)}, name) for place, name in enumerate(names)])


def test_tables_of_one_kind_of_metric_have_its_columns_in_order():
    assert blind_selection(of_metrics(BLIND)).loc["EGA"].to_dict() == {
        "TDD ↑": "0.000",
        "border": "1.000",
        "TDD by chance": "2.000",
        "excess TDD ↑": "3.000",
        "excess |ODD| ↓": "4.000",
        "excess insertion ↑": "5.000",
    }
    shown = leakage(of_metrics(LEAKAGE)).loc["EGA"]
    assert shown.iloc[:4].tolist() == ["0.000", "1.000", "2.000", "3.000"]
    assert shown["LeakAbs ↓, median"] == "3.000"  # of the metric with the mean 2
    kinds = ("stability", *(f"stability_{kind}" for kind in PERTURBATIONS))
    assert stability(of_metrics(kinds)).loc["EGA"].tolist() == [f"{place}.000" for place in range(6)]


def test_a_metric_that_was_registered_since_is_one_more_axis_of_the_ranking(monkeypatch):
    monkeypatch.setitem(METRICS, "mine", Metric(None, "mine", -1, (0.0, 1.0)))
    mine = run_rows({("ega", ""): (0.1,), ("ria", ""): (0.3,), ("dea", ""): (0.2,)}, "mine", None)
    bordered = run_rows({("ega", ""): (0.1,), ("ria", ""): (0.3,), ("dea", ""): (0.2,)}, "border")
    shown = ranks(pd.concat([runs(), mine, bordered]))
    assert list(shown)[-1] == "mine" and "border" not in shown
    assert shown["mine"].dropna().to_dict() == {"ega": 1, "ria": 3, "dea": 2}
