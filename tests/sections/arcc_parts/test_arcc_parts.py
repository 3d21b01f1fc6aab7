"""The page of parts taken away: the scores of a run's methods, and how the metrics stand to them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from classifier_maps import IMAGES, PARAMETERS, cells, followed_maps, rows_of_maps
from matplotlib.collections import PathCollection
from oracles import ready
from scipy import stats
from small_photographs import IDS, small_photographs
from torch import Tensor, nn

from segattr_lib.attribution import method_key
from segattr_lib.attribution.cam import gradcam
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import alone_in, read_samples
from segattr_lib.data import load_dataset
from segattr_lib.data.funnybirds import PartDataset
from segattr_lib.data.photographs import credits_of
from segattr_lib.evaluate import model_score
from segattr_lib.evidence.plans import read_plan
from segattr_lib.evidence.records import Record
from segattr_lib.inference.maps import maps_table
from segattr_lib.models import WEIGHTS
from segattr_lib.models.loading import load_model
from segattr_lib.profiles import defaults, load_settings
from segattr_lib.registry import UserError
from segattr_lib.report.classifiers import as_recorded
from segattr_lib.sections import arcc_parts as page
from segattr_lib.sections.arcc_parts import parts, recorded
from segattr_lib.sections.arcc_parts.funnybirds import funnybirds_scores
from segattr_lib.sections.arcc_parts.parts import FUNNYBIRDS, KEYS, part_scores, part_summary, parts_table
from segattr_lib.sections.arcc_parts.pixels import marked
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind


def figures(split: str = "test") -> PartDataset:
    dataset = load_dataset("part_figures", split=split)
    assert isinstance(dataset, PartDataset)
    return dataset


trained = pytest.mark.skipif(
    not (WEIGHTS / "figures_resnet.safetensors").is_file(),
    reason="no weights of figures_resnet are shipped; `python -m segattr_lib train figures_resnet` makes them",
)


def asked_of(**changes: object) -> Settings:
    about = {"dataset": "part_figures", "model": "figures_resnet", "samples": 3, "image_size": 112, "batch_size": 16}
    return load_settings(None, about | {"methods": ["gradcam(layer=layer4)", "random_smooth"]} | changes)


@trained
@pytest.mark.slow
def test_the_methods_of_a_run_are_scored_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scores = part_scores(asked_of(), tmp_path)
    assert list(scores.groupby(["method", "variant"], sort=False).groups) == [
        ("gradcam", "layer=layer4"),
        ("random_smooth", ""),
    ]
    assert scores.sample_id.tolist() == ["test-00000", "test-00001", "test-00002"] * 2
    explained = load_model("figures_resnet", kind="classifier")
    dataset = figures()

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        return gradcam(bind(explained.module, target), images, target, layer="layer4", scalar="logit")

    alone = funnybirds_scores(ready(explained.module), dataset, explain, dataset.sample_ids[:3], size=112)
    pd.testing.assert_frame_equal(scores[:3][alone.columns], alone, check_dtype=False)
    assert part_summary(scores).loc[("part_figures", "figures_resnet", 0, "random_smooth", ""), "n_pc"] == 3

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(parts, "ask", refuse)
    pd.testing.assert_frame_equal(part_scores(asked_of(), tmp_path), scores)
    with pytest.raises(AssertionError, match="asked again"):
        part_scores(asked_of(samples=2), tmp_path)


@trained
@pytest.mark.slow
def test_what_a_record_keeps_makes_the_scores_that_were_made_at_once(tmp_path: Path):
    methods = ["gradcam(layer=layer4)", "random_smooth", "half", "input_x_gradient"]
    settings = asked_of(methods=methods, samples=5, metrics=["complexity"])
    wanted = part_scores(settings, tmp_path / "scores")
    rows = read_samples(run_benchmark(settings, tmp_path / "run", recorded.asked_of(settings)))
    made = recorded.scores_of(rows, figures())
    numbers = ["csdc", "pc", "dc", "d", "threshold", "completeness", "correctness", "contrastivity", "funnybirds"]
    pd.testing.assert_frame_equal(made[[*KEYS, "sample_id"]], wanted[[*KEYS, "sample_id"]], check_dtype=False)
    np.testing.assert_allclose(made[numbers].astype(float), wanted[numbers].astype(float), atol=1e-6)
    assert made["said"].tolist() == wanted["said"].tolist()
    assert made["status"].tolist() == wanted["status"].tolist()


def test_the_pages_run_as_the_notebook_has_it_is_the_one_that_is_planned():
    settings = as_recorded(page.read({**defaults("arcc_parts"), "samples": 12, "surrogate_samples": 40}))
    plan = read_plan("part_figures")
    record = Record("part_figures", Path(), plan.settings, [], plan.asked().about)
    assert record.covers(settings.run, recorded.asked_of(settings.run).about)


@trained
def test_the_scores_of_a_users_method_are_made_anew_when_its_code_changes_or_they_were_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = []

    def scores(*args: object, **_: object) -> pd.DataFrame:
        made.append(args)
        return pd.DataFrame({"sample_id": ["test-00000"], "made": [len(made)]})

    monkeypatch.setattr(parts, "ask", lambda *_: object())
    monkeypatch.setattr(parts, "funnybirds_scores", scores)
    own = tmp_path / "my (1)" / "own.py"
    own.parent.mkdir()
    own.write_text("def red(score, images, target):\n    return images[:, 0]\n", encoding="utf-8")
    settings, folder = asked_of(methods=[f"{own}:red"], samples=1), tmp_path / "scores"
    assert [part_scores(settings, folder)["made"].item() for _ in range(2)] == [1, 1]
    (kept,) = folder.iterdir()
    own.write_text(own.read_text(encoding="utf-8").replace("0]", "1]"), encoding="utf-8")
    assert [part_scores(settings, folder)["made"].item() for _ in range(2)] == [2, 2]
    own.write_text(own.read_text(encoding="utf-8").replace("1]", "0]"), encoding="utf-8")
    assert part_scores(settings, folder)["made"].item() == 1
    kept.write_bytes(kept.read_bytes()[:-8])
    assert part_scores(settings, folder)["made"].item() == 3
    monkeypatch.setattr(parts, "version", lambda package: "1.0.0")
    assert part_scores(settings, folder)["made"].item() == 4
    assert len(list(folder.iterdir())) == 3  # and no lock
    with alone_in(folder), pytest.raises(UserError, match=f"Process {os.getpid()} .* works in the folder"):
        part_scores(settings, folder)


@trained
def test_data_without_parts_and_models_of_other_classes_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="part_figures or funnybirds"):
        part_scores(asked_of(dataset="single_shapes"), tmp_path)
    with pytest.raises(UserError, match=r"6 classes.*20"):
        part_scores(asked_of(model=f"{__file__}:six_classes", layers=["0"]), tmp_path)


def six_classes() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_scores_of_parts_stand_beside_the_runs_own_metrics_of_the_same_maps() -> None:
    """Two seeds of one model, two methods of which one has options, two samples in another order than the run's."""
    keys = [
        (seed, method, name) for seed in (0, 1) for method in (("lime", "samples=40"), ("half", "")) for name in "ba"
    ]
    about = [{"model": "net", "seed": s, "method": m, "variant": v, "sample_id": name} for s, (m, v), name in keys]
    scores = pd.DataFrame(about).assign(**{name: np.arange(8.0) + place for place, name in enumerate(FUNNYBIRDS)})
    scores.loc[7, "contrastivity"] = np.nan  # half, seed 1, sample a
    run = pd.DataFrame(about).assign(dataset="d", run_id="r", k=np.nan, fill=None, metric="road", status="ok")
    table = maps_table(run.assign(value=np.arange(8.0) * 2)[::-1], ["road"])
    both = table.join(parts_table(scores))
    assert len(both) == 4
    assert (both["road"] == both["funnybirds"] * 2).all()
    assert both.loc[("net", "a", "lime(samples=40)"), "funnybirds"] == pytest.approx((1 + 5) / 2)
    assert both["contrastivity"].isna().tolist() == [key == ("net", "a", "half") for key in both.index]


