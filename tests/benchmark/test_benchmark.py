"""The benchmark: what it leaves behind, that it may be killed, that nothing is lost, and what it refuses."""

from __future__ import annotations

import errno
import json
import math
import re
import statistics as plain_statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from folders import same_bytes
from PIL import Image

from segattr_lib.attribution import METHODS
from segattr_lib.benchmark import runner, store
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import FREE, Settings, read_settings
from segattr_lib.benchmark.statistics import at, plain, run_level
from segattr_lib.benchmark.store import read_samples, read_timings
from segattr_lib.data import load_dataset
from segattr_lib.evaluate import model_score
from segattr_lib.metrics import METRICS
from segattr_lib.metrics.deletion import bind_null
from segattr_lib.models.loading import load_model
from segattr_lib.perturbation import bind_fill
from segattr_lib.profiles import load_settings
from segattr_lib.registry import UserError, accepted
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

COLUMNS = ["run_id", "dataset", "model", "seed", "sample_id", "target", "region", "class_id", "method", "variant"]
COLUMNS += ["metric", "k", "fill", "value", "status", "reason"]
KEYS = COLUMNS[:5] + COLUMNS[8:13]
OWN = """
import torch
from oracles import ConvNet


def tiny():
    return ConvNet(classes=7, seed=99)


def other():
    return ConvNet(classes=7, seed=24)


def few():
    return ConvNet(classes=2, seed=1)


def no_module():
    return 3


def constant(score, images, target):
    return torch.full_like(images[:, 0], 0.25)


def zeros(score, images, target):
    return torch.zeros_like(images[:, 0])


def red(score, images, target, *, power=1):
    return images[:, 0] ** power


def red_alone(score, images, target):
    if len(images) > 1:
        raise torch.OutOfMemoryError("full")
    return images[:, 0]


def not_finite(score, images, target):
    maps = images[:, 0].clone()
    maps[images.mean((1, 2, 3)) > 0.5] = float("nan")
    return maps


def too_large(score, images, target):
    return 2 * images[:, 0]


def wrong_shape(score, images, target):
    return images


def brightness(score, images, maps, target):
    return images.mean((1, 2, 3))


def own_k(score, images, maps, target, *, k):
    return torch.full((len(images),), 2 * k)


def undefined(score, images, maps, target):
    return torch.full((len(images),), float("nan"))
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def settings_of(own: Path, **changes: Any) -> Settings:
    usual = {
        "dataset": "shapes",
        "samples": 3,
        "image_size": 32,
        "model": f"{own}:tiny",
        "layer": "features",
        "methods": ["ega", "ria", "random"],
        "metrics": ["tdd", "odd", "odd_abs", "tied_share", "passes"],
        "grid": 4,
        "null_every": 20,
        "device": "cpu",
        "batch_size": 8,
    }
    return read_settings({**usual, **changes})


def rows_of(folder: Path, **wanted: Any) -> pd.DataFrame:
    rows = plain(read_samples(folder))
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def test_a_run_leaves_its_files_and_rows_of_the_exact_schema(own, tmp_path):
    folder = run_benchmark(settings_of(own, methods=[f"{own}:red", "edges", "random"]), tmp_path / "results")
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "ro-crate-metadata.json",
        "runs.csv",
        "samples.parquet",
        "timings.parquet",
    ]
    assert pq.read_schema(folder / "samples.parquet").names == COLUMNS
    assert pq.read_schema(folder / "samples.parquet").equals(store.SAMPLES)
    assert pq.read_schema(folder / "timings.parquet").names == [*COLUMNS[:5], "method", "variant", "seconds"]
    rows = rows_of(folder)
    assert not rows.duplicated(KEYS).any()
    assert set(rows["status"]) == {"ok"} and rows["reason"].isna().all()
    # three samples: the model's score, and each method's five metrics
    assert len(rows) == 3 * (1 + 3 * 5)
    ids = ["test-00000", "test-00001", "test-00002"]
    assert sorted(set(rows["sample_id"])) == ids
    for method in (f"{own}:red", "edges", "random"):
        assert list(rows[(rows["method"] == method) & (rows["metric"] == "tdd")]["sample_id"]) == ids
    assert len(read_timings(folder)) == 3 * 3
    assert (read_timings(folder)["seconds"] > 0).all()


def test_the_manifest_says_how_the_results_came_about(own, tmp_path):
    settings = settings_of(own, seed=[0, 1])
    folder = run_benchmark(settings, tmp_path / "results")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert read_settings(manifest["settings"]) == settings
    assert manifest["run_ids"] == {
        run.run_id(): {"model": run.model[0], "seed": run.seed[0]} for run in settings.runs()
    }
    assert set(rows_of(folder)["run_id"]) == set(manifest["run_ids"])
    model = load_model(f"{own}:tiny", "features", kind="segmenter")
    assert manifest["fingerprints"]["weights"] == {f"{own}:tiny": model.fingerprint}
    assert manifest["device"] == "cpu" and manifest["finished"] >= manifest["started"]
    assert manifest["versions"]["torch"] == version("torch")


def test_only_metrics_with_a_k_or_a_fill_have_one(own, tmp_path):
    rows = rows_of(run_benchmark(settings_of(own), tmp_path / "results"))
    has_k, has_fill = (set(rows[rows[column].notna()]["metric"]) for column in ("k", "fill"))
    assert has_k == {"tdd", "odd", "odd_abs", "tied_share"}
    assert has_fill == {"tdd", "odd", "odd_abs"}


@pytest.mark.slow
def test_the_values_are_those_of_the_librarys_own_functions(own, tmp_path):
    metrics = [
        "tdd",
        "odd",
        "leak_abs",
        "insertion",
        "excess_tdd",
        "excess_odd_abs",
        "stability_flip",
        "tied_share",
    ]
    methods = ["gpa", "ega", "ria", "dea", "random", "half", "edges"]
    settings = settings_of(own, metrics=metrics, methods=methods, k=[0.1, 0.3], seed=4, alpha=0.5)
    folder = run_benchmark(settings, tmp_path / "results")
    data = load_dataset("shapes")
    model = load_model(f"{own}:tiny", "features", shape=(32, 32), kind="segmenter").module
    samples = [data.load(f"test-0000{number}", 32) for number in range(3)]
    images = torch.stack([sample.image for sample in samples])
    target = Target(torch.tensor([s.class_id for s in samples]), torch.stack([s.mask for s in samples]))
    score, draws = bind(model, target), Draws(4, [sample.sample_id for sample in samples])
    base = model_score(score, images)
    np.testing.assert_allclose(rows_of(folder, metric="score")["value"], base, atol=1e-6)
    assert list(rows_of(folder, metric="score")["class_id"]) == target.class_id.tolist()
    null = bind_null(score, images, target, base, draws, every=20)

    for name in methods:
        method = METHODS[name].function

        def explain(images, target, occasion, method=method):
            options = {"layer": "features", "grid": 4, "alpha": 0.5, "draws": draws.on(occasion) if occasion else draws}
            return method(bind(model, target), images, target, **accepted(method, options))

        maps = explain(images, target, "")

        def value(metric, k, maps=maps, explain=explain):
            if METRICS[metric].combine:
                return METRICS[metric].combine(*(value(part, k, maps, explain) for part in METRICS[metric].parts))
            offered = {"k": k, "fill": bind_fill("mean", images), "base": base, "null": null, "draws": draws}
            offered["explain"] = explain
            function = METRICS[metric].function
            return function(score, images, maps, target, **accepted(function, offered))

        for metric in metrics:
            if metric == "stability_flip" and name == "random":
                continue  # its draws on another occasion are its own
            rows = rows_of(folder, method=name, metric=metric)
            for k in [None] if metric == "stability_flip" else [0.1, 0.3]:
                mine = rows if k is None else rows[rows["k"] == k]
                got, wanted = mine["value"].to_numpy(), value(metric, k).double().numpy()
                defined = mine["status"].to_numpy() != "undefined"
                np.testing.assert_array_equal(defined, np.isfinite(wanted))
                ratio = np.maximum(1, np.abs(wanted[defined]))  # over a drop near 0: its error goes with its square
                tolerance = 1e-3 * ratio * np.maximum(1, ratio / 100) if metric == "leak_abs" else 2e-5
                assert (np.abs(got - wanted)[defined] <= tolerance).all(), (name, metric, k)


def test_passes_are_grid_squared_and_one_for_ria_three_for_ega_their_sum_for_dea(own, tmp_path):
    settings = settings_of(own, methods=["dea", "ria", "ega", "gpa", "ria(grid=2)", "random"], metrics="passes")
    rows = rows_of(run_benchmark(settings, tmp_path / "results"), metric="passes")
    passes = {(row.method, row.variant): row.value for row in rows.itertuples()}
    assert passes == {
        ("dea", ""): 20,
        ("ria", ""): 17,
        ("ega", ""): 3,
        ("gpa", ""): 3,
        ("ria", "grid=2"): 5,
        ("random", ""): 0,
    }


def test_the_same_settings_give_the_same_bytes(own, tmp_path):
    settings = settings_of(
        own, methods=["dea", "ria(fill=linear)", "random"], metrics=["tdd", "excess_tdd", "stability"]
    )
    assert same_bytes(*(run_benchmark(settings, tmp_path / name) for name in ("first", "second")))


def test_device_and_batch_size_change_no_value(own, tmp_path):
    folders = [run_benchmark(settings_of(own, batch_size=size), tmp_path / str(size)) for size in (1, 64)]
    first, second = map(rows_of, folders)
    pd.testing.assert_frame_equal(first.drop(columns="value"), second.drop(columns="value"))
    np.testing.assert_allclose(first["value"], second["value"], rtol=1e-4, atol=1e-6)


def test_a_run_that_is_killed_and_started_again_leaves_the_bytes_of_an_unbroken_one(own, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "GROUP", 2)
    settings = settings_of(own, samples=5, seed=[0, 1], order="shuffled", methods=["ria", "random"])
    whole = run_benchmark(settings, tmp_path / "whole")
    done, real = [], runner.run_group

    def killed(*args: Any) -> Any:
        if len(done) in (1, 2, 4):  # at the second, third and fifth group of each start
            done.append(None)
            raise KeyboardInterrupt
        done.append(args[3])
        return real(*args)

    monkeypatch.setattr(runner, "run_group", killed)
    folder = tmp_path / "broken"
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(settings, folder)
        with pytest.raises(UserError, match="not finished"):
            read_samples(folder)
    run_benchmark(settings, folder)
    assert same_bytes(whole, folder)
    groups = [tuple(names) for names in done if names]
    assert len(groups) == 6  # three a seed, none done twice
    assert not (folder / "parts").exists()


def test_a_run_killed_while_it_writes_leaves_no_half_part(own, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "GROUP", 1)
    settings = settings_of(own, methods=["random"])
    whole = run_benchmark(settings, tmp_path / "whole")
    real, written = pq.ParquetWriter.write_table, []

    def killed(self: Any, table: Any) -> None:
        written.append(table)
        if len(written) == 4:  # the rows of the second part
            raise KeyboardInterrupt
        real(self, table)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", killed)
    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(settings, folder)
    assert len(list((folder / "parts").glob("*.samples.parquet"))) == 1
    assert not list((folder / "parts").glob("*.partial"))
    run_benchmark(settings, folder)
    assert same_bytes(whole, folder)


def test_a_finished_run_is_not_done_again(own, tmp_path, monkeypatch):
    settings = settings_of(own, methods=["random"])
    folder = run_benchmark(settings, tmp_path / "results")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(runner, "run_group", lambda *_: pytest.fail("done again"))
    run_benchmark(settings, folder)
    run_benchmark(settings_of(own, methods=["random"], batch_size=3), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0.4}, r"settings: k was \[0.2\] and is now \[0.4\]; name another folder"),
        ({"samples": 2}, "samples was 3 and is now 2"),
        ({"alpha": 0.5, "beta": 0.1}, r"alpha was 0.65 and is now 0.5 \(1 more differ\)"),
    ],
)
def test_a_folder_of_other_settings_is_refused_by_the_settings_name(own, tmp_path, changes, message):
    folder = run_benchmark(settings_of(own, methods=["random"]), tmp_path / "results")
    with pytest.raises(UserError, match=message):
        run_benchmark(settings_of(own, methods=["random"], **changes), folder)


def test_a_folder_of_other_weights_or_data_is_refused(own, tmp_path, pictures):
    settings = settings_of(own, dataset="folder", root=str(pictures), samples=None, methods=["random"])
    folder = run_benchmark(settings, tmp_path / "results")
    own.write_text(OWN.replace("seed=99", "seed=98"), encoding="utf-8")
    with pytest.raises(UserError, match="made with other weights"):
        run_benchmark(settings, folder)
    own.write_text(OWN, encoding="utf-8")
    _save(pictures, "good", np.zeros((40, 40, 3)), _square(40))
    with pytest.raises(UserError, match="made with other data"):
        run_benchmark(settings, folder)


def test_a_folder_that_holds_something_else_is_left_alone(own, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is not empty and holds no manifest"):
        run_benchmark(settings_of(own), tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


OTHER: dict[str, Any] = {
    "dataset": "voc",
    "root": "/data",
    "split": "val",
    "backgrounds": "pictures",
    "class_map": "shapes",
    "target": "largest_component",
    "region": "predicted",
    "samples": 7,
    "order": "shuffled",
    "image_size": 64,
    "model": "shapes_lraspp",
    "layer": "head",
    "layers": ["stem", "head"],
    "scalar": "logit",
    "methods": ["ria"],
    "metrics": ["tdd"],
    "k": 0.3,
    "grid": 7,
    "budget": 17,
    "stability_grid": 3,
    "window": 2,
    "judge": "shapes_lraspp",
    "alpha": 0.5,
    "beta": 0.1,
    "fill": "zeros",
    "evaluation_fill": "blur",
    "strength": 0.1,
    "null_every": 10,
    "floor": 0.1,
    "ignore": "exclude",
    "seed": 5,
    "device": "cpu",
    "precision": "bfloat16",
    "engine": "onnxruntime",
    "batch_size": 3,
    "workers": 2,
}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_run_id_changes_with_every_setting_but_how_and_where_it_runs(name):
    changed = read_settings({name: OTHER[name]})
    assert changed != Settings()
    assert (changed.run_id() == Settings().run_id()) == (name in FREE)
    assert FREE == ("device", "batch_size", "workers")


def test_the_runs_of_several_models_and_seeds_have_ids_of_their_own(own):
    runs = settings_of(own, model=[f"{own}:tiny", f"{own}:other"], seed=[0, 1]).runs()
    assert [(run.model[0].rpartition(":")[2], run.seed[0]) for run in runs] == [
        ("tiny", 0),
        ("tiny", 1),
        ("other", 0),
        ("other", 1),
    ]
    assert len({run.run_id() for run in runs}) == 4
    alone = settings_of(own, model=f"{own}:other", seed=1)
    assert runs[3].run_id() == alone.run_id()


def _square(size: int, value: int = 255) -> np.ndarray:
    mask = np.zeros((size, size))
    mask[size // 4 : size // 2, size // 4 : 3 * size // 4] = value
    return mask


def _save(root: Path, name: str, image: np.ndarray, mask: np.ndarray | None) -> None:
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.astype(np.uint8)).save(root / "images" / f"{name}.png")
    if mask is not None:
        Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / f"{name}.png")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four good samples, and one of every fault."""
    root, rng = tmp_path / "pictures", np.random.default_rng(0)
    faults = {"empty": np.zeros((40, 40)), "mismatch": _square(48), "no_mask": None}
    for name in ("broken", "good", "fine", "well", "right", *faults):
        _save(root, name, rng.integers(0, 256, (40, 40, 3)), faults.get(name, _square(40)))
    (root / "images" / "broken.png").write_bytes(b"no picture")
    return root


