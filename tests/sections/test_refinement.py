"""RefineCAM against its base: runs that start at a layer, the laws of its fusions, and the coherency shortcut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.fusion import FUSIONS, refined
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.paired import settled
from segattr_lib.metrics.composite import faded
from segattr_lib.metrics.stability import pearson
from segattr_lib.registry import UserError
from segattr_lib.report.reference import reference, refinecam_table2
from segattr_lib.sections.refinecam import refinement
from segattr_lib.sections.refinecam.refinement import DEEPEST, REFINED, SHALLOWEST, key_of

BASE = "layercam"
MODEL = "shapes_resnet18"
TOLD: dict[str, Any] = {
    "dataset": "single_shapes",
    "samples": 3,
    "image_size": 64,
    "model": MODEL,
    "scalar": "logit",
    "metrics": ["coherency", "complexity", "road", "arcc"],
    "batch_size": 16,
}
LAYERS = ["layer1", "layer2", "layer3", "layer4"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    fused = [key_of(BASE, fuse=fuse) for fuse in FUSIONS]
    starts = {0: [BASE, *fused], -1: [BASE, key_of(BASE), BASE]}
    return refinement.by_start(read_settings(TOLD), starts, tmp_path_factory.mktemp("refinement"))


def values(rows: pd.DataFrame, metric: str, start: int, method: str, variant: str = "") -> np.ndarray:
    kept = (rows["metric"] == metric) & (rows["start"] == start)
    return rows[kept & (rows["method"] == method) & (rows["variant"] == variant)]["value"].to_numpy()


def group(layers: list[str]) -> Group:
    run = read_settings({**TOLD, "layers": layers, "methods": [BASE]})
    return group_of(run.runs()[0], ["test-00000", "test-00001", "test-00002"])


def test_a_start_explains_its_layer_with_a_cam_and_all_deeper_ones_with_refinecam(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    assert list(rows["start"].unique()) == [1, 4]
    assert set(rows["stages"]) == {4}
    for start in (1, 4):
        written = [f"{BASE}(layer=layer{start})"]
        plainly = read_settings({**TOLD, "metrics": ["complexity"], "methods": written})
        wanted = plain(read_samples(run_benchmark(plainly, tmp_path / str(start))))
        wanted = wanted[wanted["metric"] == "complexity"]["value"].to_numpy()
        np.testing.assert_array_equal(values(rows, "complexity", start, BASE), wanted)


def test_refinecam_from_the_deepest_layer_is_the_base_there(rows: pd.DataFrame) -> None:
    for metric in TOLD["metrics"]:
        own = values(rows, metric, 4, "refinecam", f"base={BASE}")
        np.testing.assert_array_equal(own, values(rows, metric, 4, BASE))


def test_product_and_geometric_mean_have_the_same_road_and_another_arcc(rows: pd.DataFrame) -> None:
    product, mean = f"base={BASE}", f"base={BASE}, fuse=geometric_mean"
    road = values(rows, "road", 1, "refinecam", product)
    assert np.isfinite(road).all()
    np.testing.assert_array_equal(values(rows, "road", 1, "refinecam", mean), road)
    assert (
        values(rows, "complexity", 1, "refinecam", mean) > values(rows, "complexity", 1, "refinecam", product)
    ).all()
    assert not np.array_equal(
        values(rows, "arcc", 1, "refinecam", mean), values(rows, "arcc", 1, "refinecam", product), equal_nan=True
    )


def test_at_ends_holds_the_base_at_both_ends_and_refinecam_from_the_shallowest_once(rows: pd.DataFrame) -> None:
    ends = refinement.at_ends(rows)
    table = ends[ends["metric"] == "complexity"].assign(key=lambda one: one["method"] + "(" + one["variant"] + ")")
    wanted = {key_of(BASE, place) for place in (SHALLOWEST, DEEPEST, REFINED)}
    assert set(table["key"]) == wanted | {key_of(BASE, fuse=fuse) for fuse in FUSIONS}
    assert (table["key"].value_counts() == TOLD["samples"]).all()
    assert (ends["metric"] == "score").sum() == TOLD["samples"]
    deepest = table[table["key"] == key_of(BASE, DEEPEST)]["value"].to_numpy()
    np.testing.assert_array_equal(deepest, values(rows, "complexity", 4, BASE))


def test_along_the_starts_the_two_lines_meet_at_the_deepest_layer(rows: pd.DataFrame) -> None:
    found = refinement.over_starts(rows, BASE, ["complexity"]).set_index([refinement.START, "line"])["mean"]
    assert found[4, BASE] == found[4, key_of(BASE)] == pytest.approx(values(rows, "complexity", 4, BASE).mean())
    assert found[1, BASE] == pytest.approx(values(rows, "complexity", 1, BASE).mean())
    assert found[1, key_of(BASE)] == pytest.approx(values(rows, "complexity", 1, "refinecam", f"base={BASE}").mean())
    assert found[1, BASE] != found[1, key_of(BASE)]


@pytest.mark.parametrize("fuse", FUSIONS)
def test_the_shortcut_of_one_layer_is_coherency(rows: pd.DataFrame, fuse: str) -> None:
    found = refinement.shortcut(group(["layer4"]), BASE, fuse)
    assert list(found.index) == ["test-00000", "test-00001", "test-00002"]
    np.testing.assert_allclose(found, values(rows, "coherency", 4, BASE), atol=1e-6)


def test_the_shortcut_keeps_the_deep_maps_and_explains_the_shallowest_again(rows: pd.DataFrame) -> None:
    seen = group(LAYERS)
    cam = METHODS[BASE].function
    shallow, *deep = (cam(seen.score, seen.images, seen.target, layer=layer) for layer in LAYERS)
    fused = refined([shallow, *deep])
    anew = cam(seen.score, faded(seen.images, fused), seen.target, layer="layer1")
    wanted = (pearson(fused, refined([anew, *deep])) + 1) / 2
    found = refinement.shortcut(seen, BASE)
    torch.testing.assert_close(torch.tensor(found.to_numpy()), wanted, rtol=0, atol=1e-5)
    assert not np.allclose(found, values(rows, "coherency", 1, "refinecam", f"base={BASE}"), atol=1e-3)


def test_layer_maps_are_the_cams_own_and_their_refinement() -> None:
    seen = group(LAYERS)
    found = refinement.layer_maps(seen, BASE)
    assert list(found) == [*LAYERS, "RefineCAM"]
    for layer in LAYERS:
        alone = METHODS[BASE].function(seen.score, seen.images, seen.target, layer=layer)
        torch.testing.assert_close(found[layer], alone, rtol=0, atol=1e-5)
    assert torch.equal(found["RefineCAM"], refined([found[layer] for layer in LAYERS]))
    with pytest.raises(UserError, match=r"Unknown base CAM 'layer_cam' \(did you mean 'layercam'\?\)"):
        refinement.layer_maps(seen, "layer_cam")


def told(model: str, sample: str, key: str, value: float, metric: str = "arcc") -> dict[str, Any]:
    method, _, variant = key.removesuffix(")").partition("(")
    about = {"run_id": model, "dataset": "d", "model": model, "seed": 0, "sample_id": sample, "k": None, "fill": None}
    status = "undefined" if np.isnan(value) else "ok"
    return {**about, "method": method, "variant": variant, "metric": metric, "value": value, "status": status}


@pytest.fixture
def solved() -> pd.DataFrame:
    """Two models, two images, two bases; by hand."""
    by_place = {  # model, sample: values of a's and b's (shallowest, deepest, refined)
        ("m", "x"): ((0.1, 0.5, 0.3), (0.2, 0.9, 0.6)),
        ("m", "y"): ((0.4, 0.2, np.nan), (0.0, 0.3, 0.2)),
        ("n", "x"): ((0.8, 0.1, 0.7), (0.6, 0.1, 0.5)),
        ("n", "y"): ((0.7, 0.1, 0.9), (0.9, 0.3, 0.5)),
    }
    return pd.DataFrame(
        [
            told(model, sample, key_of(base, place), value)
            for (model, sample), bases in by_place.items()
            for base, places in zip(("gradcam", "layercam"), bases, strict=True)
            for place, value in zip(refinement.PLACES, places, strict=True)
        ]
    )


def test_lift_is_the_mean_over_the_bases_of_what_refining_adds_on_each_image_and_model(solved: pd.DataFrame) -> None:
    bases = ["gradcam", "layercam"]
    found = refinement.lift(settled(solved), bases, SHALLOWEST)
    assert found.loc["x", "m"] == pytest.approx((0.2 + 0.4) / 2)
    assert found.loc["y", "m"] == pytest.approx((-0.4 + 0.2) / 2)  # a map that vanished counts 0
    assert found.loc["x", "n"] == pytest.approx(-0.1)
    assert np.isnan(refinement.lift(solved, bases, SHALLOWEST).loc["y", "m"])
    assert refinement.lift(solved, bases[:1], DEEPEST).loc["x", "n"] == pytest.approx(0.6)


def test_settled_fills_composites_that_do_not_exist_and_nothing_else(solved: pd.DataFrame) -> None:
    other = pd.DataFrame([told("m", "x", "gradcam", np.nan, "coherency"), told("m", "x", "gradcam", np.nan, "adcc")])
    found = settled(pd.concat([solved, other], ignore_index=True))
    assert found["value"].isna().sum() == 1 and found.iloc[-2]["metric"] == "coherency"
    assert (found["value"] == 0).sum() == 3  # one was 0 before
    assert solved["value"].isna().sum() == 1


def test_summary_counts_what_does_not_exist(solved: pd.DataFrame) -> None:
    found = refinement.summary(solved, ["gradcam", "layercam"], ["arcc"]).set_index(["model", "base", "place"])
    assert len(found) == 12
    vanished = found.loc["m", "gradcam", REFINED]
    assert (vanished["mean"], vanished["n"], vanished["undefined"]) == (0.3, 1, 1)
    assert found.loc["n", "layercam", SHALLOWEST]["std"] == pytest.approx(np.std([0.6, 0.9], ddof=1))


def placed(means: dict[str, float], n: int, spread: float, metric: str = "arcc", seed: int = 0) -> pd.DataFrame:
    """Rows of a model whose ways have these means, over images of their own difficulty."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    return pd.DataFrame(
        [
            told("m", f"s{image}", key, hard[image] + mean + rng.normal(0, spread), metric)
            for key, mean in means.items()
            for image in range(n)
        ]
    )


