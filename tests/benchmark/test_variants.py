"""Two variants of a method are two methods: no table, count, rank, claim or picture puts them together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.statistics import at, fills_of, ranking, run_level, under_fill, wins
from segattr_lib.benchmark.store import read_samples
from segattr_lib.explorer import look
from segattr_lib.registry import UserError
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import short_labels
from segattr_lib.sections.benchmark.claims import held
from segattr_lib.sections.beyond_dea import economy
from segattr_lib.sections.refinecam import refinement
from segattr_lib.sections.wsss_sam2.ways import labels


def run_rows(values: dict[tuple[str, str], tuple[float, ...]], metric: str = "tdd", fill: str | None = "mean"):
    """Run-level rows of one metric: by method and variant the mean of each run; the median is the mean plus 1."""
    about = {"dataset": "d", "model": "m", "seed": 0, "metric": metric, "k": 0.2 if fill else np.nan, "fill": fill}
    rows = [
        {"run_id": f"run {run}", **about, "method": method, "variant": variant, "mean": mean, "median": mean + 1}
        for (method, variant), means in values.items()
        for run, mean in enumerate(means)
    ]
    counts = dict.fromkeys(("count", "count_robust"), 3) | dict.fromkeys(("degenerate", "undefined"), 0)
    table = pd.DataFrame(rows).assign(**counts)
    return table.assign(
        mean_robust=table["mean"] - 0.01, mean_nondegenerate=table["mean"], mean_untied=table["mean"], count_untied=3
    )


TDD = {
    ("ria", "grid=2"): (0.9, 0.7),
    ("ria", ""): (0.5, 0.6),
    ("ega", ""): (0.4, 0.4),
    ("dea", "alpha=1.0, beta=0.0"): (0.1, 0.1),
    ("dea", ""): (0.45, 0.3),
}
PASSES = {pair: (5.0, 5.0) if pair[1] == "grid=2" else (17.0, 17.0) for pair in TDD}
KEYS = ["ria(grid=2)", "ria", "ega", "dea(alpha=1.0, beta=0.0)", "dea"]


def runs() -> pd.DataFrame:
    return pd.concat([run_rows(TDD), run_rows(PASSES, "passes", None)], ignore_index=True)


def test_every_variant_is_a_row_of_its_own():
    table = tables.wide(runs(), ["tdd", "passes"])
    assert list(table.index) == KEYS
    assert table["tdd"].tolist() == pytest.approx([0.8, 0.55, 0.4, 0.1, 0.375])
    assert table["passes"].tolist() == [5, 17, 17, 17, 17]
    assert ranking(table[["tdd"]])["tdd"].tolist() == [1, 2, 3, 5, 4]
    labels = ["RIA (grid=2)", "RIA", "EGA", "DEA (alpha=1.0, beta=0.0)", "DEA"]
    shown = tables.cost(runs())
    assert list(shown.index) == labels
    assert shown["passes ↓"].tolist() == ["5", "17", "17", "17", "17"]
    assert tables.over_runs(runs(), ["tdd"]).loc["RIA (grid=2)", "TDD ↑"] == "0.800 ± 0.141"
    assert list(tables.mean_and_robust(runs(), "tdd").index) == labels
    assert tables.mean_and_robust(runs(), "tdd").loc["DEA", ["mean", "median", "n"]].tolist() == ["0.375", "1.375", 6]


def test_a_bare_name_is_the_plain_variant_and_a_key_names_another():
    assert wins(runs(), "dea", "ega", "tdd") == (1, 2)
    assert wins(runs(), "dea(alpha=1.0, beta=0.0)", "ega", "tdd") == (0, 2)
    assert wins(runs(), "ria(grid=2)", "ria", "tdd") == (2, 2)
    assert wins(runs()[runs()["variant"] != ""], "dea", "ria", "tdd") == (0, 0)  # neither was run


def test_the_papers_numbers_stand_beside_the_plain_method_alone():
    shown = tables.beside_paper(runs())
    assert shown.loc[("TDD ↑", "DEA"), "paper, VOC"] == "0.449 ± 0.043"
    assert shown.loc[("TDD ↑", "DEA"), "ours"].startswith("0.375")
    assert shown.loc[("TDD ↑", "DEA (alpha=1.0, beta=0.0)"), "paper, VOC"] == ""
    assert shown.loc[("TDD ↑", "RIA (grid=2)"), ["ours", "paper, SBD"]].tolist() == ["0.800 ± 0.141", ""]


def test_a_claim_is_about_the_plain_variant():
    told = held(runs()).set_index("claim")
    best = told.loc["RIA has the highest TDD"]
    assert best["ours"] == "EGA 0.4, RIA 0.55, DEA 0.375" and best["holds"]
    assert told.loc["DEA's TDD is above EGA's in every run", ["ours", "holds"]].tolist() == ["1 of 2 runs", False]
    other = runs()
    other.loc[(other["method"] == "dea") & (other["variant"] == ""), "variant"] = "beta=2.0"
    assert not held(other)["claim"].str.contains("DEA").any()  # no plain DEA was run


def test_a_claim_without_a_value_is_neither_held_nor_left_out():
    rows = runs()
    rows["mean_robust"] = np.nan
    assert list(held(rows, "mean_robust")["claim"]) == list(held(rows)["claim"])
    assert held(rows, "mean_robust")["holds"].isna().all()


def test_a_tie_is_not_best():
    values = {("ria", ""): (0.5,), ("ega", ""): (0.5,), ("dea", ""): (0.1,)}
    assert not held(run_rows(values)).set_index("claim").loc["RIA has the highest TDD", "holds"]


FILLS = {
    "mean": {("ega", ""): (0.4, 0.4), ("ria", "fill=mean"): (0.6, 0.5), ("dea", "fill=mean"): (0.5, 0.3)},
    "blur": {("ega", ""): (0.2, 0.2), ("ria", "fill=blur"): (0.1, 0.1), ("dea", "fill=blur"): (0.3, 0.3)},
}
STABILITY = {
    ("ega", ""): (0.9, 0.9),
    ("ria", "fill=mean"): (0.7, 0.7),
    ("ria", "fill=blur"): (0.95, 0.95),
    ("dea", "fill=mean"): (0.8, 0.8),
    ("dea", "fill=blur"): (0.5, 0.5),
}


def filled() -> pd.DataFrame:
    """A run under two fills, each judging the maps that it made."""
    parts = [run_rows(values, fill=fill) for fill, values in FILLS.items()]
    return pd.concat([*parts, run_rows(STABILITY, "stability", None)], ignore_index=True)


def test_under_several_fills_a_method_is_the_map_made_with_the_fill_that_judges():
    assert fills_of(filled()) == ["mean", "blur"]
    assert wins(at(filled(), 0.2, "mean"), "dea", "ega", "tdd") == (1, 2)
    assert wins(at(filled(), 0.2, "blur"), "dea", "ega", "tdd") == (2, 2)
    assert wins(at(filled(), 0.2, "blur"), "dea", "ria", "stability") == (0, 2)
    only = filled()[filled()["metric"] == "tdd"]  # of the maps of the other fill no row is left
    assert wins(at(only, 0.2, "blur"), "ria", "ega", "tdd") == (0, 2)
    assert tables.wide(at(filled(), 0.2, "mean"), ["tdd", "stability"]).loc["ria(fill=blur)"].isna().tolist() == [
        True,
        False,
    ]


def test_under_several_fills_claims_are_told_once_a_fill():
    told = held(at(filled(), 0.2, "mean")).set_index(["claim", "fill"])
    assert told.loc[("RIA has the highest TDD", "mean"), "ours"] == "EGA 0.4, RIA 0.55, DEA 0.4"
    assert ("RIA has the highest TDD", "blur") not in told.index  # no map made with blur was judged with the mean
    assert told.loc[("EGA is the most stable", "mean"), "holds"]
    assert not told.loc[("EGA is the most stable", "blur"), "holds"]
    judged = pd.concat([run_rows({**FILLS["mean"], **FILLS["blur"]}, fill="zeros")])  # judged with another fill
    told = held(judged).set_index(["claim", "fill"])["holds"]
    assert told["RIA has the highest TDD", "mean"] and not told["RIA has the highest TDD", "blur"]
    with pytest.raises(UserError, match=r"name one of dea\(fill=mean\), dea\(fill=blur\)"):
        wins(judged, "dea", "ega", "tdd")
    assert wins(judged, "dea(fill=blur)", "ega", "tdd") == (2, 2)
    assert wins(under_fill(judged, "mean"), "dea", "ega", "tdd") == (2, 2)


def test_the_papers_numbers_stand_beside_the_maps_made_with_its_own_fill():
    shown = tables.beside_paper(at(filled(), 0.2, "mean"))["paper, SBD"]
    assert shown["TDD ↑", "DEA (fill=mean)"] == "0.381 ± 0.030"
    assert shown["Stability ↑", "DEA (fill=blur)"] == ""


def test_a_pinned_fill_is_a_variant_and_not_the_method():
    pinned = run_rows({("ega", ""): (0.4,), ("ria", ""): (0.1,), ("ria", "fill=blur"): (0.9,), ("dea", ""): (0.2,)})
    assert fills_of(pinned) == []
    assert under_fill(pinned, None) is pinned
    assert not held(pinned).set_index("claim").loc["RIA has the highest TDD", "holds"]
    assert wins(pinned, "ria", "ega", "tdd") == (0, 1)


def test_a_run_under_several_fills_has_the_rows_these_functions_read(tmp_path):
    told = {"samples": 2, "image_size": 64, "grid": 4, "methods": ["ega", "ria", "ria(grid=2)", "dea"]}
    settings = read_settings({**told, "metrics": ["tdd"], "fill": ["mean", "blur"], "batch_size": 8})
    rows = run_level(read_samples(run_benchmark(settings, tmp_path / "r")))
    assert fills_of(rows) == ["mean", "blur"]
    for fill in settings.fill:
        here = at(rows, 0.2, fill)
        means = tables.wide(here, ["tdd"])["tdd"]
        assert set(means.index) == {"ega", f"ria(fill={fill})", f"ria(grid=2, fill={fill})", f"dea(fill={fill})"}
        won, of = wins(here, "dea", "ria(grid=2)", "tdd")
        assert (won, of) == (int(means[f"dea(fill={fill})"] > means[f"ria(grid=2, fill={fill})"]), 1)


def test_values_of_several_fills_k_or_data_sets_are_refused():
    several = run_rows(TDD).assign(k=0.5)
    for rows in (filled(), pd.concat([run_rows(TDD), several]), pd.concat([runs(), runs().assign(dataset="e")])):
        for ask in (tables.wide, tables.over_runs):
            with pytest.raises(UserError, match="one data set, k and evaluation fill"):
                ask(rows, ["tdd"])
        with pytest.raises(UserError, match="one data set, k and evaluation fill"):
            wins(rows, "dea", "ega", "tdd")


def test_methods_are_ranked_by_the_median_of_a_ratio_of_ratios():
    rows = run_rows({("ega", ""): (9.0,), ("ria", ""): (0.2,), ("dea", ""): (0.5,)}, "leak_abs")
    rows["median"] = [0.1, 0.3, 0.2]
    table = tables.wide(rows, ["leak_abs"])
    assert ranking(table)["leak_abs"].to_dict() == {"ega": 1, "ria": 3, "dea": 2}
    assert ranking(tables.wide(rows, ["leak_abs"], "mean_robust"))["leak_abs"]["ega"] == 1
    assert wins(rows, "ega", "ria", "leak_abs") == (1, 1)
    assert tables.over_runs(rows, ["leak_abs"]).loc["EGA"].tolist() == ["9.000"]  # the paper's column stays a mean
    figure = charts.rank_heatmap(ranking(table))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["LeakAbs ↓, median"]


def test_pictures_show_every_variant():
    labels = {"RIA (grid=2)", "RIA", "EGA", "DEA (alpha=1.0, beta=0.0)", "DEA"}
    dots = charts.dot_plot(runs(), ["tdd"])
    assert {text.get_text() for text in dots.axes[0].get_yticklabels()} == labels
    scatter = charts.trade_off(runs(), ["passes"])
    assert {text.get_text() for text in scatter.legends[0].get_texts()} == labels
    along = pd.concat([run_rows(TDD).assign(k=k) for k in (0.2, 0.5)])
    lines = charts.curves(along, ["tdd"])
    assert {text.get_text() for text in lines.legends[0].get_texts()} == labels
    drawn = {line.get_label(): line.get_ydata().tolist() for line in lines.axes[0].lines}
    assert drawn["RIA (grid=2)"] == pytest.approx([0.8, 0.8]) and drawn["RIA"] == pytest.approx([0.55, 0.55])
    with pytest.raises(UserError, match="one data set, k and evaluation fill"):
        charts.curves(pd.concat([along, along.assign(fill="blur")]), ["tdd"])


def test_a_table_of_intervals_refuses_a_value_that_stands_twice():
    one = pd.DataFrame({"method": ["ria", "dea"], "metric": "tdd", "mean": [0.5, 0.1], "low": 0.0, "high": 1.0})
    assert list(tables.intervals(one, "method", "metric").index) == ["RIA", "DEA"]
    with pytest.raises(ValueError, match="duplicate"):
        tables.intervals(pd.concat([one, one]), "method", "metric")


def test_labels_bear_options_where_these_tell_two_apart():
    keys = ["lime(samples=60)", "lime(samples=200)", "gradcam", "weighted", "weighted(background=0)"]
    assert list(labels(keys).values()) == [
        "LIME (samples=60)",
        "LIME (samples=200)",
        "Grad-CAM",
        "fused, weighted",
        "fused, weighted, no background points",
    ]
    assert labels(["lime(samples=60)"]) == {"lime(samples=60)": "LIME"}
    assert short_labels(["ria(grid=4)", "ria"]) == {"ria(grid=4)": "RIA (grid=4)", "ria": "RIA"}


def test_a_line_of_budgets_is_one_variant():
    values = {"ria(grid=2)": 5, "ria(grid=4)": 17, "ria(grid=2, fill=blur)": 5, "ria(fill=blur, grid=4)": 17}
    about = {"dataset": "d", "model": "m", "seed": 0, "run_id": "r", "status": "ok"}
    rows = [
        {**about, "sample_id": sample, "method": "ria", "variant": key[4:-1], "metric": metric, "k": k, "fill": fill}
        | {"value": passes / 20 if metric != "passes" else passes}
        for sample in ("a", "b")
        for key, passes in values.items()
        for metric in ("tdd", "excess_tdd", "odd_abs", "passes")
        for k, fill in [(np.nan, None) if metric == "passes" else (0.2, "mean")]
    ]
    curve = economy.budget_curve(pd.DataFrame(rows), 0.2)
    assert curve.groupby("line")["method"].unique().map(list).to_dict() == {
        "ria": ["ria(grid=2)", "ria(grid=4)"],
        "ria(fill=blur)": ["ria(grid=2, fill=blur)", "ria(fill=blur, grid=4)"],
    }
    several = pd.DataFrame(rows).assign(fill=lambda table: table["fill"].replace("mean", "blur"))
    with pytest.raises(UserError, match="expected values of one"):
        economy.faithfulness(pd.concat([pd.DataFrame(rows), several]), 0.2)


def test_the_ends_of_a_model_keep_a_methods_options():
    rows = pd.DataFrame({"method": ["lime", "lime", "refinecam"], "variant": ["samples=60", "", "base=layercam"]})
    placed = refinement.at_ends(rows.assign(start=1, stages=4))["variant"]
    assert list(placed) == ["samples=60, layer=shallowest", "layer=shallowest", "base=layercam"]


def test_a_method_that_is_written_twice_is_run_once(tmp_path):
    told = {"samples": 1, "image_size": 64, "metrics": ["tdd"], "grid": 4, "batch_size": 8, "fill": ["mean", "blur"]}
    settings = read_settings({**told, "methods": ["ria", "ria(fill=mean)", "ega", "ega( window=1 )", "ega(window=1)"]})
    rows = read_samples(run_benchmark(settings, tmp_path / "r"))
    rows = rows[rows["metric"] == "tdd"]
    assert not rows.duplicated(["method", "variant", "fill"]).any()
    assert list(rows["variant"].unique()) == ["fill=mean", "fill=blur", "", "window=1"]


def test_a_side_is_told_from_twelve_images_on_and_only_by_an_interval_off_zero():
    assert tables.side(0.1, 0.3, 12) == "higher than"
    assert tables.side(-0.3, -0.1, 12) == "lower than"
    assert tables.side(-0.1, 0.3, 500) == tables.side(0.0, 0.3, 500) == "not told apart from"
    assert tables.side(np.nan, np.nan, 500) == tables.side(0.1, 0.3, 11) == "not told apart from"


def test_the_explorer_shows_the_value_under_the_fill_whose_deletion_it_draws():
    told = {"image_size": 64, "grid": 4, "metrics": ["tdd"], "batch_size": 8}
    groups = [
        group_of(read_settings({**told, "evaluation_fill": fills}), ["test-00000"])
        for fills in (["zeros"], ["zeros", "blur"])
    ]
    alone, several = (look(group, "ega", 0.2) for group in groups)
    assert vars(several)["values"]["tdd"] == vars(alone)["values"]["tdd"]
    assert torch.equal(several.deleted, alone.deleted)