def test_a_sample_that_cannot_be_scored_is_one_row_with_its_reason(own, tmp_path, pictures):
    settings = settings_of(own, dataset="folder", root=str(pictures), samples=None, methods=["edges", "random"])
    folder = run_benchmark(settings, tmp_path / "results")
    rows = rows_of(folder)
    lost = rows[rows["metric"].isna()].set_index("sample_id")
    assert lost["status"].to_dict() == {
        "broken": "failed",
        "mismatch": "failed",
        "no_mask": "failed",
        "empty": "skipped",
    }
    assert lost[["method", "variant", "k", "fill", "value"]].isna().all(axis=None)
    for name, reason in {
        "broken": "cannot be read",
        "mismatch": r"the mask is 48 x 48 px, the image 40 x 40 px",
        "no_mask": "there is no mask named no_mask",
        "empty": "no foreground label is left at 32 x 32 px",
    }.items():
        assert re.search(reason, lost.loc[name, "reason"])
    scored = rows[rows["metric"].notna()]
    assert set(scored["sample_id"]) == {"fine", "good", "right", "well"} and set(scored["status"]) == {"ok"}
    runs = pd.read_csv(folder / "runs.csv")
    assert set(runs["samples_failed"]) == {3} and set(runs["samples_skipped"]) == {1} and set(runs["count"]) == {4}