def test_leaders_are_told_where_they_lie_above_and_their_value_is_of_images_that_did_not_choose() -> None:
    bases = ["gradcam", "layercam"]
    keys = [key_of(base, place) for base in bases for place in refinement.PLACES]
    first, second = key_of("gradcam"), key_of("layercam")
    clear = refinement.leaders(placed({key: float(key == first) for key in keys}, 30, 0.2), bases)
    assert list(clear.loc["m", ["base", "place", "n", "best", "refined"]]) == ["gradcam", REFINED, 30, HOLDS, HOLDS]
    both = {key: float(key in (first, second)) for key in keys}  # which refined one is open, that it is one is not
    either = refinement.leaders(placed(both, 30, 0.2), bases).loc["m"]
    assert (either["place"], either["best"], either["refined"]) == (REFINED, UNDECIDED, HOLDS)
    deep = refinement.leaders(placed({key: float(DEEPEST in key and "gradcam" in key) for key in keys}, 30, 0.2), bases)
    assert list(deep.loc["m", ["place", "best", "refined"]]) == [DEEPEST, HOLDS, CONTRADICTED]
    few = refinement.leaders(placed({key: float(key == first) for key in keys}, 11, 0.2), bases).loc["m"]
    assert (few["place"], few["best"], few["refined"]) == (REFINED, UNDECIDED, UNDECIDED)
    equal = [refinement.leaders(placed(dict.fromkeys(keys, 0.0), 20, 1.0, seed=seed), bases) for seed in range(40)]
    assert sum(found.loc["m", "best"] != UNDECIDED for found in equal) <= 4
    shallow = refinement.leaders(placed(both, 30, 0.2), bases, (SHALLOWEST, REFINED))
    assert shallow.loc["m", "refined"] == HOLDS


