"""FunnyBirds' scores: cases solved by hand, models that go by known parts, and a plain implementation beside ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import Classifier, ready
from PIL import Image
from scipy import ndimage, stats
from torch import Tensor, nn

from segattr_lib.data import SampleError, load_dataset
from segattr_lib.data.funnybirds import PARTS, REGIONS, PartDataset, part_labels
from segattr_lib.data.part_figures import class_of, class_variants
from segattr_lib.sections.arcc_parts import funnybirds
from segattr_lib.sections.arcc_parts.funnybirds import (
    THRESHOLDS,
    ask,
    best_threshold,
    deletion_check,
    distractibility,
    funnybirds_scores,
    importances,
    preservation_check,
    single_deletion,
    summary,
    synthetic_check,
    target_sensitivity,
)
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target

# Small cases solved by hand


def test_importance_is_the_sum_over_the_mask_and_two_pixels_around():
    region = torch.zeros(1, 9, 9, dtype=torch.bool)
    region[0, 4, 3] = True
    maps = torch.zeros(2, 9, 9)
    maps[0] = 1
    maps[1, 2, 1], maps[1, 2, 6], maps[1, 6, 5] = 0.25, 10, 0.5
    assert importances(maps, region).tolist() == [[25.0], [0.75]]


def test_checks_by_hand():
    marked = np.array([[True, True, False], [True, False, False], [False, False, False]])
    assert synthetic_check(marked, np.array([[True, True, False], [False, False, True]])).tolist() == [1, 0.5, 0]
    said = np.zeros(8, int)
    said[[3, 7]] = 5  # only without the first two parts is another class said
    assert deletion_check(marked, said).tolist() == [1, 0, 0]
    assert preservation_check(marked, said).tolist() == [1, 1, 0]


def test_distractibility_by_hand():
    without = np.array([8.0, 9.6, 10.4, 9.4, 12.0])  # of 10: only falls of at least .5 are relevant
    marked = np.array([[False, False, False, False, False], [True, True, False, True, True], [True] * 5])
    assert np.allclose(distractibility(marked, 10.0, without), [1, 1 / 3, 0])
    assert np.allclose(distractibility(marked, -10.0, -without), [1, 1 / 4, 0])
    assert np.isnan(distractibility(marked, 10.0, np.zeros(5))).all()


def test_single_deletion_by_hand():
    assert single_deletion(np.array([3.0, 1, 2]), np.array([30.0, -10, 20])) == 1
    assert single_deletion(np.array([1.0, 3, 2]), np.array([30.0, -10, 20])) == 0
    assert single_deletion(np.array([3.0, 2, 1]), np.array([30.0, -10, 20])) == pytest.approx(0.75)
    assert math.isnan(single_deletion(np.ones(3), np.arange(3.0)))
    assert math.isnan(single_deletion(np.arange(3.0), np.ones(3)))


def test_target_sensitivity_by_hand():
    shared = np.array([[True, True, False, False, False], [False, False, True, True, False]])
    own, other = np.array([2.0, 1, 1, 1, 9]), np.array([1.0, 1, 2, 2, 0])
    assert target_sensitivity(np.stack([own, other]), shared) == 1
    assert target_sensitivity(np.stack([other, own]), shared) == 0
    assert target_sensitivity(np.stack([own, own]), shared) == 0
    assert target_sensitivity(np.stack([own, own / 4]), shared) == 0.5


def test_the_threshold_is_the_same_for_all_and_the_lowest_of_the_best():
    curves = np.zeros((2, 4, 3))
    curves[0, 3], curves[1, 0] = [0.2, 0.4, 0.4], [np.nan, np.nan, np.nan]
    assert best_threshold(curves) == 1
    curves[1, :3, 2] = [np.nan, 1, 1]
    assert best_threshold(curves) == 2
    assert best_threshold(np.full((1, 4, 3), np.nan)) == 0


def test_the_thresholds_are_eighty_from_a_hundredth_to_a_half():
    assert (THRESHOLDS[0], THRESHOLDS[-1], len(THRESHOLDS)) == (0.01, 0.5, 80)


# Models that read known parts

SIDE = 40
PLACES = {"beak": (4, 4), "eye": (4, 17), "foot": (4, 30), "tail": (17, 4), "wing": (17, 17)}
OBJECTS = {"bg_000": (17, 30), "bg_001": (30, 10)}
GOES_BY = {"beak": 1.0, "tail": 0.6}  # of the parts that are read; all others are ignored
TABLE = np.array(
    [
        [2, 2, 2, 2, 3],  # shares nothing; what is said where nothing fits
        [0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1],  # shares beak and eye with class 1
        [1, 1, 0, 0, 2],  # shares foot and tail
    ]
)


def block(name: str) -> tuple[slice, slice]:
    row, column = (PLACES | OBJECTS)[name]
    return slice(row, row + 6), slice(column, column + 6)


def blocks(class_ids: list[int], variants: np.ndarray = TABLE) -> PartDataset:
    """A data set of grey squares, one a part, whose brightness is the variant; taken away they are black."""

    def without(sample_id: str, taken: Collection[str]) -> Image.Image:
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        for p, part in enumerate(PARTS):
            pixels[block(part)] = 40 * (1 + variants[class_ids[int(sample_id)], p])
        for name in OBJECTS:
            pixels[block(name)] = 200
        for name in taken:
            pixels[block(name)] = 0
        return Image.fromarray(pixels)

    def part_map(sample_id: str) -> np.ndarray:
        drawn = np.zeros((SIDE, SIDE, 3), np.uint8)
        colours = dict(REGIONS) | {"bg_000": (204, 204, 204), "bg_001": (204, 204, 205)}
        for name in (*PARTS, *OBJECTS):
            drawn[block(name)] = colours[name]
        return drawn

    return PartDataset(
        "blocks",
        "test",
        [str(number) for number in range(len(class_ids))],
        [],
        lambda sample_id: (without(sample_id, ()), part_labels(part_map(sample_id), class_ids[int(sample_id)])),
        lambda sample_ids: "",
        lambda sample_id: class_ids[int(sample_id)],
        parts=PARTS,
        variants=variants,
        objects_of=lambda sample_id: len(OBJECTS),
        part_map=part_map,
        without=without,
    )


class PartReader(nn.Module):
    """Logits: of every class the sum of the weights of those parts that look like its own; class 0 has .01 more."""

    def __init__(self, weights: dict[str, float] = GOES_BY):
        super().__init__()
        self.weights = weights

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), len(TABLE))
        logits[:, 0] = 0.01
        for part, weight in self.weights.items():
            seen = (images[(slice(None), 0, *block(part))].mean((1, 2)) * 255 / 40).round().long() - 1
            logits += weight * (seen[:, None] == torch.from_numpy(TABLE[:, PARTS.index(part)]))
        return logits


def evidence(images: Tensor, target: Target, draws: Draws) -> Tensor:
    """Exactly what PartReader goes by, when asked for a class."""
    maps = torch.zeros(len(images), SIDE, SIDE)
    for drawn, image, class_id in zip(maps, images, target.class_id.tolist(), strict=True):
        for part, weight in GOES_BY.items():
            level = round(float(image[(0, *block(part))].mean()) * 255 / 40) - 1
            drawn[block(part)] = weight * (level == TABLE[class_id, PARTS.index(part)])
    return maps


def marking(values: dict[str, float]) -> Callable[[Tensor, Target, Draws], Tensor]:
    """The same map of everything: these values on these blocks."""

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        maps = torch.zeros(len(images), SIDE, SIDE)
        for name, value in values.items():
            maps[(slice(None), *block(name))] = value
        return maps

    return explain


def random_maps(images: Tensor, target: Target, draws: Draws) -> Tensor:
    shape = tuple(images.shape[2:])
    fields = [ndimage.gaussian_filter(rng.random(shape), 4) for rng in draws.generators("map")]
    return torch.from_numpy(np.stack([(field - field.min()) / np.ptp(field) for field in fields])).float() ** 4


def scored(explain: Callable[[Tensor, Target, Draws], Tensor], class_ids: Collection[int] = (1, 1, 1)) -> pd.DataFrame:
    dataset = blocks(list(class_ids))
    return funnybirds_scores(ready(PartReader()), dataset, explain, dataset.sample_ids, size=SIDE)


def test_the_evidence_itself_scores_best():
    table = scored(evidence)
    assert table.status.tolist() == ["ok"] * 3
    names = [*funnybirds.COMPLETENESS, "completeness", "correctness", "contrastivity", "funnybirds"]
    assert (table[names] == 1).all(axis=None)
    assert (summary(table)[names] == 1).all()
    assert (table.threshold == 0.01).all()


def test_the_inverted_evidence_scores_worst():
    table = scored(lambda images, target, draws: 1 - evidence(images, target, draws))
    assert np.allclose(table[["correctness", "contrastivity"]], 0, atol=1e-12)
    # Marking everything, or nothing, is complete by half; an inverted map has nothing better to offer.
    assert (table.completeness == 0.5).all()
    assert np.allclose(table.funnybirds, 1 / 6)


def test_a_map_of_nothing_is_complete_by_half_and_degenerate():
    table = scored(marking({}))
    assert (table.status == "degenerate").all()
    assert (table[["csdc", "pc", "dc"]] == 0).all(axis=None)
    assert (table.d == 1).all()
    assert (table.completeness == 0.5).all()
    assert table.correctness.isna().all()


def test_a_map_of_one_irrelevant_part_by_hand():
    """An eye is half of {eye, foot} or {eye, tail}; it is one of five things that are irrelevant."""
    table = scored(marking({"eye": 1.0}))
    assert table[["csdc", "pc", "dc"]].to_numpy().tolist() == [[0.5, 0, 0]] * 3
    assert np.allclose(table.d, 0.8)
    assert np.allclose(table.completeness, (0.5 / 3 + 0.8) / 2)


def test_an_object_of_the_background_distracts():
    assert np.allclose(scored(marking({"beak": 1.0, "tail": 0.6, "bg_001": 0.6})).d, 0.8)


def test_a_map_that_is_not_made_anew_for_a_class_is_not_sensitive_to_it():
    assert (scored(marking(GOES_BY)).contrastivity == 0).all()


def test_the_map_is_asked_for_the_class_said_the_true_one_and_the_rivals():
    asked: list[tuple[list[str], list[int], str]] = []

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        asked.append((list(draws.sample_ids), target.class_id.tolist(), draws.occasion))
        return evidence(images, target, draws)

    class Wrong(PartReader):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)[:, [1, 0, 2, 3]]

    dataset = blocks([1, 2])
    table = funnybirds_scores(ready(Wrong()), dataset, explain, ["0", "1"], size=SIDE)
    assert table.said.tolist() == [0, 2]
    assert asked[0] == (["0", "1"], [0, 2], "/said")
    assert asked[1] == (["0"], [1], "/true")
    assert asked[2:] == [(["0"], [2], "/rival 0"), (["0"], [3], "/rival 1")]
    assert np.isnan(table.csdc[0])
    assert table.status.tolist() == ["undefined", "undefined"]
    assert "wrong" in table.reason[0]
    assert "rivals" in table.reason[1]


def test_sensitivity_is_not_asked_where_the_model_does_not_follow_the_parts():
    """A model that reads the wing alone: no rival's logit depends on a part it shares with class 1."""
    dataset = blocks([1])
    table = funnybirds_scores(ready(PartReader({"wing": 1.0})), dataset, evidence, ["0"], size=SIDE)
    assert np.isnan(table.contrastivity[0])
    assert table.status[0] == "undefined"


