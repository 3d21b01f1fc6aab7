"""FunnyBirds' scores (Hesse et al., ICCV 2023): are the parts a map marks the parts a model goes by?

Completeness, correctness and contrastivity, as the paper has them and its public code computes them
(github.com/visinf/funnybirds, evaluation_protocols.py), from what a model says once parts are taken away.
A model is asked once (`ask`), whatever the number of maps that are then judged by its answers.
All scores lie in [0,1], higher is better; a score that does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from segattr_lib.data.funnybirds import PartDataset, PartSample, as_image, background_object, rivals, sufficient_sets
from segattr_lib.data.sample import SampleError
from segattr_lib.models.runtime import autocast, running
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target

THRESHOLDS = np.linspace(0.01, 0.5, 80)  # of a map's sum: a part whose share exceeds it counts as marked
DILATION = 5  # px, the side of the square by which a part's mask is dilated: 2 px on every side, as the code has it
NEGLIGIBLE = 0.05  # of the logit: a part whose removal lowers it by less is irrelevant
BATCH = 16  # samples explained at once
COMPLETENESS = ("csdc", "pc", "dc", "d")
COLUMNS = ["sample_id", "class_id", "said", *COMPLETENESS, "threshold", "completeness", "correctness", "contrastivity"]
COLUMNS += ["funnybirds", "status", "reason"]
Explain = Callable[[Tensor, Target, Draws], Tensor]


@dataclass(frozen=True)
class Answers:
    """What a model says of samples once things are taken away.

    parts: sample id to logits (2**P,C); row r lacks the parts p whose bit 2**p is set in r, row 0 none.
    objects: sample id to logits (O,C), each without one object of the background. failed: sample id to why
    it could not be read.
    """

    parts: dict[str, Float[Tensor, "s c"]]
    objects: dict[str, Float[Tensor, "o c"]]
    failed: dict[str, str]


def ask(model: nn.Module, dataset: PartDataset, sample_ids: Sequence[str], size: int = 224) -> Answers:
    """Show a classifier every sample without every set of its parts, and without every object of its background.

    size: of the images, px. 2**P + O forward passes a sample, in the batches that suit the model.
    """
    answers = Answers({}, {}, {})
    sets = [[part for p, part in enumerate(dataset.parts) if row >> p & 1] for row in range(2 ** len(dataset.parts))]
    for sample_id in sample_ids:
        objects = [[background_object(number)] for number in range(dataset.objects_of(sample_id))]
        try:
            images = [as_image(dataset.without(sample_id, taken), size) for taken in [*sets, *objects]]
        except SampleError as error:
            answers.failed[sample_id] = error.reason
            continue
        logits = _logits(model, torch.stack(images))
        answers.parts[sample_id], answers.objects[sample_id] = logits[: len(sets)], logits[len(sets) :]
    return answers


def funnybirds_scores(
    model: nn.Module,
    dataset: PartDataset,
    explain: Explain,
    sample_ids: Sequence[str],
    *,
    size: int = 224,
    seed: int = 0,
    answers: Answers | None = None,
) -> pd.DataFrame:
    """The scores of one way of explaining, one row a sample, in the order of sample_ids.

    explain: `(images (B,3,size,size), target, draws) -> maps (B,size,size)`, maps in [0,1]; it is asked for the
    class a model says, the true one, and the two rivals of `rivals`, each anew. answers: of `ask`, for the same
    model, samples and size; asked for here when None.

    Columns: class_id and said, the true class and the model's; csdc, pc, dc, d at the threshold, the same for
    all samples, at which completeness is highest; completeness = ((csdc + pc + dc) / 3 + d) / 2; correctness
    (single deletion); contrastivity (target sensitivity); funnybirds, the mean of these three; status (ok,
    degenerate: a constant map, undefined: a score does not exist, failed) and reason. `summary` gives the means.
    """
    assert dataset.class_of, "a data set of parts is for classifiers"
    answers = answers or ask(model, dataset, sample_ids, size)
    readable = [sample_id for sample_id in sample_ids if sample_id in answers.parts]
    rows: dict[str, dict[str, Any]] = {sample_id: _failed(why) for sample_id, why in answers.failed.items()}
    curves: dict[str, Float[np.ndarray, "4 t"]] = {}
    for start in range(0, len(readable), BATCH):
        samples = [dataset.load_parts(sample_id, size) for sample_id in readable[start : start + BATCH]]
        for sample, marks in zip(samples, marked_by(samples, dataset, explain, answers, seed), strict=True):
            curves[sample.sample_id], rows[sample.sample_id] = judged(sample, marks, dataset, answers)
    return scored(dataset, sample_ids, curves, rows)


def scored(
    dataset: PartDataset,
    sample_ids: Sequence[str],
    curves: dict[str, Float[np.ndarray, "4 t"]],
    rows: dict[str, dict[str, Any]],
) -> pd.DataFrame:
    """The scores of samples by their `curves_of` and what `judged` says beside, as funnybirds_scores gives them; rows:
    of every sample, curves: of those whose map did not fail."""
    assert dataset.class_of, "a data set of parts is for classifiers"
    at = best_threshold(np.stack(list(curves.values()))) if curves else 0
    for sample_id, curve in curves.items():
        rows[sample_id] |= dict(zip(COMPLETENESS, curve[:, at].tolist(), strict=True)) | {"threshold": THRESHOLDS[at]}
    judged = [{"sample_id": name, "class_id": dataset.class_of(name)} | rows[name] for name in sample_ids]
    table = pd.DataFrame(judged, columns=COLUMNS)
    table["completeness"] = _complete(table)
    table["funnybirds"] = (table["completeness"] + table["correctness"] + table["contrastivity"]) / 3
    undefined = table["funnybirds"].isna() & (table["status"] == "ok")
    table.loc[undefined, "reason"] = table[undefined].apply(_why_undefined, axis=1)
    table.loc[undefined, "status"] = "undefined"
    return table


def summary(table: pd.DataFrame) -> pd.Series:
    """One method's scores: the means over the samples where each exists, and how many these are (n_<score>).

    Completeness and the score are made of the means, as the paper does, not means over samples themselves.
    """
    names = [*COMPLETENESS, "correctness", "contrastivity"]
    means = table[names].mean()
    means["completeness"] = _complete(means)
    means["funnybirds"] = means[["completeness", "correctness", "contrastivity"]].mean(skipna=False)
    return pd.concat([means, table[names].count().add_prefix("n_")])


def importances(maps: Float[Tensor, "n h w"], regions: Bool[Tensor, "r h w"]) -> Float[np.ndarray, "n r"]:
    """The sum of each map over each region, dilated by a square of DILATION px."""
    near = functional.max_pool2d(regions[:, None].float(), DILATION, stride=1, padding=DILATION // 2)[:, 0]
    return (maps.double().flatten(1) @ near.to(maps.device).double().flatten(1).T).cpu().numpy()


def synthetic_check(marked: Bool[np.ndarray, "t p"], sufficient: Bool[np.ndarray, "s p"]) -> Float[np.ndarray, " t"]:
    """Controlled synthetic data check, CSDC: the largest share of a smallest sufficient set that is marked."""
    return ((marked[:, None] & sufficient).sum(2) / sufficient.sum(1)).max(1)


def preservation_check(marked: Bool[np.ndarray, "t p"], said: Int[np.ndarray, " s"]) -> Float[np.ndarray, " t"]:
    """PC: 1 where the marked parts alone leave the model's class as it is. said: the class for each row of Answers."""
    return (said[_row(~marked)] == said[0]).astype(float)