def test_the_best_start_is_told_only_where_it_lies_above_the_others_and_every_model_has_it() -> None:
    def at(start: int, alone: float, fused: float, model: str = "m") -> pd.DataFrame:
        rows = placed({BASE: alone, key_of(BASE): fused}, 20, 0.1, seed=start)
        hard = np.random.default_rng(start).normal(size=20)  # the images are as hard from every start
        away = dict(zip([f"s{image}" for image in range(20)], hard, strict=True))
        return rows.assign(start=start, model=model, value=rows["value"] - rows["sample_id"].map(away))

    rows = pd.concat([at(1, 0.0, 0.0), at(2, 1.0, 0.0), at(3, 0.0, 0.02)])
    found = refinement.best_starts(rows, BASE, ["arcc"])
    alone, fused = found.loc[("arcc", BASE)], found.loc[("arcc", key_of(BASE))]
    assert (alone["start"], alone["best"], alone["n"]) == (2, HOLDS, 20) and alone["mean"] == pytest.approx(1, abs=0.1)
    assert fused["best"] == UNDECIDED
    other = pd.concat([rows, at(1, 0.0, 0.0, "other"), at(3, 0.5, 0.0, "other")])  # it has no stage 2
    assert refinement.best_starts(other, BASE, ["arcc"]).loc[("arcc", BASE), "start"] == 3


