"""Explainers as cues: what a run leaves of maps and masks, held against segmenters that know the truth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from folders import same_bytes
from jaxtyping import config
from torch import Tensor

from segattr_lib.benchmark import runner
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import IGNORE, Sample, load_dataset
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import prepare
from segattr_lib.registry import UserError
from segattr_lib.sections.wsss_sam2.rows import run as cue_run
from segattr_lib.sections.wsss_sam2.rows.cueing import CueSettings
from segattr_lib.sections.wsss_sam2.rows.run import run_with_cues

OWN = """
import sys
from functools import cache

import torch
from nets import Vgg
from torch import nn

from segattr_lib.data import load_dataset

ASKED = sys.modules["test_cue_rows"].ASKED


def net():
    torch.manual_seed(0)
    model = Vgg()
    model.head = nn.Linear(16, 6)
    return model


def truth(score, images, target):
    return target.truth.float()


def half_truth(score, images, target):
    return 0.6 * target.truth.float()


def red(score, images, target):
    return images[:, 0]


def grey(score, images, target):
    return torch.full_like(images[:, 0], 0.25)


def zeros(score, images, target):
    return torch.zeros_like(images[:, 0])


def not_finite(score, images, target):
    return images[:, 0] / 0 * 0


def too_large(score, images, target):
    return 2 + images[:, 0]


@cache
def known():
    return [load_dataset("shapes").load(f"test-{number:05d}", 64) for number in range(3)]


def oracle(image):
    (mask,) = [sample.mask for sample in known() if torch.equal(sample.image, image)]
    return lambda points, labels: (mask.repeat(len(points), 1, 1), torch.full((len(points),), 0.75))


def spots(image):
    def answer(points, labels):
        ASKED.append((points, labels))
        masks = torch.zeros(len(points), *image.shape[1:], dtype=torch.bool)
        for mask, places, kinds in zip(masks, points.round().long(), labels):
            mask[places[kinds == 1][:, 1], places[kinds == 1][:, 0]] = True
        return masks, (labels == 1).sum(1) / 100
    return answer


def sometimes(image):
    if torch.equal(image, known()[1].image):
        raise RuntimeError("no such object")
    return spots(image)


def logits(image):
    return lambda points, labels: (torch.zeros(len(points), *image.shape[1:]), torch.zeros(len(points)))
"""
ASKED: list[tuple[Tensor, Tensor]] = []  # what the segmenter spots was asked
QUICK: dict[str, Any] = {"counts": (1, 2), "shares": (0.1,)}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own_cues.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def settings_of(own: Path, *methods: str, **changes: Any) -> Settings:
    written = [f"{own}:{name}" if name in OWN.replace("(", " ").split() else name for name in methods]
    usual = {
        "dataset": "shapes",
        "class_map": "shapes",
        "samples": 3,
        "image_size": 64,
        "model": f"{own}:net",
        "layer": "features.4",
        "methods": written,
        "metrics": ["coverage", "spill", "pointing_game", "effectiveness"],
        "device": "cpu",
        "batch_size": 8,
    }
    return read_settings({**usual, **changes})


def cueing_of(own: Path, *segmenters: str, **changes: Any) -> CueSettings:
    return CueSettings(tuple(f"{own}:{name}" for name in segmenters), **{**QUICK, **changes})


def rows_of(folder: Path) -> pd.DataFrame:
    """With the names of one's own methods and segmenters alone, without their file."""
    rows = plain(read_samples(folder))
    for column in ("method", "metric"):
        rows[column] = rows[column].str.replace(r"[^(= ]*own_cues\.py:", "", regex=True)
    return rows