def test_lost_samples_change_nothing_for_the_others(own, tmp_path, pictures):
    settings = settings_of(own, dataset="folder", root=str(pictures), samples=None, methods=["ria", "random"])
    (pictures / "healthy.txt").write_text("fine\ngood\nright\nwell\n", encoding="utf-8")
    healthy = settings_of(
        own, dataset="folder", root=str(pictures), split="healthy", samples=None, methods=["ria", "random"]
    )
    rows = [
        rows_of(run_benchmark(chosen, tmp_path / name))
        .dropna(subset="metric")
        .drop(columns="run_id")
        .reset_index(drop=True)
        for name, chosen in {"all": settings, "healthy": healthy}.items()
    ]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in rows), check_dtype=False, atol=1e-6)


def test_a_data_set_of_which_nothing_can_be_scored_still_ends_in_rows(own, tmp_path):
    root = tmp_path / "pictures"
    for name in ("a", "b"):
        _save(root, name, np.full((40, 40, 3), 90), np.zeros((40, 40)))
    folder = run_benchmark(settings_of(own, dataset="folder", root=str(root), samples=None), tmp_path / "results")
    assert list(rows_of(folder)["status"]) == ["skipped", "skipped"]


def test_a_sample_below_the_floor_is_skipped_with_its_score_for_a_reason(own, tmp_path):
    scores = rows_of(run_benchmark(settings_of(own, methods=["random"]), tmp_path / "all"), metric="score").set_index(
        "sample_id"
    )
    floor = float(scores["value"].sort_values().iloc[1]) - 1e-4
    folder = run_benchmark(settings_of(own, methods=["random"], floor=floor), tmp_path / "floor")
    lowest = scores["value"].idxmin()
    rows = rows_of(folder, sample_id=lowest)
    assert list(rows["status"]) == ["skipped"] and rows["metric"].isna().all()
    assert rows["reason"].iloc[0] == f"the model scores {scores['value'].min():.3f}, below the floor {floor}"
    others = rows_of(folder, metric="score")
    assert set(others["sample_id"]) == set(scores.index) - {lowest}


