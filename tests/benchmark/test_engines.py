"""What torch says of sixteen images ONNX Runtime says, too: every map, every metric of a given map, every order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.attribution import METHODS, method_key, methods_of
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import group_of, open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.metrics import METRICS, metric_key, metrics_of
from segattr_lib.registry import Key

pytestmark = pytest.mark.slow

SAMPLES, WELL, WITHIN = 16, 0.3, 1e-4
CHEAPER = {  # the same code, of fewer samples and steps
    "lime": "lime(samples=40, segments=20)",
    "kernel_shap": "kernel_shap(samples=40, segments=20)",
    "integrated_gradients": "integrated_gradients(steps=8)",
    "vargrad": "vargrad(samples=8)",
    "occlusion": "occlusion(patch=32)",
    "ria": "ria(grid=7)",
    "dea": "dea(grid=7)",
    "interaction": "interaction(grid=7)",
}
OF_PAGES = ("segmentation", "beyond", "explorer", "classification", "prompting")
NAMES = dict.fromkeys(name for table in OF_PAGES for name in methods_of(table))
KEYS = [method_key(CHEAPER.get(name, name)) for name in NAMES if METHODS[name].family != "control"]
JUDGED = [key for key in KEYS if key.name in ("ega", "dea", "adaptive_dea", "layercam", "lime")]
REGIONAL = [name for name in metrics_of("segmentation") if not name.startswith("stability")]
OTHERS = ["average_drop", "complexity", "road", "coverage", "share_inside", "pointing_game", "effectiveness"]
METRIC_KEYS = [metric_key(name) for name in [*REGIONAL, "excess_tdd", "excess_odd_abs", "excess_insertion", *OTHERS]]
TIED = 2  # values at most that a near-tie between pixels may move further


def settings_of(engine: str, model: str) -> Settings:
    names = [key.text for key in KEYS]
    about: dict[str, Any] = {"dataset": "shapes", "samples": SAMPLES, "image_size": 128, "null_every": 8}
    return read_settings(
        {**about, "model": model, "methods": names, "engine": engine, "device": "cpu", "batch_size": 8}
    )


def seen(engine: str, model: str) -> Group:
    run = settings_of(engine, model).runs()[0]
    return group_of(run, open_run(run).ids[0])


@pytest.fixture(scope="module", params=["shapes_fcn"])
def groups(request: pytest.FixtureRequest) -> dict[str, Group]:
    made = {engine: seen(engine, request.param) for engine in ("torch", "onnxruntime")}
    assert {engine: group.runtime.engine for engine, group in made.items()} == {name: name for name in made}
    return made


def well_scored(groups: dict[str, Group]) -> torch.Tensor:
    well = groups["torch"].base >= WELL
    assert int(well.sum()) >= SAMPLES // 2
    return well


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_maps_are_the_same(groups: dict[str, Group], key: Key):
    maps = [group.maps_of(key)[0] for group in groups.values()]
    apart = (maps[0] - maps[1]).abs().amax((1, 2))[well_scored(groups)]
    assert bool((apart <= WITHIN).all()), apart


def values_of(group: Group, maps: dict[Key, torch.Tensor]) -> pd.DataFrame:
    rows = [row for key, given in maps.items() for row in group.judged(key, given, METRIC_KEYS, [0] * SAMPLES)]
    table = pd.DataFrame(rows)
    columns = ["method", "variant", "metric", "k", "fill", "sample_id"]
    return table.assign(**{name: table[name].astype(str) for name in columns}).set_index(columns)


def test_values_of_given_maps_and_the_order_of_methods_are_the_same(groups: dict[str, Group]):
    maps = {key: groups["torch"].maps_of(key)[0] for key in JUDGED}
    tables = [values_of(group, maps) for group in groups.values()]
    well = well_scored(groups).tolist()
    kept = [sample.sample_id for sample, scored in zip(groups["torch"].samples, well, strict=True) if scored]
    first, second = (table[table.index.get_level_values("sample_id").isin(kept)] for table in tables)
    assert first["status"].equals(second["status"]) and first["reason"].equals(second["reason"])
    pair = [table["value"].to_numpy(float) for table in (first, second)]
    apart = np.abs(pair[0] - pair[1]) / (1 + np.abs(pair[0]))
    ratios = first.index.get_level_values("metric").isin(["leak_abs", "leak_signed"])  # of a drop near 0: of no bound
    far = (apart > WITHIN) & ~ratios
    assert int(far.sum()) <= TIED, first[far].assign(other=pair[1][far])
    assert apart.size > 500

    for metric in ("tdd", "odd_abs", "insertion", "excess_tdd"):
        means = [table.xs(metric, level="metric")["value"].groupby("method").mean() for table in (first, second)]
        gaps = np.diff(np.sort(means[0].to_numpy()))
        apart_means = float((means[0] - means[1]).abs().max())
        orders = [list(mean.sort_values(ascending=METRICS[metric].direction < 0).index) for mean in means]
        assert orders[0] == orders[1] or gaps.min() <= 2 * apart_means