@pytest.fixture(scope="module")
def rows(own: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    settings = settings_of(own, "truth", "half_truth", "red", "random")
    return rows_of(run_with_cues(settings, cueing_of(own, "oracle", "spots"), tmp_path_factory.mktemp("run") / "here"))


def values(rows: pd.DataFrame, metric: str, method: str | None = None) -> pd.Series:
    chosen = rows[(rows["metric"] == metric) & ((rows["method"] == method) | (method is None))]
    assert len(chosen)
    return chosen.set_index("sample_id")["value"]


def test_a_run_leaves_these_rows_and_no_others(rows: pd.DataFrame):
    explainers, fusions, segmenters = ["truth", "half_truth", "red"], ["mean", "weighted"], ["oracle", "spots"]
    interpretability = ["coverage", "spill", "pointing_game", "effectiveness"]
    wanted = set()
    for method in [*explainers, "random"]:
        wanted |= {(method, metric) for metric in [*interpretability, "stability"]}
    for method in explainers:
        wanted |= {(method, metric) for metric in ("consensus", "focus", "robustness", "weight")}
        wanted |= {(method, f"agreement(with={other})") for other in explainers if other != method}
    wanted |= {(method, metric) for method in fusions for metric in interpretability}
    for method in [*explainers, "random", *fusions]:
        wanted |= {(method, "iou(segmenter=threshold)")}
        wanted |= {(method, f"{metric}(against={name})") for name in segmenters for metric in ("coverage", "spill")}
    for name in segmenters:
        asked = {
            (method, "") for method in [*explainers, "random", *fusions, "centre_point", "uniform_points", "truth "]
        }
        asked |= {(method, more) for method in fusions for more in (", background=0", ", cues=box")} | {
            ("truth ", ", background=0")
        }
        asked |= {(method, more) for method in fusions for more in (", points=1", ", points=2", ", share=0.1")}
        wanted |= {
            (method, f"{metric}(segmenter={name}{more})") for method, more in asked for metric in ("iou", "confidence")
        }
    left = list(rows[rows["metric"] != "score"][["method", "metric"]].itertuples(index=False, name=None))
    # the ceiling is called truth, too: here a user's own method has its name without its file
    ceiling = [(method.rstrip(), metric) for method, metric in wanted]
    assert sorted(left) == sorted(ceiling * 3)
    assert set(rows["status"]) == {"ok"}


def test_a_segmenter_that_knows_the_truth_is_right_whatever_it_is_asked(rows: pd.DataFrame):
    of_oracle = rows[rows["metric"].str.startswith("iou(segmenter=oracle")]
    assert len(of_oracle) > 50 and (of_oracle["value"] == 1).all()
    assert (rows[rows["metric"].str.startswith("confidence(segmenter=oracle")]["value"] == 0.75).all()
    for metric in ("coverage", "spill"):  # its mask is the truth, whichever the map
        pd.testing.assert_series_equal(
            values(rows, f"{metric}(against=oracle)", "red"), values(rows, metric, "red"), check_names=False, atol=1e-6
        )


def test_the_support_of_the_truth_is_the_truth_and_of_another_map_its_overlap(rows: pd.DataFrame):
    assert (values(rows, "iou(segmenter=threshold)", "half_truth") == 1).all()
    data = load_dataset("shapes")
    for sample_id, iou in values(rows, "iou(segmenter=threshold)", "red").items():
        sample = data.load(sample_id, 64)
        support = sample.image[0] >= 0.5
        assert iou == pytest.approx(float((support & sample.mask).sum() / (support | sample.mask).sum()))


def test_points_drawn_in_the_truth_lie_in_it_and_as_many_as_were_asked_for(rows: pd.DataFrame):
    """spots answers the foreground points and tells how many there were: its IoU is their share of the truth."""
    data = load_dataset("shapes")
    area = {name: int(data.load(name, 64).mask.sum()) for name in set(rows["sample_id"])}
    for more in ("", ", background=0"):
        asked = rows[rows["method"] == "truth"]
        ious = asked[asked["metric"] == f"iou(segmenter=spots{more})"]["value"].to_numpy()
        counts = asked[asked["metric"] == f"confidence(segmenter=spots{more})"]["value"].to_numpy() * 100
        names = asked[asked["metric"] == f"iou(segmenter=spots{more})"]["sample_id"]
        assert (counts >= 1).all() and (counts <= 5 + 1e-4).all()
        assert ious == pytest.approx([c / area[name] for c, name in zip(counts, names, strict=True)], rel=1e-5)
    for method, expected in {"centre_point": 0.01, "uniform_points": 0.05}.items():
        assert values(rows, "confidence(segmenter=spots)", method).to_numpy() == pytest.approx(expected)


def test_weights_are_shares_in_proportion_to_their_parts(rows: pd.DataFrame):
    table = rows[rows["metric"].isin(["consensus", "focus", "robustness", "weight"])]
    table = table.set_index(["sample_id", "method", "metric"])["value"].unstack()  # noqa: PD010
    assert table.groupby("sample_id")["weight"].sum().to_numpy() == pytest.approx(1)
    product = table["consensus"] * table["focus"] * table["robustness"].clip(lower=0)
    share = product / product.groupby("sample_id").transform("sum")
    assert table["weight"].to_numpy() == pytest.approx(share.to_numpy(), abs=1e-5)
    assert (values(rows, "stability", "red") == values(rows, "robustness", "red")).all()
    assert (values(rows, "agreement(with=half_truth)", "truth") == 1).all()


def cues_asked(own: Path, folder: Path, *methods: str, **changes: Any) -> list[tuple[Tensor, Tensor]]:
    run_with_cues(settings_of(own, *methods, samples=1), cueing_of(own, "spots", **changes), folder)
    return ASKED[-1:]


def test_a_segmenter_is_asked_once_an_image_and_without_background_only_where_it_is_said(own: Path, tmp_path: Path):
    before = len(ASKED)
    ((points, labels),) = cues_asked(own, tmp_path / "a", "truth", "red", background=3)
    assert len(ASKED) == before + 1
    kinds = [(int((way == 1).sum()), int((way == 0).sum())) for way in labels]
    # truth, red, the fusions: plain, background=0, box, points=1, points=2, share=0.1; centre; uniform; the ceiling
    fusion = [(0, 0), (5, 3), (5, 0), (1, 1), (2, 2), (5, 3)]
    background = [b for _, b in kinds]
    assert background == [3, 3, *[b for _, b in fusion] * 2, 0, 0, 3, 0]
    inside = labels == 1
    for first in (2, 8):
        order = [f for f, _ in kinds[first : first + 6]]
        assert sum(f in (0, 1, 2) for f in order) >= 3
        plain, bare = first + 1, first + 2  # a map's foreground is the same with background points and without
        assert inside[bare].sum() > 0
        assert torch.equal(points[plain][inside[plain]], points[bare][inside[bare]])
    assert (points[inside] >= 0).all() and (points[inside] <= 63).all()


def test_another_segmenter_beside_it_moves_no_cue(own: Path, tmp_path: Path):
    ((alone, _),) = cues_asked(own, tmp_path / "a", "truth", "red")
    run_with_cues(settings_of(own, "truth", "red", samples=1), cueing_of(own, "oracle", "spots"), tmp_path / "b")
    assert torch.equal(ASKED[-1][0], alone)


def test_a_run_that_is_killed_goes_on_and_leaves_the_same_bytes(own: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(runner, "GROUP", 1)
    settings, asked = settings_of(own, "truth", "red", "gradcam"), cueing_of(own, "spots")
    whole = run_with_cues(settings, asked, tmp_path / "whole")
    honest, done = cue_run.cue_rows, []

    def killed(*arguments: Any) -> list[dict[str, Any]]:
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(cue_run, "cue_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        run_with_cues(settings, asked, tmp_path / "killed")
    assert len(list((tmp_path / "killed/parts").glob("*.samples.parquet"))) == 1
    run_with_cues(settings, asked, tmp_path / "killed")
    assert len(done) == 4
    assert same_bytes(whole, tmp_path / "killed")
    run_with_cues(settings, asked, tmp_path / "killed")
    assert len(done) == 4


def test_the_size_of_a_group_changes_no_row(own: Path, tmp_path: Path, monkeypatch, rows: pd.DataFrame):
    monkeypatch.setattr(runner, "GROUP", 2)
    again = rows_of(
        run_with_cues(
            settings_of(own, "truth", "half_truth", "red", "random"),
            cueing_of(own, "oracle", "spots"),
            tmp_path / "here",
        )
    )
    keys = ["sample_id", "method", "metric", "value"]
    first, second = (table.sort_values(keys)[keys].reset_index(drop=True) for table in (rows, again))
    pd.testing.assert_frame_equal(first, second, atol=1e-5)


def test_other_cues_or_weights_in_the_same_folder_are_refused(own: Path, tmp_path: Path, monkeypatch):
    settings = settings_of(own, "truth", "red", samples=1)
    run_with_cues(settings, cueing_of(own, "spots"), tmp_path / "here")
    run_with_cues(settings, cueing_of(own, "spots"), tmp_path / "here")
    for changes in ({"foreground": 6}, {"shares": (0.2,)}, {"counts": ()}, {"threshold": 0.4}):
        with pytest.raises(UserError, match=rf"made with other settings: {next(iter(changes))} was .* name another"):
            run_with_cues(settings, cueing_of(own, "spots", **changes), tmp_path / "here")
    with pytest.raises(UserError, match=r"made with other settings: segmenters was .* and is now None"):
        with_robustness = [*settings.metrics, cueing_of(own, "spots").robustness]
        runner.run_benchmark(settings.changed({"metrics": with_robustness}), tmp_path / "here")
    with pytest.raises(UserError, match="were made with other"):
        run_with_cues(settings, cueing_of(own, "spots", robustness="stability_flip"), tmp_path / "here")
    before = own.read_text(encoding="utf-8")
    own.write_text(before + "# more\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"made with other code of .*own_cues\.py:\w+, though under the same name"):
        run_with_cues(settings, cueing_of(own, "spots"), tmp_path / "here")
    own.write_text(before, encoding="utf-8")
    monkeypatch.setattr(cue_run, "fingerprint", lambda _segmenter: "other weights")
    with pytest.raises(UserError, match="made with other settings: weights was"):
        run_with_cues(settings, cueing_of(own, "spots"), tmp_path / "here")


def test_maps_that_are_constant_or_broken_are_rows_with_their_reason(own: Path, tmp_path: Path):
    settings = settings_of(own, "truth", "half_truth", "red", "grey", "zeros", "not_finite", "too_large")
    rows = rows_of(run_with_cues(settings, cueing_of(own, "oracle"), tmp_path / "here"))
    reasons = {
        method: rows[rows["method"] == method].groupby(["metric", "status"])["reason"].first()
        for method in ("grey", "zeros", "not_finite", "too_large")
    }
    for method, why in {"not_finite": "not finite", "too_large": "expected 0 to 1"}.items():
        assert set(reasons[method].index.get_level_values("status")) == {"failed"}
        assert reasons[method].str.contains(why).all()
    assert rows[rows["status"].isin(["failed", "undefined"])]["value"].isna().all()
    for method in ("grey", "zeros"):
        for metric in ("iou", "confidence"):
            assert reasons[method][f"{metric}(segmenter=oracle)", "undefined"] == "the map is constant"
        assert reasons[method]["iou(segmenter=threshold)", "degenerate"] == "the map is constant"
        assert "ok" not in reasons[method].index.get_level_values("status")
    assert (values(rows, "iou(segmenter=threshold)", "zeros") == 0).all()
    assert reasons["zeros"]["focus", "undefined"] == "a map of zeros is no distribution"
    weights = rows[rows["metric"] == "weight"]
    assert weights.groupby("sample_id")["value"].sum().to_numpy() == pytest.approx(1)  # of those that have a weight
    assert (values(rows, "iou(segmenter=oracle)", "weighted") == 1).all()


def test_where_no_map_is_reliable_the_weighted_fusion_does_not_exist(own: Path, tmp_path: Path):
    rows = rows_of(run_with_cues(settings_of(own, "grey", "zeros"), cueing_of(own, "oracle"), tmp_path / "here"))
    for metric, of_metric in rows[rows["method"] == "weighted"].groupby("metric"):
        assert set(of_metric["status"]) == {"undefined"}, metric
        assert set(of_metric["reason"]) == {"no map is reliable"}
    assert set(rows[rows["metric"] == "weight"]["status"]) == {"undefined"}
    mean = rows[(rows["method"] == "mean") & (rows["metric"] == "iou(segmenter=oracle)")]
    assert set(mean["reason"]) == {"the map is constant"}
    against = rows[(rows["method"] == "grey") & (rows["metric"] == "coverage(against=oracle)")]
    assert set(against["reason"]) == {"there is no mask"}
    assert (rows[rows["metric"] == "iou(segmenter=oracle)"].query("method == 'centre_point'")["value"] == 1).all()


@pytest.mark.parametrize("methods", [["truth"], ["truth", "random", "all_ones"], ["random", "half"]])
def test_fewer_than_two_explainers_are_refused_before_any_work(own: Path, tmp_path: Path, monkeypatch, methods):
    monkeypatch.setattr(cue_run, "run_benchmark", lambda *_arguments: pytest.fail("began"))
    with pytest.raises(UserError, match=r"methods has [01] that are no controls; a fusion needs two"):
        run_with_cues(settings_of(own, *methods), cueing_of(own, "spots"), tmp_path / "here")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"segmenters": ()}, "segmenters is"),
        ({"segmenters": "random_walker"}, "segmenters is 'random_walker'; expected a list"),
        ({"segmenters": ("threshold",)}, "always told"),
        ({"threshold": 0}, "threshold is 0"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"threshold": "half"}, "'half'; expected numbers"),
        ({"foreground": 0}, "foreground is 0"),
        ({"foreground": 2.5}, "2.5; expected whole numbers"),
        ({"background": -1}, "background -1"),
        ({"counts": (0,)}, "counts"),
        ({"counts": 4}, "counts is 4; expected a list"),
        ({"top": 0.0}, "shares"),
        ({"bottom": 0.6}, "0.6"),
        ({"shares": (0.1, -0.1)}, "-0.1"),
        ({"apart": -1}, "apart is -1"),
        ({"apart": math.inf}, "apart is inf"),
    ],
)
def test_settings_of_cues_that_cannot_be_are_refused(changes: dict[str, Any], match: str, monkeypatch):
    monkeypatch.setattr(config, "jaxtyping_disable", True)  # as it is for users
    with pytest.raises(UserError, match=match):
        CueSettings(**changes)