def test_where_every_sample_is_below_the_floor_each_is_one_row(own, tmp_path):
    rows = rows_of(run_benchmark(settings_of(own, methods=["random"], floor=1.0), tmp_path / "results"))
    assert list(rows["status"]) == ["skipped"] * 3
    assert rows["metric"].isna().all()


def test_constant_maps_are_degenerate_and_never_abort(own, tmp_path):
    methods = [f"{own}:constant", f"{own}:zeros", "edges"]
    metrics = ["tdd", "odd", "excess_tdd", "insertion", "stability", "tied_share"]
    folder = run_benchmark(settings_of(own, methods=methods, metrics=metrics), tmp_path / "results")
    for name in methods[:2]:
        rows = rows_of(folder, method=name)
        status = {metric: set(part["status"]) for metric, part in rows.groupby("metric")}
        assert status.pop("stability") == {"undefined"}
        assert all(statuses == {"degenerate"} for statuses in status.values())
        assert set(rows[rows["status"] == "degenerate"]["reason"]) == {"the map is constant"}
        assert set(rows[rows["metric"] == "tied_share"]["value"]) == {1}
    assert set(rows_of(folder, method="edges", metric="tdd")["status"]) == {"ok"}
    runs = pd.read_csv(folder / "runs.csv").set_index(["method", "metric"])
    assert runs.loc[(methods[0], "tdd"), "degenerate"] == 3
    assert math.isnan(runs.loc[(methods[0], "tdd"), "mean_nondegenerate"])
    assert runs.loc[(methods[0], "stability"), "undefined"] == 3 and runs.loc[(methods[0], "stability"), "count"] == 0


def test_a_map_that_is_not_finite_is_a_failed_row_and_leaves_the_others_alone(own, tmp_path):
    root, rng = tmp_path / "pictures", np.random.default_rng(0)
    for name, high in {"bright": 256, "dark": 120, "dim": 100}.items():
        _save(root, name, rng.integers(high - 100, high, (40, 40, 3)), _square(40))
    settings = {
        "dataset": "folder",
        "root": str(root),
        "samples": None,
        "metrics": ["tdd", "stability_blur", "excess_tdd"],
    }
    methods = [f"{own}:not_finite", f"{own}:red", f"{own}:too_large"]
    folder = run_benchmark(settings_of(own, methods=methods, **settings), tmp_path / "results")
    broken, whole, large = (rows_of(folder, method=name) for name in methods)
    lost = broken[broken["sample_id"] == "bright"]
    assert list(lost["status"]) == ["failed"] * 3 and lost["value"].isna().all()
    assert set(lost["reason"]) == {"the map holds a value that is not finite"}
    kept = [rows[rows["sample_id"] != "bright"] for rows in (broken, whole)]
    assert set(kept[0]["status"]) == {"ok"}
    np.testing.assert_allclose(*(rows["value"] for rows in kept), atol=1e-6)
    assert large["reason"].str.contains(r"the map holds values from .* to .*, expected 0 to 1").sum() >= 3
    runs = pd.read_csv(folder / "runs.csv").set_index(["method", "metric"])
    assert runs.loc[(methods[0], "tdd"), "failed"] == 1 and runs.loc[(methods[0], "tdd"), "count"] == 2


