"""Runs whose maps another model scores: the maps are the explained model's, every score is the judge's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from segattr_lib.benchmark import runner
from segattr_lib.benchmark.runner import Question, group_of, run_benchmark
from segattr_lib.benchmark.settings import FREE, Settings, read_settings
from segattr_lib.benchmark.statistics import plain, run_level
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evaluate import model_score
from segattr_lib.inference.paired import paired
from segattr_lib.metrics.deletion import tdd
from segattr_lib.models import Entry, judging
from segattr_lib.models.loading import load_model
from segattr_lib.perturbation import bind_fill
from segattr_lib.registry import UserError
from segattr_lib.targets import bind

OWN = """
import torch
from oracles import Classifier, ConvNet


def explained():
    return ConvNet(classes=7, seed=99)


def judge():
    return ConvNet(classes=7, seed=24)


def layerless():
    module = ConvNet(classes=7, seed=24)
    module.middle, module.features = module.features, torch.nn.Identity()
    module.forward = lambda images: torch.nn.functional.interpolate(
        module.head(module.middle(images - 0.5)), images.shape[2:], mode="bilinear"
    )
    return module


def few():
    return ConvNet(classes=3, seed=24)


def classifier():
    return Classifier(classes=7)


def look(score, images, maps, target):
    weights = torch.arange(maps[0].numel(), dtype=torch.float64).reshape(maps[0].shape)
    return (maps.double() * weights).sum((1, 2))
"""
METRICS = ["tdd", "odd_abs", "insertion", "excess_tdd", "tied_share", "passes"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def asked(own: Path, **changes: Any) -> Settings:
    usual = {"dataset": "shapes", "samples": 5, "image_size": 32, "model": f"{own}:explained", "layer": "features"}
    usual |= {"judge": f"{own}:judge", "methods": ["ega", "ria", "random"], "metrics": [*METRICS, f"{own}:look"]}
    usual |= {"grid": 4, "null_every": 20, "device": "cpu", "batch_size": 8}
    return read_settings({**usual, **changes})


def rows_of(folder: Path) -> pd.DataFrame:
    return plain(read_samples(folder))


def values(rows: pd.DataFrame, method: str | None = None, metric: str | None = None) -> pd.Series:
    keys = ["sample_id", "method", "metric", "k", "fill"]
    mine = rows[rows["method"] == method] if method else rows[rows["method"].isna()]
    mine = mine if metric is None else mine[mine["metric"] == metric]
    return mine.set_index(keys)["value"].sort_index()


def scores_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The samples' scores, a column each."""
    mine = rows[rows["method"].isna() & rows["metric"].notna()]
    return mine.set_index(["sample_id", "metric"])["value"].unstack()  # noqa: PD010 - refuses a value that stands twice


def test_maps_are_the_explained_models_and_all_scores_the_judges(own, tmp_path):
    """What a run of either alone tells: a control's rows are the judge's own run's, null and all, and what is said of
    maps without a score, their pixels and passes, is the explained model's own run's."""
    judged = rows_of(run_benchmark(asked(own), tmp_path / "judged"))
    by_itself = rows_of(run_benchmark(asked(own, judge=None), tmp_path / "plain"))
    the_other = rows_of(run_benchmark(asked(own, judge=None, model=f"{own}:judge"), tmp_path / "other"))
    assert values(judged, "random").equals(values(the_other, "random"))
    for method in ("ega", "ria"):
        for metric in (f"{own}:look", "passes", "tied_share"):
            assert values(judged, method, metric).equals(values(by_itself, method, metric))
        assert not np.allclose(values(judged, method, "tdd"), values(by_itself, method, "tdd"), atol=1e-3)
        assert not np.allclose(values(judged, method, "tdd"), values(the_other, method, "tdd"), atol=1e-3)
    scores = scores_of(judged)
    assert list(scores.columns) == ["score", "score_explained"]
    assert list(scores["score"]) == list(values(the_other))
    assert list(scores["score_explained"]) == list(values(by_itself))