OWN = {**PARAMETERS, "dataset": "part_figures", "model": "figures_resnet", "trivial": ["half"], "resamples": 99}


def scored_maps() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a run, and scores by parts that follow its ROAD: completeness exactly, and the score closely."""
    maps = followed_maps().xs("shapes_vgg11", drop_level=False)
    table = maps.reset_index()
    names = table["method"].str.extract(r"^(?P<method>[^(]+)(?:\((?P<variant>.*)\))?$").fillna("")
    rng = np.random.default_rng(2)
    scores = table[["model", "sample_id"]].assign(dataset="part_figures", seed=0, **names, class_id=1)
    scores = scores.assign(said=np.where(table["sample_id"] == IMAGES[0], 0, 1), status="ok", reason="")
    scores = scores.assign(funnybirds=table["road"] + rng.normal(0, 0.01, len(table)), completeness=table["road"])
    parts = {name: rng.random(len(table)) for name in ("csdc", "pc", "dc", "d", "correctness", "contrastivity")}
    return rows_of_maps(maps), scores.assign(**parts)


def page_runs(monkeypatch: pytest.MonkeyPatch, scores: pd.DataFrame, rows: pd.DataFrame) -> page.Runs:
    monkeypatch.setattr(page, "recorded_basis", lambda *_, **__: None)
    monkeypatch.setattr(page, "rows_of", lambda settings: rows)
    monkeypatch.setattr(page, "part_scores", lambda settings, folder: scores)
    monkeypatch.setattr(page, "opening", lambda settings: small_photographs("layercam", "half"))
    return page.run(page.read(OWN))


def test_the_page_correlates_metrics_with_the_score_its_parts_and_the_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, scores = scored_maps()
    scores.loc[4, "correctness"] = np.nan
    runs = page_runs(monkeypatch, scores, rows)
    assert (len(runs.both), runs.incomplete) == (44, 1)
    figure = page.forest(runs)
    clouds = [artist for artist in figure.axes[2].collections if isinstance(artist, PathCollection)]
    drawn = {cloud.get_label(): np.asarray(cloud.get_offsets()[:, 0]) for cloud in clouds}
    assert list(drawn) == ["FunnyBirds score", "completeness", "correctness", "contrastivity", "cosine"]
    metrics = ["average_drop", "complexity", "coherency", "adcc", "road", "arcc", "cosine"]
    both = runs.both.droplevel("model")
    for truth, name in {**page.TRUTHS, "cosine": "cosine"}.items():
        expected = [stats.pearsonr(both[metric], both[name])[0] for metric in metrics]
        expected[6] = np.nan if truth == "cosine" else expected[6]
        assert drawn[truth] == pytest.approx(expected, nan_ok=True)
    table = page.with_score(runs)
    assert table.loc["Pearson"].index.tolist()[-1] == "cosine with truth"
    value = stats.pearsonr(both["road"], both["funnybirds"])[0]
    assert table.loc[("Pearson", "ROAD"), "all maps"].startswith(f"{value:.2f} [")


def test_the_page_says_which_metric_follows_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, scores = scored_maps()
    runs = page_runs(monkeypatch, scores, rows)
    facts = page.facts(page.read(OWN), runs)
    assert (facts["images"], facts["asked"], facts["right"], facts["model"]) == (15, 15, 14, "figures_resnet")
    assert facts["accuracy"] == "vgg11 0.93 [0.70, 0.99] of 15"
    assert facts["highest_pooled"] == "ROAD"
    assert facts["arcc_pooled"] == page.with_score(runs).loc[("Pearson", "ARCC"), "all maps"]
    assert facts["compared"] == "45 maps have a value of every metric and score, 0 lack one."
    _, *claims = cells(page.reproduced(runs))
    assert len(claims) == len(page.CLAIMS) == 6
    answers = {name: answer for name, (_, answer) in zip(page.CLAIMS, claims, strict=True)}
    assert answers["arcc_highest_pooled"] == "no"
    table = page.summed(runs)
    assert table.index.tolist() == ["Grad-CAM++", "LayerCAM", "LIME (samples=8)"]
    of_lime = scores[scores["method"] == "lime"]
    complete = ((of_lime["csdc"] + of_lime["pc"] + of_lime["dc"]).mean() / 3 + of_lime["d"].mean()) / 2
    assert table.loc["LIME (samples=8)", "completeness"] == f"{complete:.2f}"
    three = [complete, of_lime["correctness"].mean(), of_lime["contrastivity"].mean()]
    assert table.loc["LIME (samples=8)", "score"] == f"{np.mean(three):.2f}"


def test_without_a_map_of_every_value_nothing_is_correlated(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, scores = scored_maps()
    runs = page_runs(monkeypatch, scores.assign(contrastivity=np.nan), rows)
    assert page.forest(runs) is None and page.with_score(runs) is None
    facts = page.facts(page.read(OWN), runs)
    assert facts["compared"] == "No map here has a value of every metric and score; nothing is correlated."
    assert {facts[f"{end}_pooled"] for end in ("highest", "lowest", "arcc")} == {"–"}
    assert facts["held"] == "0 of 0 (0 undecided)" and len(cells(page.reproduced(runs))) == 1


def left(score: Score, images: Tensor, target: Target) -> Tensor:
    """The left half of every image, all of it alike."""
    maps = torch.zeros_like(images[:, 0])
    maps[:, :, : images.shape[3] // 2] = 1
    return maps


def test_a_photograph_loses_what_a_map_marks_and_keeps_what_it_marks_alone() -> None:
    photographs = small_photographs("half")
    key = method_key(f"{__file__}:left")
    images = photographs.group.images
    (of_left,) = marked(photographs, [key], 0.5).values()
    mean = images.mean((2, 3), keepdim=True)
    assert torch.equal(of_left.without[..., :32], mean.expand_as(images)[..., :32])
    assert torch.equal(of_left.without[..., 32:], images[..., 32:])
    assert torch.equal(of_left.alone[..., :32], images[..., :32])
    score = photographs.group.score
    torch.testing.assert_close(of_left.needed, model_score(score, of_left.without))
    torch.testing.assert_close(of_left.enough, model_score(score, of_left.alone))
    (of_all,) = marked(photographs, [key], 1.0).values()  # nothing is left, and everything
    torch.testing.assert_close(of_all.enough, photographs.group.base)
    assert torch.equal(of_all.without, mean.expand_as(images))


def test_the_page_shows_what_deleting_pixels_of_a_photograph_does(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, scores = scored_maps()
    monkeypatch.setitem(OWN, "photo_methods", ["layercam", "half"])
    runs = page_runs(monkeypatch, scores, rows)
    table = page.photo_table(runs)
    assert table.index.tolist() == [(name, label) for name in IDS for label in ("LayerCAM", "half")]
    of_half = runs.marked["half"]
    whole, needed, enough = (
        f"{float(values[1]):.2f}" for values in (runs.photographs.group.base, of_half.needed, of_half.enough)
    )
    assert table.loc[("coffee", "half")].tolist() == [whole, needed, enough]
    figure = page.photo_pixels(runs)
    said = runs.photographs.names[1]
    last = figure.axes[-4:]  # coffee under the half map
    assert [axes.get_xlabel() for axes in last] == [f"{said} {whole}", "", f"{said} {needed}", f"{said} {enough}"]
    assert last[0].get_ylabel() == "half"
    np.testing.assert_allclose(last[2].images[0].get_array(), of_half.without[1].movedim(0, -1))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["photograph", "map", "without what it marks", "what it marks alone"] and not any(titles[4:])
    facts = page.facts(page.read(OWN), runs)
    assert facts["photo_share"] == "20%" and facts["photo_credit"] == credits_of(IDS)


@pytest.mark.parametrize("share", [0, 1.5])
def test_a_share_of_pixels_is_one(share: float) -> None:
    with pytest.raises(UserError, match=f"photo_share is {share}: input should be"):
        page.read({**OWN, "photo_share": share})


def test_settings_leave_the_truth_out_and_refuse_it() -> None:
    settings = page.read({**OWN, "trivial": None})
    assert settings.blind == [key.text for key in settings.trivial] == ["random", "half", "all_ones", "centre", "edges"]
    with pytest.raises(UserError, match="trivial names ground_truth, but of the rivals' classes no truth is known"):
        page.read({**OWN, "trivial": ["half", "ground_truth"]})