def test_a_method_that_has_no_memory_for_all_images_at_once_is_asked_again_about_fewer(own, tmp_path):
    methods = [f"{own}:red", f"{own}:red_alone"]
    settings = settings_of(own, methods=methods, metrics=["stability", "tdd"], samples=5)
    folder = run_benchmark(settings, tmp_path / "results")
    whole, alone = (rows_of(folder, method=name) for name in methods)
    assert alone["status"].tolist() == whole["status"].tolist() and "failed" not in set(alone["status"])
    assert alone["value"].tolist() == whole["value"].tolist()


def test_a_method_whose_maps_have_another_shape_is_refused(own, tmp_path):
    with pytest.raises(UserError, match=r"wrong_shape' gives \(1, 3, 32, 32\); expected maps \(1, 32, 32\)"):
        run_benchmark(settings_of(own, methods=[f"{own}:wrong_shape"]), tmp_path / "results")


def test_a_users_own_methods_and_metrics_stand_beside_the_registered_ones(own, tmp_path):
    methods = [f"{own}:red", f"{own}:red(power=3)", "random"]
    metrics = ["tdd", f"{own}:brightness", f"{own}:own_k", f"{own}:undefined"]
    folder = run_benchmark(settings_of(own, methods=methods, metrics=metrics, k=[0.1, 0.4]), tmp_path / "results")
    red = rows_of(folder, method=f"{own}:red")
    assert set(red["variant"]) == {"", "power=3"}
    first, second = (red[(red["variant"] == text) & (red["metric"] == "tdd")]["value"] for text in ("", "power=3"))
    np.testing.assert_allclose(first, second, atol=1e-5)  # the same ranking
    data = load_dataset("shapes")
    bright = rows_of(folder, method="random", metric=f"{own}:brightness")
    wanted = [float(data.load(name, 32).image.mean()) for name in bright["sample_id"]]
    np.testing.assert_allclose(bright["value"], wanted, atol=1e-6)
    own_k = rows_of(folder, metric=f"{own}:own_k")
    np.testing.assert_allclose(own_k["value"], 2 * own_k["k"], rtol=1e-6)
    assert set(own_k["k"]) == {0.1, 0.4}
    assert set(rows_of(folder, metric=f"{own}:undefined")["status"]) == {"undefined"}


def test_a_methods_variant_pins_its_option_and_leaves_the_others(own, tmp_path):
    folder = run_benchmark(
        settings_of(own, methods=["ria(grid=2)", "ria", "dea(grid=2, alpha=0.0)"]), tmp_path / "results"
    )
    direct = run_benchmark(settings_of(own, methods=["ria"], grid=2), tmp_path / "direct")
    rows = rows_of(folder, metric="tdd")
    assert list(dict.fromkeys(zip(rows["method"], rows["variant"], strict=True))) == [
        ("ria", "grid=2"),
        ("ria", ""),
        ("dea", "grid=2, alpha=0.0"),
    ]
    pinned, usual, fused = (
        rows[rows["variant"] == text]["value"].to_numpy() for text in ("grid=2", "", rows["variant"].iloc[-1])
    )
    np.testing.assert_allclose(pinned, rows_of(direct, metric="tdd")["value"], atol=1e-6)
    np.testing.assert_allclose(fused, pinned, atol=1e-6)  # dea without gradients is ria
    assert not np.allclose(pinned, usual)


@pytest.mark.slow
def test_lists_of_k_seed_and_model_give_the_rows_of_each_alone(own, tmp_path):
    models = [f"{own}:tiny", f"{own}:other"]
    settings = settings_of(own, model=models, seed=[0, 3], k=[0.1, 0.5], order="shuffled", methods=["ega", "random"])
    together = rows_of(run_benchmark(settings, tmp_path / "together"))
    assert together["run_id"].nunique() == 4
    number = 0
    for model in models:
        for seed in (0, 3):
            for k in (0.1, 0.5):
                number += 1
                single = settings_of(own, model=model, seed=seed, k=k, order="shuffled", methods=["ega", "random"])
                alone = rows_of(run_benchmark(single, tmp_path / f"alone {number}")).drop(columns="run_id")
                of = together[(together["model"] == model) & (together["seed"] == seed)]
                of = of[of["k"].isna() | (of["k"] == k)].drop(columns="run_id")
                pd.testing.assert_frame_equal(of.reset_index(drop=True), alone.reset_index(drop=True), atol=1e-6)
    drawn = together.groupby("seed")["sample_id"].unique()
    assert set(drawn[0]) != set(drawn[3])