def test_fusions_are_compared_over_images_and_models(solved: pd.DataFrame) -> None:
    fused = pd.DataFrame(
        [
            told(model, sample, key_of("gradcam", fuse=fuse), level + 0.1 * place)
            for fuse, level in [("geometric_mean", 0.0), ("inverse_exp_mean", 0.5)]
            for place, (model, sample) in enumerate([("m", "x"), ("m", "y"), ("n", "x"), ("n", "y")])
        ]
    )
    found = refinement.over_fusions(pd.concat([solved, fused]), ["gradcam"]).set_index("fuse")
    assert found.loc["geometric_mean", "mean"] == pytest.approx(0.15)
    assert found.loc["inverse_exp_mean", "mean"] == pytest.approx(0.65)
    assert found.loc["geometric_mean", "std"] == pytest.approx(np.std([0, 0.1, 0.2, 0.3], ddof=1))
    assert (found.loc["product", "mean"], found.loc["product", "n"]) == (pytest.approx(1.9 / 3), 3)


@pytest.mark.parametrize(("count", "wanted"), [(3, "dca"), (2, "da"), (1, "d"), (9, "dbca")])
def test_samples_are_chosen_at_evenly_spaced_ranks(count: int, wanted: str) -> None:
    gains = pd.Series({"a": -0.5, "b": 0.2, "e": np.nan, "c": 0.1, "d": 0.9})
    assert "".join(refinement.at_quantiles(gains, count).index) == wanted


def test_the_papers_table_2_is_data_with_its_source() -> None:
    table = refinecam_table2()
    assert "Table 2" in reference()["refinecam_table2"]["source"]
    assert set(table["fuse"]) == set(FUSIONS) and set(table["base"]) <= set(METHODS)
    assert len(table) == 15 and (table["mean"] < 1).all() and (table["std"] < 1).all()
    wide = table.pivot_table(index="base", columns="fuse", values="mean")
    assert list(wide.index[wide.idxmax(axis=1) != "product"]) == ["guided_gradcam"]  # against the paper's own text