def test_lists_of_a_notebooks_parameters_do_as_well(own: Path, tmp_path: Path):
    listed = CueSettings([f"{own}:spots"], counts=[1], shares=[])
    run_with_cues(settings_of(own, "truth", "red", samples=1), listed, tmp_path / "here")
    tuples = CueSettings((f"{own}:spots",), counts=(1,), shares=())
    run_with_cues(settings_of(own, "truth", "red", samples=1), tuples, tmp_path / "here")


@pytest.mark.parametrize(
    ("robustness", "changes", "match"),
    [
        ("stabilty", {}, "Unknown metric 'stabilty'.*stability"),
        ("iou", {}, "iou is no metric of a map"),
        ("seconds", {}, "expected a metric that gives a map one number"),
        ("insertion", {"k": [0.1, 0.2]}, "one number"),
        ("insertion", {"fill": ["mean", "blur"]}, "one number"),
    ],
)
def test_robustness_is_one_number_a_map(own: Path, tmp_path: Path, robustness: str, changes, match: str):
    with pytest.raises(UserError, match=match):
        run_with_cues(
            settings_of(own, "truth", "red", **changes), cueing_of(own, "spots", robustness=robustness), tmp_path / "a"
        )
    assert not (tmp_path / "a").exists()


def test_a_segmenter_that_is_none_is_refused(own: Path, tmp_path: Path):
    with pytest.raises(UserError, match="Unknown promptable segmenter 'sam'"):
        run_with_cues(settings_of(own, "truth", "red"), CueSettings(("sam",)), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match=r"gives masks .* of torch.float32 .*expected .*torch.bool"):
        run_with_cues(settings_of(own, "truth", "red"), cueing_of(own, "logits"), tmp_path / "a")