def test_several_fills_are_variants_of_methods_that_intervene_each_scored_by_its_own(own, tmp_path):
    settings = settings_of(own, methods=["ria", "ega", "dea(fill=blur)"], fill=["mean", "zeros"], metrics=["tdd"])
    folder = run_benchmark(settings, tmp_path / "results")
    rows = rows_of(folder, metric="tdd")
    pairs = list(dict.fromkeys(zip(rows["method"], rows["variant"], rows["fill"], strict=True)))
    assert pairs == [
        ("ria", "fill=mean", "mean"),
        ("ria", "fill=zeros", "zeros"),
        ("ega", "", "mean"),
        ("ega", "", "zeros"),
        ("dea", "fill=blur", "blur"),
    ]
    alone = run_benchmark(settings_of(own, methods=["ria"], fill="zeros", metrics=["tdd"]), tmp_path / "alone")
    zeros = rows[rows["variant"] == "fill=zeros"]["value"]
    np.testing.assert_allclose(zeros, rows_of(alone, metric="tdd")["value"], atol=1e-6)


def test_the_evaluation_fill_scores_every_map_whatever_made_it(own, tmp_path):
    settings = settings_of(
        own, methods=["ria"], fill=["mean", "zeros"], evaluation_fill=["blur", "mean"], metrics=["tdd"]
    )
    rows = rows_of(run_benchmark(settings, tmp_path / "results"), metric="tdd")
    assert list(dict.fromkeys(zip(rows["variant"], rows["fill"], strict=True))) == [
        ("fill=mean", "blur"),
        ("fill=mean", "mean"),
        ("fill=zeros", "blur"),
        ("fill=zeros", "mean"),
    ]


@pytest.mark.parametrize("fill", ["mean", "dataset_mean", "zeros", "blur", "linear", "other_image"])
def test_every_fill_serves_method_and_evaluation(own, tmp_path, fill):
    settings = settings_of(
        own, methods=["ria", "dea"], fill=fill, metrics=["tdd", "insertion", "stability_noise"], grid=2
    )
    rows = rows_of(run_benchmark(settings, tmp_path / "results"))
    assert "failed" not in set(rows["status"])
    tdd = rows[rows["metric"] == "tdd"]
    assert set(tdd["fill"]) == {fill}
    assert tdd["value"].abs().min() > 0


def test_a_metric_that_pins_k_has_that_k_alone(own, tmp_path):
    settings = settings_of(own, methods=["random"], metrics=["excess_tdd(k=0.2)", "tdd"], k=[0.1, 0.4])
    folder = run_benchmark(settings, tmp_path / "results")
    assert set(rows_of(folder, metric="excess_tdd")["k"]) == {0.2}
    assert set(rows_of(folder, metric="tdd")["k"]) == {0.1, 0.4}
    alone = run_benchmark(settings_of(own, methods=["random"], metrics=["excess_tdd"]), tmp_path / "alone")
    values = (rows_of(results, metric="excess_tdd")["value"] for results in (folder, alone))
    np.testing.assert_allclose(*values, atol=1e-6)


def test_two_strengths_of_one_stability_are_two_values(own, tmp_path):
    values = []
    for metrics in (
        ["stability_noise(strength=0.9)"],
        ["stability_noise(strength=0.01)", "stability_noise(strength=0.9)"],
    ):
        folder = run_benchmark(settings_of(own, methods=["ria"], metrics=metrics), tmp_path / str(len(metrics)))
        values.append(rows_of(folder, method="ria")["value"].to_numpy()[-3:])
    np.testing.assert_allclose(*values, atol=1e-6)


def test_stability_on_a_coarser_grid_is_that_of_the_coarser_maps_and_nothing_else_changes(own, tmp_path):
    methods, metrics = ["ega", "ria", "dea", "ria(grid=3)", "random_cells"], ["stability", "tdd", "passes"]

    def values(**grids: int) -> pd.DataFrame:
        settings = settings_of(own, methods=methods, metrics=metrics, **grids)
        rows = rows_of(run_benchmark(settings, tmp_path / "-".join(map(str, grids.values()))))
        return rows.set_index(["method", "variant", "metric", "sample_id"])["value"].sort_index()

    fine, coarse, stated = values(grid=4), values(grid=2), values(grid=4, stability_grid=2)
    compares = stated.index.get_level_values("metric") == "stability"
    intervenes = stated.index.get_level_values("method").isin(["ria", "dea"])
    assert stated[~compares | ~intervenes].equals(fine[~compares | ~intervenes])
    assert stated[compares & intervenes].to_numpy() == pytest.approx(
        coarse[compares & intervenes], abs=1e-6, nan_ok=True
    )
    assert (abs(fine - coarse)[compares & intervenes].groupby("variant").max() > 1e-3).tolist() == [True, False]


def test_one_metric_under_two_settings_can_be_told_apart(own, tmp_path):
    metrics = ["stability_noise(strength=0.1)", "stability_noise(strength=0.2)"]
    rows = rows_of(
        run_benchmark(settings_of(own, methods=["ria"], metrics=metrics), tmp_path / "results"), method="ria"
    )
    assert not rows.duplicated(KEYS).any()


def test_a_full_disk_is_a_users_error_and_what_was_finished_is_kept(own, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "GROUP", 1)
    settings, folder = settings_of(own, methods=["random"]), tmp_path / "results"
    whole = run_benchmark(settings, tmp_path / "whole")
    real, written = store._write_parquet, []

    def full(path: Path, tables: Any) -> None:
        if len(written) == 3:  # a part is two files
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        real(path, tables)

    monkeypatch.setattr(store, "_write_parquet", full)
    with pytest.raises(UserError, match=r"No disk space is left .*; what was finished is kept"):
        run_benchmark(settings, folder)
    assert len(list((folder / "parts").glob("*.samples.parquet"))) == 1
    monkeypatch.setattr(store, "_write_parquet", real)
    run_benchmark(settings, folder)
    assert same_bytes(whole, folder)