def deletion_check(marked: Bool[np.ndarray, "t p"], said: Int[np.ndarray, " s"]) -> Float[np.ndarray, " t"]:
    """DC: 1 where taking the marked parts away changes the model's class."""
    return (said[_row(marked)] != said[0]).astype(float)


def distractibility(
    marked: Bool[np.ndarray, "t k"], before: float, without: Float[np.ndarray, " k"]
) -> Float[np.ndarray, " t"]:
    """D: the share of the irrelevant parts and objects that is not marked; NaN where none is irrelevant.

    before: the logit of the class; without: the same without each of the k. Irrelevant is what changes it by
    less than NEGLIGIBLE of it, or raises it when taken away.
    """
    irrelevant = (np.abs(before - without) < NEGLIGIBLE * abs(before)) | (without > before)
    return 1 - marked[:, irrelevant].mean(1) if irrelevant.any() else np.full(len(marked), np.nan)


def single_deletion(importance: Float[np.ndarray, " p"], drops: Float[np.ndarray, " p"]) -> float:
    """SD: (Spearman's rho + 1) / 2 of the importance of the parts and the drop of the logit when each is taken
    away alone; NaN where either is the same for all."""
    if np.ptp(importance) == 0 or np.ptp(drops) == 0:
        return float("nan")
    return float(stats.spearmanr(importance, drops).statistic + 1) / 2