def test_a_segmenter_that_raises_on_an_image_fails_there_and_nowhere_else(own: Path, tmp_path: Path):
    settings = settings_of(own, "truth", "red", "zeros")
    each = [rows_of(run_with_cues(settings, cueing_of(own, name), tmp_path / name)) for name in ("sometimes", "spots")]
    rows, whole = (table.assign(metric=table["metric"].str.replace("sometimes", "spots")) for table in each)
    asked = (rows["sample_id"] == "test-00001") & rows["metric"].str.contains("spots")
    lost = rows[asked & (rows["method"] != "zeros")]  # which has no cues to ask with
    assert set(lost["status"]) == {"failed"} and set(lost["reason"]) == {"RuntimeError: no such object"}
    assert rows[asked]["value"].isna().all() and len(rows) == len(whole)
    columns = ["sample_id", "method", "metric", "value", "status", "reason"]
    pd.testing.assert_frame_equal(rows[~asked][columns], whole[~asked][columns], check_exact=True)


def test_void_pixels_count_neither_for_nor_against(own: Path):
    size = 32
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[8:20, 8:24] = True
    void = torch.zeros_like(mask)
    void[20:26, 8:24] = True
    labels = mask.to(torch.uint8).masked_fill(void, IGNORE)
    sample = Sample(torch.rand(3, size, size, generator=torch.Generator().manual_seed(0)), mask, 1, "image", labels)
    settings = settings_of(own, "truth", "red", image_size=size)
    model = load_model(f"{own}:net", "features.4", shape=(size, size), kind="classifier")
    runtime = prepare(model.module, (size, size), "cpu", "float32", 8)
    group = Group(settings, load_dataset("shapes"), model, runtime, [sample])

    def iou(answered: Tensor) -> float:
        def segmenter(_image: Tensor) -> Any:
            return lambda points, labels: (answered.repeat(len(points), 1, 1), torch.ones(len(points)))

        rows = cue_run.cue_rows(group, settings.method_keys(), CueSettings(("any",), **QUICK), {"any": segmenter})
        (value,) = {row["value"] for row in rows if row["metric"].startswith("iou(segmenter=any")}
        return value

    half = torch.zeros_like(mask)
    half[8:20, 8:16] = True
    assert iou(mask) == iou(mask | void) == 1
    assert iou(half) == iou(half | void) == 0.5
    assert iou(void) == 0
    assert iou(~mask & ~void) == 0


def test_the_random_walker_runs_end_to_end_and_the_flat_shapes_prefer_it(own: Path, tmp_path: Path):
    rows = rows_of(
        run_with_cues(
            settings_of(own, "truth", "half_truth", "random"), CueSettings(("random_walker",), **QUICK), tmp_path / "a"
        )
    )
    of_truth = rows[rows["method"] == "mean"]
    fused = of_truth[of_truth["metric"] == "iou(segmenter=random_walker)"]["value"]
    worse = values(rows, "iou(segmenter=random_walker)", "random")
    assert fused.mean() > worse.mean()
    confidences = rows[rows["metric"].str.startswith("confidence")]["value"]
    assert confidences.between(0.5, 1).all()