def test_a_folder_that_cannot_be_written_is_a_users_error(own, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        run_benchmark(settings_of(own), tmp_path / "file" / "results")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "shape"}, r"Unknown data set 'shape' \(did you mean 'shapes'\?\); valid are: .*voc"),
        ({"model": "shapes_fnc"}, r"Unknown model 'shapes_fnc' \(did you mean 'shapes_fcn'\?\)"),
        ({"model": "{own}:tinny"}, r"has no 'tinny'; it has .*tiny"),
        ({"model": "{own}:no_module"}, r"gives a int; expected a torch.nn.Module"),
        ({"layer": "backbone"}, r"layer is 'backbone', which is no feature layer .*choose one such as .*'features'"),
        ({"layer": None}, r"has no default layer; name one with layer=, such as .*'features'"),
        ({"methods": ["grad_cams"]}, r"Unknown method 'grad_cams'.*; valid are: .*dea, .*ria"),
        ({"methods": ["riaa"]}, r"Unknown method 'riaa' \(did you mean 'ria'\?\)"),
        ({"methods": ["ria(gird=7)"]}, r"option of the method 'ria' 'gird' \(did you mean 'grid'\?\)"),
        ({"methods": ["ria(7)"]}, r"'7' in 'ria\(7\)' is not of the form option=value"),
        ({"methods": []}, r"\[\] is empty"),
        ({"methods": ["ria", "ria"]}, "names something twice"),
        ({"metrics": ["tddd"]}, r"Unknown metric 'tddd' \(did you mean 'tdd'\?\)"),
        ({"metrics": ["tdd(kk=0.2)"]}, r"Unknown option of the metric 'tdd' 'kk'"),
        ({"gird": 7}, r"Unknown parameter 'gird' \(did you mean 'grid'\?\)"),
        ({"k": 0.0}, r"k is 0.0; expected a fraction in \(0, 1\]"),
        ({"k": [0.2, 1.5]}, r"k is 1.5; expected a fraction in \(0, 1\]"),
        ({"k": 20}, r"k is 20.0; expected a fraction"),
        ({"k": "half"}, r"k is 'half'"),
        ({"grid": 33}, r"grid is 33; expected at most 32"),
        ({"methods": ["ria(grid=64)"]}, r"grid is 64; expected at most 32"),
        ({"grid": 0}, r"grid is 0"),
        ({"alpha": 1.1}, r"alpha is 1.1; expected 0 .* to 1"),
        ({"alpha": -0.1}, r"alpha is -0.1"),
        ({"beta": -1}, r"beta is -1.0; expected 0"),
        ({"fill": "grey"}, r"Unknown fill 'grey'; valid are: blur, dataset_mean, linear, mean, other_image, zeros"),
        ({"evaluation_fill": ["mean", "zero"]}, r"Unknown fill 'zero' \(did you mean 'zeros'\?\)"),
        ({"samples": 501}, r"samples is 501, but shapes test has 500; ask for fewer"),
        ({"samples": 0}, r"samples is 0"),
        ({"split": "tset"}, r"Unknown shapes split 'tset' \(did you mean 'test'\?\)"),
        ({"strength": 0}, r"strength is 0"),
        ({"device": "cuda:99"}, r"device is 'cuda:99', which cannot be used here"),
        ({"precision": "float64"}, r"precision is 'float64'"),
        ({"scalar": "prob"}, r"scalar is 'prob'"),
        ({"order": "random"}, r"order is 'random'"),
        ({"ignore": "maybe"}, r"ignore is 'maybe'"),
        ({"floor": 2}, r"floor is 2"),
        ({"seed": []}, r"\[\] is empty"),
        ({"model": "{own}:few"}, r"names class 6, but the model .*few' has 2 classes \(0 to 1\)"),
        ({"dataset": "folder"}, r"'folder' needs root"),
        # options pinned for one method or metric are settings too
        ({"methods": ["dea(alpha=1.1)"]}, r"alpha is 1.1"),
        ({"methods": ["dea(beta=-1)"]}, r"beta is -1"),
        ({"methods": ["ria(fill=grey)"]}, r"fill.*'grey'"),
        ({"methods": ["ria(grid=0)"]}, r"grid is 0"),
        ({"methods": ["ria(grid=fine)"]}, r"grid is 'fine'"),
        ({"metrics": ["tdd(k=20)"]}, r"k is 20"),
        ({"metrics": ["tdd(fill=grey)"]}, r"fill.*'grey'"),
    ],
    ids=lambda value: None if isinstance(value, str) else re.sub(r"[{}'\s]", "", str(value)),
)
def test_a_faulty_setting_is_refused_in_one_clear_sentence_before_any_work(own, tmp_path, changes, message):
    changes = {key: value.format(own=own) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(UserError, match=message) as caught:
        run_benchmark(settings_of(own, **changes), tmp_path / "results")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("results/*.parquet")) and not list(tmp_path.glob("results/parts/*"))


def test_masks_that_name_more_classes_than_the_model_has_are_refused_before_any_work(own, tmp_path):
    root = tmp_path / "pictures"
    _save(root, "one", np.full((40, 40, 3), 90), _square(40, 5))
    with pytest.raises(UserError, match=r"names class 5, but the model .* has 2 classes"):
        run_benchmark(
            settings_of(own, dataset="folder", root=str(root), samples=None, model=f"{own}:few"), tmp_path / "results"
        )