def target_sensitivity(importance: Float[np.ndarray, "2 p"], shared: Bool[np.ndarray, "2 p"]) -> float:
    """TS: are the parts shared with a rival more important in its own map than in that of the other rival?

    importance: of the parts, in the maps of the two rivals; shared: the parts each shares with the true class.
    0, 1/2 or 1: one question a rival.
    """
    own, other = (importance[[0, 1]] * shared).sum(1), (importance[[1, 0]] * shared).sum(1)
    return float((own > other).mean())


def best_threshold(curves: Float[np.ndarray, "n 4 t"]) -> int:
    """The index of the threshold at which completeness is highest; the lowest of equals.

    curves: of each sample csdc, pc, dc and d at every threshold; means leave out what is NaN.
    """
    exists = ~np.isnan(curves)
    csdc, pc, dc, d = np.nansum(curves, 0) / np.maximum(exists.sum(0), 1)
    return int(np.argmax((csdc + pc + dc) / 3 + d))


@dataclass(frozen=True)
class Marks:
    """What the maps of one sample give each part and object, in the order of the data set's parts and then the
    objects (K,): the map of the class said, the true one's, and the two rivals' (2,P), None where not asked for.
    sums: of the first two maps. constant: the map of the true class is."""

    said: np.ndarray
    own: np.ndarray
    sums: tuple[float, float]
    rivals: np.ndarray | None
    constant: bool


def marked_by(
    samples: list[PartSample], dataset: PartDataset, explain: Explain, answers: Answers, seed: int
) -> list[Marks]:
    """Explain a batch of samples, for all the classes that are asked about."""
    images = torch.stack([sample.image for sample in samples])

    def maps_of(occasion: str, class_ids: list[int | None]) -> dict[int, Tensor]:
        """The maps of the samples that have a class here, by their place in the batch."""
        places = [place for place, class_id in enumerate(class_ids) if class_id is not None]
        if not places:
            return {}
        target = Target(torch.tensor([class_ids[place] for place in places]))
        draws = Draws(seed, [samples[place].sample_id for place in places]).on(occasion)
        return dict(zip(places, explain(images[places], target, draws), strict=True))

    predicted = [int(answers.parts[sample.sample_id][0].argmax()) for sample in samples]
    said = maps_of("said", list(predicted))
    true = [None if predicted[n] == sample.class_id else sample.class_id for n, sample in enumerate(samples)]
    own = said | maps_of("true", true)
    pairs = [_held_rivals(sample, dataset, answers) for sample in samples]
    first, second = (maps_of(f"rival {side}", [pair and pair[side] for pair in pairs]) for side in (0, 1))
    marks = []
    for n, sample in enumerate(samples):
        chosen = [said[n], own[n], *([first[n], second[n]] if n in first else [])]
        values = _by_part(importances(torch.stack(chosen), sample.regions), sample.names, dataset)
        sums = (float(said[n].double().sum()), float(own[n].double().sum()))
        constant = bool(own[n].amax() == own[n].amin())
        ours = values[2:, : len(dataset.parts)] if n in first else None
        marks.append(Marks(values[0], values[1], sums, ours, constant))
    return marks


