"""Runs that explain classifiers on data of masks: by a class map, or by whatever the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from folders import NAMES, write_voc
from nets import CLASSES, net

from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import Sample, load_dataset
from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.registry import UserError

SIZE = 32


def settings_of(root: Path, class_map: str, **changes: Any) -> Settings:
    usual = {
        "dataset": "voc",
        "root": str(root),
        "split": "trainval",
        "class_map": class_map,
        "image_size": SIZE,
        "layer": "features.4",
        "methods": ["gradcam", "random"],
        "metrics": ["coverage", "spill"],
        "device": "cpu",
        "batch_size": 8,
    }
    (root / "voc_nets.py").write_text("from nets import net\n\n\ndef vgg():\n    return net('vgg')\n", encoding="utf-8")
    return read_settings({**usual, "model": f"{root}/voc_nets.py:vgg", **changes})


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    write_voc(tmp_path)
    return tmp_path


def samples(root: Path) -> list[Sample]:
    data = load_dataset("voc", str(root), "trainval")
    return [data.load(name, SIZE) for name in NAMES]


def class_map(root: Path, classes: dict[str, list[int]]) -> str:
    lines = "".join(f"  {name}: {ids}\n" for name, ids in classes.items())
    (root / "map.yaml").write_text(f"source: this test\nclasses:\n{lines}", encoding="utf-8")
    return str(root / "map.yaml")


def rows_of(folder: Path) -> pd.DataFrame:
    return plain(read_samples(folder))


def probabilities(sample: Sample) -> torch.Tensor:
    with torch.inference_mode():
        return net("vgg")(sample.image[None]).softmax(1)[0]


def test_a_group_has_the_sum_of_its_probabilities_and_an_unknown_class_is_a_skipped_row(voc: Path):
    first, *others = samples(voc)
    name = CLASS_NAMES[first.class_id]
    folder = run_benchmark(settings_of(voc, class_map(voc, {name: [1, 3]})), voc / "results")
    rows = rows_of(folder)
    score = rows[(rows["metric"] == "score") & (rows["sample_id"] == first.sample_id)]
    assert score["value"].item() == pytest.approx(float(probabilities(first)[[1, 3]].sum()), abs=1e-5)
    assert score["class_id"].item() == first.class_id
    unknown = [sample for sample in others if sample.class_id != first.class_id]
    assert unknown
    for sample in unknown:
        (row,) = rows[rows["sample_id"] == sample.sample_id].to_dict("records")
        assert row["status"] == "skipped"
        assert row["reason"].endswith(f"knows no class {CLASS_NAMES[sample.class_id]!r}")


def test_predicted_explains_the_class_that_the_model_says(voc: Path):
    rows = rows_of(run_benchmark(settings_of(voc, "predicted"), voc / "results"))
    for sample in samples(voc):
        class_probabilities = probabilities(sample)
        mine = rows[rows["sample_id"] == sample.sample_id]
        assert set(mine["class_id"]) == {int(class_probabilities.argmax())}
        assert mine[mine["metric"] == "score"]["value"].item() == pytest.approx(
            float(class_probabilities.max()), abs=1e-5
        )
        assert set(mine["method"].dropna()) >= {"gradcam", "random"}


def test_the_floor_is_of_the_groups_probability(voc: Path):
    first = samples(voc)[0]
    settings = settings_of(voc, class_map(voc, {CLASS_NAMES[first.class_id]: list(range(CLASSES))}), floor=0.999)
    rows = rows_of(run_benchmark(settings, voc / "results"))
    mine = rows[rows["sample_id"] == first.sample_id]
    assert mine[mine["metric"] == "score"]["value"].item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ({"zebra": [1]}, "zebra"),
        ({"cat": [CLASSES]}, f"names class {CLASSES}, but the model .* has 0 to {CLASSES - 1}"),
        ({"cat": [1], "dog": [1]}, "groups must be disjoint"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_before_the_long_work(voc: Path, classes, match: str):
    with pytest.raises(UserError, match=match):
        run_benchmark(settings_of(voc, class_map(voc, classes)), voc / "results")
    assert not (voc / "results").exists()


def test_a_classifier_is_explained_by_its_logit_and_a_segmenter_by_its_probability(voc: Path):
    names = {"aeroplane": [0], "bird": [1]}
    usual, logit, probability = (
        group_of(settings_of(voc, class_map(voc, names), scalar=scalar).runs()[0], NAMES[:1]).offered["scalar"]
        for scalar in (None, "logit", "probability")
    )
    assert (usual, logit, probability) == ("logit", "logit", "probability")
    usual = {"samples": 1, "image_size": SIZE, "device": "cpu", "batch_size": 8}
    run = read_settings({**usual, "dataset": "shapes", "model": "shapes_fcn"})
    assert group_of(run, ["test-00000"]).offered["scalar"] == "probability"