def test_settings_are_read_from_yaml_flat_or_under_a_key_and_single_ones_replaced(tmp_path):
    (tmp_path / "flat.yaml").write_text("grid: 7\nk: [0.1, 0.2]\n", encoding="utf-8")
    (tmp_path / "keyed.yaml").write_text("benchmark:\n  results: here\n  grid: 7\nother:\n  x: 1\n")
    (tmp_path / "list.yaml").write_text("- 1\n", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("grid: [1\n", encoding="utf-8")
    assert load_settings(tmp_path / "flat.yaml", {"k": 0.5}) == read_settings({"grid": 7, "k": 0.5})
    assert load_settings(tmp_path / "keyed.yaml", {}) == read_settings({"grid": 7})
    assert load_settings(None, {"seed": 3}) == read_settings({"seed": 3})
    with pytest.raises(UserError, match="are a list; expected name: value lines"):
        load_settings(tmp_path / "list.yaml", {})
    for name in ("broken.yaml", "missing.yaml"):
        with pytest.raises(UserError, match="cannot be read"):
            load_settings(tmp_path / name, {})


def _table() -> pd.DataFrame:
    """Two runs of two methods over four samples: low scores, a degenerate, an undefined, a failed value."""
    rng, rows = np.random.default_rng(0), []
    scores = {"w": 0.9, "x": 0.3, "y": 0.29, "z": 0.05}
    for run, model in {"r1": "m1", "r2": "m2"}.items():
        about = {"run_id": run, "dataset": "d", "model": model, "seed": 0}
        rows += [
            {**about, "sample_id": name, "metric": "score", "value": value, "status": "ok"}
            for name, value in scores.items()
        ]
        rows.append({**about, "sample_id": "lost", "status": "failed", "reason": "gone"})
        rows += [{**about, "sample_id": f"skip {n}", "status": "skipped", "reason": "empty"} for n in range(2)]
        for method in ("ega", "dea"):
            for metric, k in (("tdd", 0.1), ("tdd", 0.2), ("odd_abs", 0.2), ("stability", None)):
                for name, status in zip(scores, ("ok", "degenerate", "ok", "ok"), strict=True):
                    row = {**about, "sample_id": name, "method": method, "variant": "", "metric": metric, "k": k}
                    row["fill"] = None if k is None else "mean"
                    row |= {"value": float(rng.normal()), "status": status}
                    if metric == "stability" and name == "x":
                        row |= {"value": None, "status": "undefined"}
                    if metric == "odd_abs" and name == "w" and method == "ega":
                        row |= {"value": None, "status": "failed"}
                    rows.append(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def test_run_level_means_are_those_of_plain_loops_and_robust_ones_leave_out_scores_below_three_tenths():
    samples = _table()
    table = run_level(samples)
    assert len(table) == 2 * 2 * 4
    records = samples.to_dict("records")
    score = {(r["run_id"], r["sample_id"]): r["value"] for r in records if r["metric"] == "score"}
    for row in table.to_dict("records"):
        mine = [
            r
            for r in records
            if all(r[c] == row[c] for c in ("run_id", "method", "metric")) and (r["k"] == row["k"] or pd.isna(row["k"]))
        ]
        have = [r for r in mine if not pd.isna(r["value"])]
        robust = [r["value"] for r in have if score[r["run_id"], r["sample_id"]] >= 0.3]
        sound = [r["value"] for r in have if r["status"] != "degenerate"]
        mean = plain_statistics.mean
        assert row["mean"] == pytest.approx(mean(r["value"] for r in have))
        assert row["median"] == pytest.approx(plain_statistics.median(r["value"] for r in have))
        assert row["count"] == len(have) and row["count_robust"] == len(robust)
        assert (
            row["mean_robust"] == pytest.approx(mean(robust), nan_ok=True) if robust else math.isnan(row["mean_robust"])
        )
        assert row["mean_nondegenerate"] == pytest.approx(mean(sound))
        for status in ("degenerate", "undefined", "failed"):
            assert row[status] == sum(r["status"] == status for r in mine)
        assert (row["samples_failed"], row["samples_skipped"]) == (1, 2)
    counts = set(table["count_robust"])
    assert counts == {1, 2}  # w and x; x is undefined or w failed in some


def test_the_runs_table_on_disk_is_the_run_level_of_the_rows_on_disk(own, tmp_path):
    folder = run_benchmark(settings_of(own, seed=[0, 1], k=[0.1, 0.2]), tmp_path / "results")
    wanted = plain(run_level(read_samples(folder))).reset_index(drop=True)
    read = pd.read_csv(folder / "runs.csv", keep_default_na=True)
    assert list(read.columns) == list(wanted.columns)
    for column in ("mean", "median", "mean_robust", "mean_nondegenerate", "count", "count_robust", "k"):
        np.testing.assert_allclose(read[column].astype(float), wanted[column].astype(float), rtol=1e-8)
    assert set(read["metric"]) == {"tdd", "odd", "odd_abs", "tied_share", "passes"}


def test_the_rows_at_one_k_keep_the_metrics_that_have_none():
    rows = at(_table(), k=0.1)
    assert set(rows["k"].dropna()) == {0.1}
    assert (rows["metric"] == "stability").sum() == 16
    assert set(at(_table(), fill="zeros")["metric"].dropna()) == {"score", "stability"}
