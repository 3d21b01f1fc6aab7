"""What is measured of a metric, on rows made by hand; and what follows from it for its use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.evidence import recording
from segattr_lib.evidence.plans import Plan
from segattr_lib.evidence.records import Record, read_record
from segattr_lib.inference.intervals import median_interval, studentised_interval
from segattr_lib.metrics import METRICS as REGISTERED
from segattr_lib.registry import UserError
from segattr_lib.sections import cards
from segattr_lib.sections.cards import gaming, measures, trust

N = 20


def rows_of(metric: str, values: dict[tuple[str, float, str], Any], score: float = 0.9) -> pd.DataFrame:
    """Rows of (method, k, fill) to one value or one an image; NaN is degenerate. All images are scored alike."""
    about = {"run_id": "r", "dataset": "d", "model": "m", "seed": 0, "region": "truth"}
    rows = []
    for image in range(N):
        here = {**about, "sample_id": f"image {image:02}"}
        rows.append({**here, "metric": "score", "value": score, "status": "ok"})
        for (key, k, fill), value in values.items():
            method, _, variant = key.rstrip(")").partition("(")
            number = float(np.broadcast_to(value, N)[image])
            status = "degenerate" if np.isnan(number) else "ok"
            about_map = {"method": method, "variant": variant, "metric": metric, "k": k, "fill": fill}
            rows.append({**here, **about_map, "value": number, "status": status})
    return pd.DataFrame(rows)


def record(rows: pd.DataFrame, name: str = "made", **settings: Any) -> Record:
    made = Record(name, Path(), read_settings({"dataset": "shapes", "model": "shapes_fcn", **settings}), [], {})
    made.__dict__["rows"] = rows  # in place of its files
    return made


def at_k(values: dict[str, Any], k: float = 0.2, fill: str = "mean") -> dict[tuple[str, float, str], Any]:
    return {(key, k, fill): value for key, value in values.items()}


SPREAD = 0.01 * (np.arange(N) - (N - 1) / 2)
DEFAULT = {"ria": 0.6 + SPREAD, "ega": 0.3 + SPREAD, "random": 0.45, "random_smooth": 0.2, "depth": 0.5 - SPREAD}


def test_levels_say_what_knows_nothing_and_leave_out_the_truth_and_maps_with_few_values() -> None:
    few = np.where(np.arange(N) < 11, 0.9, np.nan)
    values = {**DEFAULT, "rim": few, "ground_truth": 0.99, "ria(grid=7)": 0.8}
    where = measures.levels(record(rows_of("tdd", at_k(values))), "tdd").set_index("method")
    assert where["kind"].to_dict() == {
        "ria": "method",
        "ega": "method",
        "random": "random",
        "random_smooth": "random",
        "depth": "other",
    }
    assert where["mean"].tolist() == pytest.approx([0.6, 0.3, 0.45, 0.2, 0.5])
    assert measures.spread(where, "random") == pytest.approx(0.25)
    assert measures.spread(where, "method") == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("metric", "best", "rival", "ahead"), [("tdd", "ria", "depth", 0.1), ("odd_abs", "ega", "random_smooth", -0.1)]
)
def test_the_lead_is_of_the_best_method_over_the_best_blind_map(
    metric: str, best: str, rival: str, ahead: float
) -> None:
    made = record(rows_of(metric, at_k(DEFAULT)))
    first, second, (value, low, high, n) = measures.lead(made, metric, measures.levels(made, metric))  # type: ignore
    assert (first, second, n) == (best, rival, N)
    assert value == pytest.approx(ahead) and low < value < high


def test_faults_are_counted_over_the_methods_at_the_setting_that_is_told() -> None:
    half = np.where(np.arange(N) % 2, 0.5, np.nan)
    values = {("ria", 0.2, "mean"): half, ("ega", 0.2, "mean"): 0.4, ("random", 0.2, "mean"): np.nan}
    made = record(rows_of("tdd", {**values, ("ria", 0.5, "mean"): np.nan, ("ria", 0.2, "blur"): np.nan}))
    assert measures.faults(made, "tdd") == {"undefined": 0, "degenerate": 0.25, "failed": 0}


def test_taus_of_k_and_fill_are_over_pairs_that_differ_in_that_alone() -> None:
    up, down = {"gpa": 0.1, "ega": 0.2, "ria": 0.3}, {"gpa": 0.3, "ega": 0.2, "ria": 0.1}
    values = at_k(up) | at_k(up, fill="blur") | at_k(up, 0.5) | at_k(down, 0.5, "blur")
    taus = measures.setting_taus([record(rows_of("tdd", values))], "tdd")
    assert taus is not None
    assert taus.loc["k"].tolist() == [0.0, -1.0, 2] and taus.loc["fill"].tolist() == [0.0, -1.0, 2]
    assert measures.setting_taus([record(rows_of("tdd", at_k(up)))], "tdd") is None


def test_images_that_the_model_scores_low_move_a_mean_and_are_measured_apart() -> None:
    low = rows_of("tdd", at_k({"ria": -3.0, "ega": 0.0}), score=0.1).assign(model="n")  # other images, scored low
    low["sample_id"] = "low " + low["sample_id"]
    made = record(pd.concat([rows_of("tdd", at_k({"ria": 0.6, "ega": 0.3})), low]))
    assert measures.shift(made, "tdd") == pytest.approx(0.6 - (0.6 - 3.0) / 2)
    assert measures.shift(record(rows_of("tdd", at_k({"ria": 0.6, "ega": 0.3}))), "tdd") == pytest.approx(0)


def test_the_best_method_is_so_by_its_mean_and_in_leakage_by_its_median() -> None:
    values = {"gpa": [0.1, 0.2, 0.9], "ega": [0.3, 0.3, 0.3], "ria": [0.5, np.nan, 0.7]}
    rows = pd.DataFrame(
        [
            {"metric": metric, "method": method, "value": value, "status": "undefined" if np.isnan(value) else "ok"}
            for metric in ("tdd", "odd_abs", "leak_abs")
            for method, several in values.items()
            for value in several
        ]
    )
    assert gaming.best_method(rows, "tdd") == ("ria", pytest.approx(0.6))
    assert gaming.best_method(rows, "odd_abs") == ("ega", pytest.approx(0.3))
    assert gaming.best_method(rows, "leak_abs") == ("gpa", pytest.approx(0.2))
    assert gaming.best_method(rows, "road") is None and gaming.best_method(pd.DataFrame(), "tdd") is None


@pytest.mark.parametrize(("metric", "found"), [("tdd", 0.3), ("odd_abs", -0.3)])
def test_planted_evidence_is_found_scene_by_scene_in_the_better_direction(metric: str, found: float) -> None:
    own = record(rows_of(metric, at_k({"ria": 0.6 + SPREAD, "ega": 0.4 - SPREAD / 2, "random": 0.2})))
    context = record(rows_of(metric, at_k({"ria": 0.3, "ega": 0.1, "random": 0.2})))
    value, low, high, n = measures.planted(own, context, metric)  # type: ignore[misc]
    assert value == pytest.approx(found) and n == N and low < value < high
    assert measures.planted(own, context, metric, ["random"])[0] == 0  # type: ignore[index]
    assert measures.planted(own, context, "insertion") is None


def test_what_only_compares_maps_that_are_made_anew() -> None:
    again = {*cards.METRICS["segmenters"], *cards.METRICS["classifiers"]}
    assert {name for name in again if measures.explains_again(name)} == {"stability", "coherency"}


MEASURED = trust.Measured(
    where=pd.DataFrame(
        {"method": ["ria", "ega", "random", "random_smooth"], "kind": ["method"] * 2 + ["random"] * 2}
        | {"mean": [0.6, 0.3, 0.25, 0.1], "low": 0.0, "high": 1.0, "n": N}
    ),
    lead=("ria", "random", (0.35, 0.3, 0.4, N)),
    planted=(0.2, 0.1, 0.3, N),
    planted_blind=None,
    truth=None,
    taus=pd.DataFrame({"mean": [0.8, 0.9], "least": [0.0, 0.5], "pairs": [3, 3]}, ["k", "fill"]),
    sets=True,
    again=False,
    faults={"undefined": 0.03, "degenerate": 0.02, "failed": 0.0},
    shift=0.15,
    gain=0.29,
    reached=0.54,
    best=("ria", 0.55),
    draws=49,
    direction=1,
)


def test_a_metric_that_keeps_every_bound_is_trusted_for_all() -> None:
    answers = trust.answers(MEASURED)
    assert [answer.use for answer in answers] == list(trust.USES)
    assert all(answer.trusted for answer in answers)


FAR = MEASURED.where.assign(mean=[0.6, 0.3, 0.25, 0.09])
UNSETTLED = MEASURED.taus.assign(mean=[0.95, 0.79])  # type: ignore[union-attr]
CORRELATED = pd.DataFrame({"way": ["pooled", "within"], "value": 0.3, "low": [0.1, -0.1], "high": 0.5})


@pytest.mark.parametrize(
    ("changed", "use", "trusted"),
    [
        ({"lead": ("ria", "random", (0.1, -0.01, 0.2, N))}, "chance", False),
        ({"lead": ("ria", "random", (0.1, np.nan, np.nan, 3))}, "chance", False),
        ({"lead": None}, "chance", None),
        ({"where": FAR}, "grain", False),
        ({"where": FAR.iloc[:3]}, "grain", None),
        ({"again": True}, "grain", None),
        ({"again": True}, "objective", None),
        ({"planted": (0.1, -0.1, 0.3, N)}, "truth", False),
        ({"planted": None}, "truth", None),
        ({"truth": CORRELATED}, "truth", False),
        ({"truth": CORRELATED.assign(low=0.05)}, "truth", True),
        ({"taus": UNSETTLED}, "settings", False),
        ({"taus": None}, "settings", None),
        ({"sets": False}, "settings", None),
        ({"faults": {"undefined": 0.03, "degenerate": 0.03, "failed": 0.0}}, "every", False),
        ({"shift": 0.16}, "every", False),
        ({"reached": 0.56}, "objective", False),
        ({"direction": -1}, "objective", False),
        ({"best": None}, "objective", None),
        ({"reached": np.nan}, "objective", None),
    ],
)
def test_each_bound_decides_its_own_use_and_no_other(changed: dict[str, Any], use: str, trusted: bool | None) -> None:
    answers = {answer.use: answer.trusted for answer in trust.answers(replace(MEASURED, **changed))}
    assert answers[use] is trusted
    if "again" not in changed:
        assert all(answer for name, answer in answers.items() if name != use)


def test_the_best_of_random_maps_is_theirs_by_the_metric_that_chose_it() -> None:
    """The oracle: each map scored by itself, the best picked by hand."""
    run = read_settings(
        {"dataset": "shapes", "samples": 2, "image_size": 64, "model": "shapes_lraspp", "methods": "random_cells"}
        | {"metrics": ["tdd", "odd_abs"], "grid": 4, "null_every": 8}
    )
    from segattr_lib.benchmark.runner import group_of, open_run

    group = group_of(run, open_run(run).ids[0])
    control = method_key("random_cells")
    picked = gaming.chosen(group, 5, control).set_index(["metric", "sample_id"])
    scored = []
    for number in range(5):
        draws = group.draws.on(f"random map {number}")
        maps = control.entry.function(group.score, group.images, group.target, draws=draws, grid=4)
        assert not torch.equal(maps[0], maps[1])
        scored += [{**row, "number": number} for row in group.judged(control, maps, run.metrics, [0, 0])]
    rows = pd.DataFrame(scored)
    for (metric, sample_id), row in picked.iterrows():
        mine = rows[(rows["metric"] == metric) & (rows["sample_id"] == sample_id) & (rows["status"] == "ok")]
        best = mine["value"].max() if metric == "tdd" else mine["value"].min()
        assert row.tolist() == pytest.approx([best, mine["value"].mean()])
    assert gaming.reached(picked.reset_index(), "tdd") == pytest.approx(picked.loc["tdd", "best"].mean())
    gained = (picked["centre"] - picked["best"]).loc["odd_abs"].mean()
    assert gaming.gain(picked.reset_index(), "odd_abs") == pytest.approx(gained) and gained > 0
    assert np.isnan(gaming.gain(picked.reset_index(), "insertion"))


def test_what_was_recorded_of_a_game_is_what_came_of_it(tmp_path) -> None:
    plan = Plan(
        "games",
        "",
        "generated",
        read_settings(
            {"dataset": "shapes", "samples": 3, "image_size": 128, "model": "shapes_fcn", "grid": 4, "null_every": 8}
            | {"methods": ["gpa", "ega"], "metrics": ["tdd", "odd_abs"], "device": "cpu", "batch_size": 8}
        ),
        2,
        "segattr_lib.sections.cards.gaming:question",
        {"draws": 3, "control": "random_cells", "metrics": ["tdd", "leak_abs"]},
    )
    recording.record(plan, tmp_path / "evidence", tmp_path / "results")
    kept = gaming.of_record(read_record("games", tmp_path / "evidence"), {"tdd": 1}, "ega")
    alone = plan.settings.changed({"metrics": ["tdd", "leak_abs"]})
    played = gaming.gamed(alone, 3, "random_cells", "ega", ["gpa", "ega"])
    assert (kept.draws, kept.control, kept.images) == (3, "random_cells", played.images) and kept.images
    for metric in ("tdd", "leak_abs"):
        assert gaming.gain(kept.chosen, metric) == pytest.approx(gaming.gain(played.chosen, metric), rel=1e-5)
        assert gaming.reached(kept.chosen, metric) == pytest.approx(gaming.reached(played.chosen, metric), rel=1e-5)
    assert gaming.best_method(kept.methods, "tdd")[0] == gaming.best_method(played.methods, "tdd")[0]
    assert set(kept.methods["method"].astype(str)) == {"gpa", "ega"}  # the random maps are no method


def test_a_gain_has_the_interval_of_its_images() -> None:
    rows = [
        {"metric": metric, "sample_id": f"i{n}", "best": 1 + n / 10, "centre": 0.5}
        for metric in ("tdd", "leak_abs")
        for n in range(20)
    ]
    picked = pd.DataFrame(rows)
    better = np.array([0.5 + n / 10 for n in range(20)])
    assert gaming.gain_interval(picked, "tdd", 0.95) == studentised_interval(better)
    assert gaming.gain_interval(picked, "leak_abs", 0.9) == median_interval(-better, 0.9)  # lower is better
    assert np.isnan(gaming.gain_interval(picked, "road", 0.95)).all()


def test_passes_of_a_metric_are_those_of_its_formula() -> None:
    run = read_settings(
        {"dataset": "shapes", "samples": 1, "image_size": 64, "model": "shapes_lraspp", "methods": "random_cells"}
        | {"metrics": ["tdd", "leak_abs", "insertion", "stability"], "grid": 4, "null_every": 8}
    )
    from segattr_lib.benchmark.runner import open_run

    passes = gaming.cost(run, open_run(run).ids[0][0], "ega")
    assert passes == {"tdd": 1, "leak_abs": 2, "insertion": 2, "stability": 5 * 3}  # EGA's map takes 3


def test_every_metric_with_a_card_is_registered_and_has_its_words() -> None:
    said = cards.said()
    for metric in [name for names in cards.METRICS.values() for name in names]:
        assert metric in REGISTERED and set(said[metric]) == {"says", "by"}


def test_what_no_record_has_is_said_so_on_its_card(tmp_path: Path) -> None:
    runs = cards.Runs({}, {}, {})
    assert "no record has it yet" in cards.card(runs, "road").data
    with pytest.raises(UserError, match=r"Unknown metric with a card 'rod'"):
        cards.card(runs, "rod")
    with pytest.raises(UserError, match="there is nothing to draw"):
        cards.levels_dots(runs, ["tdd"])
    facts = cards.facts(runs)
    assert facts["metrics"] == 0 and "ROAD" in facts["without"] and "photographs" in facts["absent"]
