"""Runs whose target is named as people name it: on masks, and on what the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from folders import NAMES, label_map, write_voc
from nets import net
from PIL import Image

from segattr_lib.benchmark.runner import group_of, open_run, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import load_dataset
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import SampleError, find_region
from segattr_lib.data.voc import CLASS_NAMES
from segattr_lib.registry import UserError

SIZE = 32
OWN = """
import torch
from nets import Answers, net
from torch import nn


def segmenter():
    return Answers("plain")


def voc_segmenter():
    module = Answers("plain")
    module.head = nn.Conv2d(8, 21, 1)
    torch.manual_seed(1)
    module.head.weight.data.normal_()
    return module.eval()


def named():
    module = segmenter()
    module.class_names = ["nothing", "left", "right"]
    return module


def many():
    module = Answers("plain")
    module.head = nn.Conv2d(8, 300, 1)
    module.head.weight.data.zero_()
    module.head.bias.data.zero_()
    module.head.bias.data[255] = 5
    return module.eval()


def vgg():
    return net("vgg")
"""


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    write_voc(tmp_path)
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def settings_of(folder: Path, model: str = "voc_segmenter", **changes: Any) -> Settings:
    usual = {
        "dataset": "voc",
        "root": str(folder),
        "split": "trainval",
        "model": f"{folder}/own.py:{model}",
        "layer": "features.7" if model == "vgg" else "features",
        "image_size": SIZE,
        "methods": ["gpa", "random"],
        "metrics": ["complexity"] if model == "vgg" else ["tdd"],
        "null_every": 40,
        "device": "cpu",
        "batch_size": 8,
        "engine": "torch",  # in the memory format that the labels below are taken in: some pixels are all but tied
    }
    return read_settings({**usual, **changes})


def rows_of(settings: Settings, folder: Path) -> pd.DataFrame:
    return plain(read_samples(run_benchmark(settings, folder / "results")))


def refused(settings: Settings, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        run_benchmark(settings, folder / "results")
    assert not (folder / "results").exists()
    return str(caught.value)


def said_by(settings: Settings, name: str) -> torch.Tensor:
    """The logits (C,H,W) of every pixel of a sample by the model of a run, prepared as the run prepares it."""
    opened = open_run(settings)
    (model,) = opened.models.values()
    image = load_dataset("voc", settings.root, "trainval").load(name, SIZE).image
    with torch.no_grad():
        return model.module(opened.prepared(model.name).place(image[None]))[0]


@pytest.mark.parametrize("target", ["frequent", "largest_component", "point=20,15", "box=3,3,30,20"])
@pytest.mark.parametrize("region", ["truth", "predicted"])
def test_rows_are_of_the_target_in_the_labels_that_are_asked_for(voc: Path, target: str, region: str):
    settings = settings_of(voc, target=target, region=region)
    rows = rows_of(settings, voc)
    assert set(rows["target"]) == {target} and set(rows["region"]) == {region}
    explained = 0
    for name in NAMES:
        mine = rows[rows["sample_id"] == name]
        truth = load_dataset("voc", str(voc), "trainval").load(name, SIZE).labels.numpy()
        logits = said_by(settings, name)
        labels = truth if region == "truth" else logits.argmax(0).numpy()
        try:
            class_id, mask = find_region(labels, read_region(target), CLASS_NAMES, (40, 30), complete=region != "truth")
        except SampleError as error:
            assert mine[["status", "reason"]].to_numpy().tolist() == [["skipped", error.reason]]
            continue
        explained += 1
        assert set(mine["class_id"]) == {class_id} and set(mine["method"].dropna()) == {"gpa", "random"}
        group = group_of(settings.runs()[0], [name])
        assert np.array_equal(group.target.mask[0].numpy(), mask)
        score = mine[mine["metric"] == "score"]["value"].item()
        assert score == pytest.approx(float(logits.softmax(0)[class_id][torch.from_numpy(mask)].mean()), abs=1e-5)
    assert explained > 0


def test_where_there_are_masks_they_are_the_region_and_else_what_the_model_says(voc: Path):
    assert set(rows_of(settings_of(voc), voc)["region"]) == {"truth"}
    pictures = settings_of(voc, dataset="pictures", split=None, root=str(voc / "VOCdevkit/VOC2012/JPEGImages"))
    assert set(rows_of(pictures, voc / "pictures")["region"]) == {"predicted"}


def test_a_sample_without_the_target_is_skipped_with_the_reason(voc: Path):
    labels = [load_dataset("voc", str(voc), "trainval").load(name, SIZE).labels for name in NAMES]
    there = [set(each.unique().tolist()) for each in labels]
    class_id = next(number for number in range(1, 21) if 0 < sum(number in each for each in there) < len(NAMES))
    rows = rows_of(settings_of(voc, target=f"class={CLASS_NAMES[class_id]}"), voc)
    for name, each in zip(NAMES, there, strict=True):
        mine = rows[rows["sample_id"] == name]
        if class_id in each:
            assert set(mine["class_id"]) == {class_id}
        else:
            reasons = mine[["status", "reason"]].to_numpy().tolist()
            assert reasons == [["skipped", f"no pixel is {CLASS_NAMES[class_id]}"]]


def test_a_picture_whose_mask_is_empty_is_explained_by_what_the_model_says(voc: Path):
    for name in NAMES:
        path = voc / f"VOCdevkit/VOC2012/SegmentationClass/{name}.png"
        Image.fromarray(np.zeros_like(label_map(0))).save(path)
    assert set(rows_of(settings_of(voc), voc / "truth")["status"]) == {"skipped"}
    rows = rows_of(settings_of(voc, region="predicted"), voc / "predicted")
    assert "ok" in set(rows["status"]) and set(rows["class_id"].dropna()) - {0}
    background = rows_of(settings_of(voc, region="predicted", target="class=background"), voc / "background")
    assert not background["status"].eq("failed").any()


def test_a_model_of_other_classes_is_asked_for_its_own(voc: Path):
    """A class is named as the model names it, or by its id where it does not, and never as the data set does."""
    rows = rows_of(settings_of(voc, "named", region="predicted", target="class=right"), voc / "named")
    assert set(rows["class_id"].dropna()) <= {2}
    assert "Unknown class of the target 'cat'" in refused(
        settings_of(voc, "named", region="predicted", target="class=cat"), voc
    )
    unnamed = refused(settings_of(voc, "segmenter", region="predicted", target="class=cat"), voc)
    assert unnamed == "target is 'class=cat', but the names of the classes are not known; give the class's id."
    too_high = refused(settings_of(voc, "segmenter", region="predicted", target="class=7"), voc)
    assert too_high.startswith("target is 'class=7', and the model ") and too_high.endswith("has classes 0 to 2.")


def test_of_a_model_of_many_classes_255_is_one(voc: Path):
    settings = settings_of(voc, "many", region="predicted", ignore="exclude", metrics=["tdd", "odd_abs"])
    rows = rows_of(settings, voc)
    assert set(rows["class_id"]) == {255}
    group = group_of(settings.runs()[0], NAMES[:1])
    assert not group.ring.any() and bool(group.target.mask.all())


def test_a_named_class_counts_where_another_one_that_the_model_lacks_is_more_frequent(voc: Path):
    """Of a data set that does not name its classes, in the masks."""
    root = voc / "pictures"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    labels = np.ones((30, 40), np.uint8)
    labels[:, 8:] = 7
    for name, mask in (("a", labels), ("b", np.ones_like(labels))):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(root / f"images/{name}.png")
        Image.fromarray(mask).save(root / f"masks/{name}.png")
    usual = {"dataset": "folder", "root": str(root), "split": None}
    rows = rows_of(settings_of(voc, "segmenter", target="class=1", **usual), voc)
    assert set(rows["class_id"]) == {1} and not rows["status"].eq("failed").any()
    rows = rows_of(settings_of(voc, "segmenter", target="largest_component", **usual), voc / "largest")
    (row,) = rows[rows["sample_id"] == "a"].to_dict("records")
    assert row["status"] == "failed"
    assert row["reason"].startswith("the target is of class 7, and the model ")


def test_truth_of_pictures_without_masks_is_refused():
    settings = read_settings({"region": "truth", "samples": 1})
    with pytest.raises(UserError) as caught:
        open_run(settings)
    assert str(caught.value) == ("The data set 'photographs' has no masks; leave region out, or set region=predicted.")


# Classifiers.


@pytest.mark.parametrize("changes", [{"target": "point=3,3"}, {"target": "largest_component"}, {"region": "predicted"}])
def test_a_classifier_has_no_region(voc: Path, changes: dict[str, str]):
    said = refused(settings_of(voc, "vgg", class_map="predicted", **changes), voc)
    assert said.endswith(
        "is a classifier, whose target has no region; leave region and target out, or set target=class=NAME."
    )


def test_the_class_of_a_classifier_is_the_one_that_is_named(voc: Path):
    rows = rows_of(settings_of(voc, "vgg", class_map="predicted", target="class=3"), voc)
    assert set(rows["class_id"]) == {3} and rows["region"].isna().all()
    for name in NAMES:
        image = load_dataset("voc", str(voc), "trainval").load(name, SIZE).image
        with torch.inference_mode():
            probability = float(net("vgg")(image[None]).softmax(1)[0, 3])
        score = rows[(rows["metric"] == "score") & (rows["sample_id"] == name)]["value"].item()
        assert score == pytest.approx(probability, abs=1e-5)


def test_what_a_classifier_says_is_not_named_as_the_data_set_names_classes(voc: Path):
    said = refused(settings_of(voc, "vgg", class_map="predicted", target="class=cat"), voc)
    assert said == "target is 'class=cat', but the names of the classes are not known; give the class's id."


def test_a_class_that_a_map_leaves_out_is_no_target(voc: Path):
    (voc / "map.yaml").write_text("source: this test\nclasses:\n  cat: [1, 3]\n", encoding="utf-8")
    usual = {"class_map": str(voc / "map.yaml")}
    said = refused(settings_of(voc, "vgg", target="class=dog", **usual), voc)
    assert said.startswith("target is 'class=dog', but the classifier ") and said.endswith("knows no such class.")
    rows = rows_of(settings_of(voc, "vgg", target="class=cat", **usual), voc)
    assert set(rows["class_id"]) == {CLASS_NAMES.index("cat")}
    assert set(rows["sample_id"]) == set(NAMES) and not rows["status"].isin(["failed", "skipped"]).any()


def test_a_classifier_of_the_table_explains_photographs_by_what_it_says(tmp_path: Path):
    usual = {"model": "imagenet_mobilenet_v2", "samples": 2, "image_size": 64, "methods": ["gradcam"], "batch_size": 2}
    usual |= {"metrics": ["complexity"], "device": "cpu"}
    rows = rows_of(read_settings(usual), tmp_path / "plain")
    said = rows_of(read_settings({**usual, "class_map": "predicted"}), tmp_path / "said")
    assert rows["class_id"].notna().all() and rows["region"].isna().all()
    compared = ["sample_id", "class_id", "metric", "value", "status"]
    pd.testing.assert_frame_equal(rows[compared], said[compared])
    named = rows_of(read_settings({**usual, "target": "class=tiger cat"}), tmp_path / "named")
    assert set(named["class_id"]) == {282}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "'imagenet_mobilenet_v2' is a classifier, whose target has no region, and tdd, odd, "),
        ({"class_map": "voc_imagenet"}, "'photographs' has no masks whose classes 'voc_imagenet' could map; leave"),
        ({"model": "voc_deeplabv3_mobilenetv2_half", "class_map": "predicted"}, "is a segmenter, and class_map is for"),
        (
            {"dataset": "shapes"},
            "is a classifier, and the data set 'shapes' has masks, for segmenters; choose a segmenter",
        ),
        ({"dataset": "single_shapes", "model": "shapes_fcn"}, "a segmenter, and 'single_shapes' is for classifiers"),
    ],
)
def test_a_model_and_data_of_two_kinds_are_refused_before_the_work(tmp_path: Path, changes: dict, said: str):
    usual = {"model": "imagenet_mobilenet_v2", "samples": 1, "image_size": 64}
    assert said in refused(read_settings({**usual, **changes}), tmp_path)


# What decides a run.


def test_another_target_or_region_is_another_run(voc: Path):
    runs = [
        settings_of(voc, **changes).run_id()
        for changes in (
            {},
            {"region": "truth"},
            {"region": "predicted"},
            {"target": "largest_component"},
            {"target": "class=cat"},
            {"target": "class=dog"},
            {"target": "point=1,2"},
            {"target": "point=2,1"},
        )
    ]
    assert len(set(runs)) == len(runs)
    run_benchmark(settings_of(voc), voc / "results")
    with pytest.raises(UserError, match="region"):
        run_benchmark(settings_of(voc, region="predicted"), voc / "results")