def test_tdd_is_by_the_judge_computed_apart(own, tmp_path):
    judged = rows_of(run_benchmark(asked(own), tmp_path / "judged"))
    ids = sorted(judged["sample_id"].unique())
    group = group_of(asked(own), ids)
    maps = group.maps_of(asked(own).methods[1])[0]
    judge = load_model(f"{own}:judge", kind="segmenter", explained=False).module
    score, fill = bind(judge, group.target), bind_fill("mean", group.images)
    base = model_score(score, group.images)
    expected = tdd(score, group.images, maps, group.target, k=0.2, fill=fill, base=base)
    assert torch.allclose(torch.tensor(values(judged, "ria", "tdd").to_numpy()), expected.double(), atol=1e-5)


def test_a_model_that_judges_itself_is_a_run_without_a_judge(own, tmp_path):
    settings = asked(own, judge=f"{own}:explained")
    first, second = (
        rows_of(run_benchmark(each, tmp_path / name)).drop(columns="run_id")
        for name, each in (("itself", settings), ("plain", asked(own, judge=None)))
    )
    assert first.equals(second)


def test_a_run_without_a_judge_keeps_the_id_it_had_before_there_were_any(own):
    settings = asked(own, judge=None)
    without = type("Before", (), {"model_dump": lambda self, exclude: _dump(settings, exclude), "judge": "asked"})()
    assert Settings.run_id(without) == settings.run_id() != asked(own).run_id()


def _dump(settings: Settings, exclude: set[str]) -> dict[str, Any]:
    """The settings as they were written before there was a judge."""
    assert exclude == set(FREE)
    return {name: value for name, value in settings.model_dump(exclude=exclude).items() if name != "judge"}


def test_the_judge_belongs_to_what_a_run_is(own, tmp_path):
    folder = run_benchmark(asked(own), tmp_path / "results")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["fingerprints"]["weights"]) == {f"{own}:explained", f"{own}:judge"}
    assert f"{own}:judge" in manifest["fingerprints"]["code"]
    assert {entry["model"] for entry in manifest["runtimes"]} == {f"{own}:explained", f"{own}:judge"}
    with pytest.raises(UserError, match=r"judge was .* and is now None"):
        run_benchmark(asked(own, judge=None), folder)
    assert run_benchmark(asked(own), folder) == folder
    own.write_text(OWN.replace("seed=24", "seed=25"), encoding="utf-8")
    with pytest.raises(UserError, match=r"were made with other weights of .*:judge"):
        run_benchmark(asked(own), folder)