def judged(
    sample: PartSample, marks: Marks, dataset: PartDataset, answers: Answers
) -> tuple[Float[np.ndarray, "4 t"], dict[str, Any]]:
    """The parts of completeness at every threshold, and the rest of the row."""
    if not (np.isfinite(marks.own).all() and np.isfinite(marks.said).all()):
        return np.full((4, len(THRESHOLDS)), np.nan), _failed("the map holds a value that is not finite")
    logits = answers.parts[sample.sample_id].double().cpu().numpy()
    objects = answers.objects[sample.sample_id].double().cpu().numpy()
    said, count, class_id = logits.argmax(1), len(dataset.parts), sample.class_id
    alone = logits[2 ** np.arange(count), class_id]  # without each part
    with np.errstate(invalid="ignore", divide="ignore"):
        of_said, of_own = (
            np.nan_to_num(values / total) for values, total in zip((marks.said, marks.own), marks.sums, strict=True)
        )
    without = np.concatenate([alone, objects[:, class_id]])
    curves = curves_of(dataset, class_id, said, of_said, of_own, float(logits[0, class_id]), without)
    pair = rivals(dataset.variants, class_id)
    shared = dataset.variants[list(pair or ())] == dataset.variants[class_id]
    row = {
        "said": int(said[0]),
        "correctness": single_deletion(marks.own[:count], logits[0, class_id] - alone),
        "contrastivity": float("nan") if marks.rivals is None else target_sensitivity(marks.rivals, shared),
        "status": "degenerate" if marks.constant else "ok",
        "reason": "the map is constant" if marks.constant else "",
    }
    return curves, row


def curves_of(
    dataset: PartDataset,
    class_id: int,
    said: Int[np.ndarray, " s"],
    shares_said: Float[np.ndarray, " p"],
    shares_own: Float[np.ndarray, " k"],
    before: float,
    without: Float[np.ndarray, " k"],
) -> Float[np.ndarray, "4 t"]:
    """The parts of completeness of one sample's maps at every threshold: csdc, pc, dc and d.

    said: the class for each row of Answers. shares_said, shares_own: of a map's sum that lies on each part, and on each
    part and object, 0 in a map of zeros. before, without: the logit of the class, whole and without each of these.
    """
    count = len(dataset.parts)
    marked_said, marked = (shares > THRESHOLDS[:, None] for shares in (shares_said, shares_own))
    sufficient = sufficient_sets(dataset.variants, class_id)
    right = said[0] == class_id and len(sufficient) > 0
    return np.stack(
        [
            synthetic_check(marked[:, :count], sufficient) if right else np.full(len(THRESHOLDS), np.nan),
            preservation_check(marked_said[:, :count], said),
            deletion_check(marked_said[:, :count], said),
            distractibility(marked, before, without),
        ]
    )


def _held_rivals(sample: PartSample, dataset: PartDataset, answers: Answers) -> tuple[int, int] | None:
    """The rivals of a sample's class, where the model bears out what sensitivity takes for granted: each loses
    more by the parts it shares with the class than by those the other shares. None elsewhere."""
    pair = rivals(dataset.variants, sample.class_id)
    if pair is None:
        return None
    shared = dataset.variants[list(pair)] == dataset.variants[sample.class_id]
    logits = answers.parts[sample.sample_id][torch.from_numpy(_row(shared))][:, list(pair)]
    return pair if bool(logits[0, 0] < logits[1, 0]) and bool(logits[1, 1] < logits[0, 1]) else None


def _by_part(values: np.ndarray, names: Sequence[str], dataset: PartDataset) -> np.ndarray:
    """(N,R) of regions to (N,K) of parts and objects: a pair's values are added."""
    wanted = list(dict.fromkeys([*dataset.parts, *names]))
    return values @ np.array([[name == other for other in wanted] for name in names], float)


def _row(taken: Bool[np.ndarray, "*b p"]) -> Int[np.ndarray, "*b"]:
    """The row of Answers without these parts."""
    return taken @ (2 ** np.arange(taken.shape[-1]))


def _logits(model: nn.Module, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c"]:
    shape = (images.shape[2], images.shape[3])
    with running(model, shape) as runtime, torch.no_grad(), autocast(runtime):
        batches = images.tensor_split(-(-len(images) // runtime.batch_size))
        return torch.cat([model(runtime.place(batch)).float().cpu() for batch in batches])


def _complete(scores: Any) -> Any:
    return ((scores["csdc"] + scores["pc"] + scores["dc"]) / 3 + scores["d"]) / 2


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason}


def _why_undefined(row: pd.Series) -> str:
    why = {
        "csdc": "the model is wrong",
        "d": "nothing is irrelevant to the model",
        "correctness": "all parts are of one importance, or of none to the model",
        "contrastivity": "the rivals' logits do not follow their parts",
    }
    return "; ".join(text for name, text in why.items() if np.isnan(row[name]))