# The whole protocol again, slowly and plainly


def plain_scores(model: nn.Module, dataset: PartDataset, explain: Callable, names: list[str], size: int) -> list[dict]:
    """From the definitions, one sample, one threshold and one picture at a time."""

    @cache
    def logits(name: str, taken: frozenset[str]) -> np.ndarray:
        picture = dataset.without(name, taken)
        pixels = np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255
        with torch.no_grad():
            return model(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])[0].double().numpy()

    def shares(name: str, class_id: int, occasion: str) -> tuple[dict[str, float], float]:
        sample = dataset.load_parts(name, size)
        drawn = explain(sample.image[None], Target(torch.tensor([class_id])), Draws(0, [name], occasion))[0].numpy()
        sums = dict.fromkeys([*PARTS, *sample.names], 0.0)
        for part, region in zip(sample.names, sample.regions.numpy(), strict=True):
            sums[part] += float(drawn[ndimage.binary_dilation(region, np.ones((5, 5)))].astype(float).sum())
        return sums, float(drawn.astype(float).sum())

    table = [dict(zip(PARTS, row, strict=True)) for row in dataset.variants.tolist()]
    rows = []
    for name in names:
        true = dataset.class_of(name)
        before = logits(name, frozenset())
        said = int(before.argmax())
        own, own_sum = shares(name, true, "/said" if said == true else "/true")
        marks, marks_sum = shares(name, said, "/said")
        enough = telling_sets(table, true)
        row = {"csdc": [], "pc": [], "dc": [], "d": []}
        after = {part: logits(name, frozenset({part}))[true] for part in own}
        for t in THRESHOLDS:
            kept = frozenset(part for part in PARTS if marks[part] > t * marks_sum)
            row["pc"].append(float(logits(name, frozenset(PARTS) - kept).argmax() == said))
            row["dc"].append(float(logits(name, kept).argmax() != said))
            best = max(len(kept & parts) / len(parts) for parts in enough)
            row["csdc"].append(best if said == true else math.nan)
            marked = {part for part in own if own[part] > t * own_sum}
            idle = {
                part
                for part in own
                if after[part] > before[true] or abs(before[true] - after[part]) < abs(0.05 * before[true])
            }
            row["d"].append(1 - len(marked & idle) / len(idle) if idle else math.nan)
        drops = [before[true] - after[part] for part in PARTS]
        row["correctness"] = (stats.spearmanr([own[part] for part in PARTS], drops)[0] + 1) / 2
        row["contrastivity"] = plain_sensitivity(name, true, table, before, logits, shares)
        rows.append(row)
    return rows