def test_workers_give_the_same_bytes(own, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "GROUP", 2)
    folders = [run_benchmark(asked(own, workers=count), tmp_path / f"{count}") for count in (0, 2)]
    for name in ("samples.parquet", "runs.csv"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_images_are_chosen_by_the_lower_of_both_scores(own, tmp_path):
    folder = run_benchmark(asked(own, samples=8), tmp_path / "results")
    rows = rows_of(folder)
    scores = scores_of(rows)
    floor = sum(scores.median()) / 2
    reached = scores >= floor
    both = set(scores[reached.all(axis=1)].index)
    assert both and (reached.sum() > len(both)).any()
    assert set(paired(rows, "tdd", floor=floor).index.get_level_values("sample_id")) == both
    skipped = rows_of(run_benchmark(asked(own, samples=8, floor=floor), tmp_path / "floor"))
    assert set(skipped[skipped["status"] == "skipped"]["sample_id"]) == set(scores.index) - both
    table = run_level(read_samples(folder))
    assert set(table["method"]) == {"ega", "ria", "random"}
    robust = scores.min(axis=1) >= 0.3
    assert set(table[table["metric"] == "tdd"]["count_robust"]) == {int(robust.sum())}


def test_a_judge_needs_no_layer_and_a_model_may_judge_several(own, tmp_path):
    models = [f"{own}:explained", f"{own}:judge"]
    judged = asked(own, model=models, judge=f"{own}:layerless", methods=["ega", "random"])
    rows = rows_of(run_benchmark(judged, tmp_path / "results"))
    alone = rows_of(run_benchmark(asked(own, methods=["ega", "random"]), tmp_path / "alone"))
    for _, of_model in rows.groupby("model"):
        assert values(of_model, "random").equals(values(alone, "random"))
    mine = rows[rows["model"] == models[0]]
    assert values(mine, "ega").equals(values(alone, "ega"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"judge": "shapes_fc"}, "did you mean 'shapes_fcn'"),
        ({"judge": "OWN:few"}, r"has other classes \(3\) than the model .* \(7\)"),
        ({"judge": "planted_own_lraspp", "model": "shapes_fcn", "layer": None}, r"classes \(3\)"),
        ({"judge": "shapes_vgg11"}, "'shapes_vgg11' is a classifier, and the data set 'shapes' has masks"),
        ({"judge": "OWN:classifier"}, "expected logits"),
        ({"metrics": ["tdd", "stability"]}, "stability explain anew .* leave them out of metrics"),
        ({"metrics": ["tdd", "stability_flip", "arcc"]}, "stability_flip, arcc explain anew"),
    ],
)
def test_what_cannot_judge_is_refused_in_a_sentence(own, tmp_path, changes, complaint):
    if changes.get("judge", "").startswith("OWN"):
        changes = changes | {"judge": changes["judge"].replace("OWN", str(own))}
    with pytest.raises(UserError, match=complaint):
        run_benchmark(asked(own, **changes), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_segmenter_does_not_judge_a_classifier_on_pictures_without_masks(tmp_path):
    settings = read_settings({"dataset": "photographs", "samples": 1, "model": "imagenet_mobilenet_v2"})
    settings = settings.changed({"judge": "voc_deeplabv3_mobilenetv2_half", "metrics": ["average_drop"]})
    with pytest.raises(UserError, match="is a segmenter, 'imagenet_mobilenet_v2' a classifier; name another judge"):
        run_benchmark(settings, tmp_path / "results")


def test_a_section_that_asks_the_model_more_takes_no_judge(own, tmp_path):
    question = Question("beyond_dea", {}, lambda group, methods: [])
    with pytest.raises(UserError, match="beyond_dea asks the explained model; leave it out"):
        run_benchmark(asked(own), tmp_path / "results", question)


@pytest.mark.parametrize(("patterns", "seen"), [("test-00004 train-00001", True), ("train-* test-00009", False)])
def test_no_copy_judges_an_image_that_it_was_tuned_on(own, tmp_path, monkeypatch, patterns, seen):
    """Neither as judge nor explained and judging itself."""
    monkeypatch.setattr(judging, "tuned_on", lambda name: frozenset(patterns.split() if "judge" in name else ()))
    settings = [asked(own), asked(own, judge=None, model=f"{own}:judge")]
    for number, each in enumerate(settings):
        if seen:
            with pytest.raises(UserError, match="was tuned on the image test-00004, which it may therefore not judge"):
                run_benchmark(each, tmp_path / f"{number}")
            each = each.changed({"samples": 4})
        run_benchmark(each, tmp_path / f"{number}")


def test_what_a_copy_was_tuned_on_is_what_its_file_says(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "WEIGHTS", tmp_path)
    monkeypatch.setitem(judging.MODELS, "a_copy", Entry("segmenter", "", (), copy_of="shapes_fcn"))
    save_file({}, tmp_path / "a_copy.safetensors", {"tuned_on": "one two-*"})
    assert judging.tuned_on("a_copy") == {"one", "two-*"}
    assert judging.tuned_on("shapes_fcn") == judging.tuned_on("file.py:own") == frozenset()
    for name in ("one", "two-00001"):
        with pytest.raises(UserError, match=f"tuned on the image {name},"):
            judging.check_not_tuned_on("a_copy", {"three", name})
    judging.check_not_tuned_on("a_copy", {"three", "tw", "one-00001"})
