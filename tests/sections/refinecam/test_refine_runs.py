"""RefineCAM against its base: runs that start at a layer, the laws of its fusions, and the coherency shortcut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from refinecam_rows import settings as page_settings

from segattr_lib.attribution import METHODS
from segattr_lib.attribution.fusion import FUSIONS, refined
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.metrics.composite import arcc, faded
from segattr_lib.metrics.stability import pearson
from segattr_lib.registry import UserError
from segattr_lib.sections.refinecam.choices import START, over_starts
from segattr_lib.sections.refinecam.maps import layer_maps, shortcut
from segattr_lib.sections.refinecam.runs import (
    DEEPEST,
    PLACES,
    REFINED,
    SHALLOWEST,
    at_ends,
    by_start,
    folder_of,
    key_of,
    photographs_of,
    recorded_ends,
    stages_of,
)

BASE = "layercam"
MODEL = "shapes_resnet18"
SETTINGS: dict[str, Any] = {
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
    settings = read_settings(SETTINGS)
    return by_start(settings, stages_of(settings), starts, tmp_path_factory.mktemp("refinement"))


def values(table: pd.DataFrame, metric: str, start: int, method: str, variant: str = "") -> np.ndarray:
    kept = (table["metric"] == metric) & (table["start"] == start)
    return table[kept & (table["method"] == method) & (table["variant"] == variant)]["value"].to_numpy()


def group(layers: list[str]) -> Group:
    run = read_settings({**SETTINGS, "layers": layers, "methods": [BASE]})
    return group_of(run.runs()[0], ["test-00000", "test-00001", "test-00002"])


def test_a_start_explains_its_layer_with_a_cam_and_all_deeper_ones_with_refinecam(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    assert list(rows["start"].unique()) == [1, 4]
    assert set(rows["stages"]) == {4}
    for start in (1, 4):
        written = [f"{BASE}(layer=layer{start})"]
        plainly = read_settings({**SETTINGS, "metrics": ["complexity"], "methods": written})
        wanted = plain(read_samples(run_benchmark(plainly, tmp_path / str(start))))
        wanted = wanted[wanted["metric"] == "complexity"]["value"].to_numpy()
        np.testing.assert_array_equal(values(rows, "complexity", start, BASE), wanted)


def test_refinecam_from_the_deepest_layer_is_the_base_there(rows: pd.DataFrame) -> None:
    for metric in SETTINGS["metrics"]:
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
    ends = at_ends(rows)
    table = ends[ends["metric"] == "complexity"]
    table = table.assign(key=[f"{method}({variant})" for method, variant in table[["method", "variant"]].to_numpy()])
    wanted = {key_of(BASE, place) for place in (SHALLOWEST, DEEPEST, REFINED)}
    assert set(table["key"]) == wanted | {key_of(BASE, fuse=fuse) for fuse in FUSIONS}
    assert (table["key"].value_counts() == SETTINGS["samples"]).all()
    assert (ends["metric"] == "score").sum() == SETTINGS["samples"]
    deepest = table[table["key"] == key_of(BASE, DEEPEST)]["value"].to_numpy()
    np.testing.assert_array_equal(deepest, values(rows, "complexity", 4, BASE))


def test_along_the_starts_the_two_lines_meet_at_the_deepest_layer(rows: pd.DataFrame) -> None:
    means = over_starts(rows, BASE, ["complexity"]).set_index([START, "line"])["mean"]
    assert means[4, BASE] == means[4, key_of(BASE)] == pytest.approx(values(rows, "complexity", 4, BASE).mean())
    assert means[1, BASE] == pytest.approx(values(rows, "complexity", 1, BASE).mean())
    assert means[1, key_of(BASE)] == pytest.approx(values(rows, "complexity", 1, "refinecam", f"base={BASE}").mean())
    assert means[1, BASE] != means[1, key_of(BASE)]


@pytest.mark.parametrize("fuse", FUSIONS)
def test_the_shortcut_of_one_layer_is_coherency(rows: pd.DataFrame, fuse: str) -> None:
    kept = shortcut(group(["layer4"]), BASE, fuse)
    assert list(kept.index) == ["test-00000", "test-00001", "test-00002"]
    np.testing.assert_allclose(kept, values(rows, "coherency", 4, BASE), atol=1e-6)


def test_the_shortcut_keeps_the_deep_maps_and_explains_the_shallowest_again(rows: pd.DataFrame) -> None:
    seen = group(LAYERS)
    cam = METHODS[BASE].function
    shallow, *deep = (cam(seen.score, seen.images, seen.target, layer=layer) for layer in LAYERS)
    fused = refined([shallow, *deep])
    anew = cam(seen.score, faded(seen.images, fused), seen.target, layer="layer1")
    wanted = (pearson(fused, refined([anew, *deep])) + 1) / 2
    kept = shortcut(seen, BASE)
    torch.testing.assert_close(torch.tensor(kept.to_numpy()), wanted, rtol=0, atol=1e-5)
    assert not np.allclose(kept, values(rows, "coherency", 1, "refinecam", f"base={BASE}"), atol=1e-3)


def test_layer_maps_are_the_cams_own_and_their_refinement() -> None:
    seen = group(LAYERS)
    maps = layer_maps(seen, BASE)
    assert list(maps) == [*LAYERS, "RefineCAM"]
    for layer in LAYERS:
        alone = METHODS[BASE].function(seen.score, seen.images, seen.target, layer=layer)
        torch.testing.assert_close(maps[layer], alone, rtol=0, atol=1e-5)
    assert torch.equal(maps["RefineCAM"], refined([maps[layer] for layer in LAYERS]))
    with pytest.raises(UserError, match=r"Unknown base CAM 'layer_cam' \(did you mean 'layercam'\?\)"):
        layer_maps(seen, "layer_cam")


def test_photographs_are_scored_at_either_end_of_the_model_and_refined() -> None:
    changes = {"photo_ids": ["coffee", "chelsea"], "image_size": 64, "bases": ["layercam"]}
    photographs, of_maps = photographs_of(page_settings(**changes))
    layers = ["features.3", "features.6", "features.13", "features.18"]
    maps = layer_maps(photographs.group, "layercam")
    assert list(maps) == [*layers, "RefineCAM"]
    assert list(of_maps.index) == [(name, place) for name in ("coffee", "chelsea") for place in PLACES]
    for place, name in zip(PLACES, (layers[0], layers[-1], "RefineCAM"), strict=True):
        of_place = of_maps.xs(place, level="key")
        assert of_place["complexity"].to_numpy() == pytest.approx(maps[name].mean((1, 2)).numpy(), abs=1e-5)
        parts = [torch.tensor(of_place[part].to_numpy()) for part in ("coherency", "complexity", "road")]
        expected = torch.nan_to_num(arcc(*parts), nan=0.0)
        assert of_place["arcc"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_ends_of_a_model_keep_a_methods_options() -> None:
    table = pd.DataFrame({"method": ["lime", "lime", "refinecam"], "variant": ["samples=60", "", "base=layercam"]})
    placed = at_ends(table.assign(start=1, stages=4))["variant"]
    assert list(placed) == ["samples=60, layer=shallowest", "layer=shallowest", "base=layercam"]


def test_a_record_of_one_run_has_the_ends_by_the_names_of_layers() -> None:
    table = pd.DataFrame(
        [
            ("m", "layercam", "", "ok"),
            ("m", "layercam", "layer=last", "ok"),
            ("n", "layercam", "", "ok"),
            ("m", "refinecam", "base=layercam, fuse=geometric_mean", "ok"),
            ("m", None, None, "ok"),
        ],
        columns=["model", "method", "variant", "status"],
    )
    placed = recorded_ends(table, {"m": "last"})["variant"]
    ends = ["layer=shallowest", "layer=deepest", "layer=shallowest", "base=layercam, fuse=geometric_mean"]
    assert list(placed)[:4] == ends and pd.isna(placed.iloc[4])


NET = """
import torch
from torch import nn

def net():
    torch.manual_seed({seed})
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 20),
    )
"""


def test_two_users_models_of_one_name_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("mine.py", "yours.py")):
        Path(name).write_text(NET.format(seed=seed), encoding="utf-8")
    models = ["mine.py:net", "yours.py:net"]
    settings = read_settings({**SETTINGS, "samples": 1, "metrics": "complexity", "model": models, "layers": ["0", "2"]})
    for _ in range(2):  # made, and then read
        both = by_start(settings, stages_of(settings), {0: [BASE], -1: [BASE]}, "results")
        assert both[both["metric"] == "complexity"].groupby("model")["start"].unique().map(list).to_dict() == {
            model: [1, 2] for model in models
        }
    folders = {path.name for path in Path("results").iterdir()}
    assert folders == {folder_of(model) for model in models} and len(folders) == 2
    assert all(name.startswith("net-") for name in folders)
    assert folder_of("shapes_vgg11") == "shapes_vgg11"