def telling_sets(table: list[dict[str, int]], class_id: int) -> list[set[str]]:
    def tells(parts: Collection[str]) -> bool:
        return sum(all(row[p] == table[class_id][p] for p in parts) for row in table) == 1

    sets = [set(parts) for count in range(1, 6) for parts in combinations(PARTS, count)]
    return [parts for parts in sets if tells(parts) and not any(tells(parts - {p}) for p in parts)]


def plain_sensitivity(name, true, table, before, logits, shares) -> float:
    common = [{p for p in PARTS if row[p] == table[true][p]} for row in table]
    for a in range(len(table)):
        for b in range(a + 1, len(table)):
            if len(common[a]) == len(common[b]) == 2 and not common[a] & common[b]:
                without_a, without_b = (logits(name, frozenset(common[rival])) for rival in (a, b))
                if not (without_a[a] < without_b[a] and without_b[b] < without_a[b]):
                    return math.nan
                map_a, map_b = shares(name, a, "/rival 0")[0], shares(name, b, "/rival 1")[0]
                first = sum(map_a[p] for p in common[a]) > sum(map_b[p] for p in common[a])
                second = sum(map_b[p] for p in common[b]) > sum(map_a[p] for p in common[b])
                return (first + second) / 2
    return math.nan


class Blurred(nn.Module):
    """A classifier of random weights that sees where colours lie: linear in 4 x 4 means, far from trained."""

    def __init__(self, seed: int):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.head = nn.Parameter(torch.randn(20, 3 * 16, generator=draw))

    def forward(self, images: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)
        return (means - means.mean(1, keepdim=True)) @ self.head.T


@pytest.mark.slow
def test_the_scores_are_those_of_a_plain_implementation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(funnybirds, "BATCH", 2)
    dataset, model = load_dataset("part_figures"), ready(Blurred(3))
    assert isinstance(dataset, PartDataset)
    said = {name: int(model(dataset.load(name, 56).image[None]).argmax()) for name in dataset.sample_ids[:40]}
    right = {name: said[name] for name in list(said)[:4]}  # told right by decree, so that every check applies
    table = class_variants().copy()
    decreed = replace(dataset, class_of=lambda name: right.get(name, class_of(name)), variants=table)
    names = list(dataset.sample_ids[:5])
    scores = funnybirds_scores(model, decreed, random_maps, names, size=56)
    wanted = plain_scores(model, decreed, random_maps, names, 56)
    curves = np.array([[row[key] for key in funnybirds.COMPLETENESS] for row in wanted])
    with np.errstate(invalid="ignore"):
        means = np.nanmean(curves, 0)
    at = int(np.argmax((means[0] + means[1] + means[2]) / 3 + means[3]))
    assert (scores.threshold == THRESHOLDS[at]).all()
    for key, values in zip(funnybirds.COMPLETENESS, curves[..., at].T, strict=True):
        assert np.allclose(scores[key].astype(float), values, equal_nan=True), key
    for key in ("correctness", "contrastivity"):
        assert np.allclose(scores[key].astype(float), [row[key] for row in wanted], equal_nan=True), key
    assert scores.csdc.notna().sum() >= 4
    assert scores.contrastivity.notna().any()
    whole = summary(scores)
    assert whole.completeness == pytest.approx(((means[0] + means[1] + means[2]) / 3 + means[3])[at] / 2)
    assert whole.n_csdc == scores.csdc.notna().sum()


def test_a_picture_that_is_not_there_fails_its_sample():
    def without(sample_id: str, taken: Collection[str]) -> Image.Image:
        raise SampleError("failed", "body_beak_eye.png of 0 cannot be read")

    dataset = replace(blocks([1]), without=without)
    table = funnybirds_scores(ready(Classifier(20)), dataset, random_maps, dataset.sample_ids, size=SIDE)
    assert table.status.tolist() == ["failed"]
    assert "body_beak_eye.png" in table.reason[0]


def test_answers_serve_any_number_of_maps():
    dataset, model = blocks([1, 2, 3]), ready(PartReader())
    answers = ask(model, dataset, dataset.sample_ids, SIDE)
    asked = funnybirds_scores(model, dataset, evidence, dataset.sample_ids, size=SIDE)

    class Silent(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError("asked again")

    again = funnybirds_scores(Silent(), dataset, evidence, dataset.sample_ids, size=SIDE, answers=answers)
    pd.testing.assert_frame_equal(asked, again)


def test_a_map_that_is_not_finite_fails_its_sample_alone():
    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        maps = evidence(images, target, draws)
        maps[[name == "1" for name in draws.sample_ids], 0, 0] = torch.nan
        return maps

    table = scored(explain)
    assert table.status.tolist() == ["ok", "failed", "ok"]
    assert "finite" in table.reason[1]
    assert table.funnybirds.tolist()[::2] == [1, 1]
