"""FunnyBirds' scores of a recorded run: what they are made of, as rows of each sample and map, and the scores of these.

Which parts count as marked hangs on a threshold that all samples choose together, so that no sample has a completeness
of its own: a record keeps what a map gives each part and what the model says without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from segattr_lib.benchmark.group import Group, about_map, about_sample, row_of
from segattr_lib.benchmark.runner import Question
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.data import load_dataset
from segattr_lib.data.funnybirds import PartDataset
from segattr_lib.metrics import load_metric
from segattr_lib.registry import Key, UserError, accepted, make_key
from segattr_lib.sections.arcc_parts.funnybirds import (
    Explain,
    Marks,
    ask,
    curves_of,
    judged,
    marked_by,
    scored,
)
from segattr_lib.sections.arcc_parts.parts import KEYS
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind


def asked_of(settings: Settings, _about: Mapping[str, Any] | None = None) -> Question:
    """The Question that is asked of every sample of a data set of parts, recorded runs among them. Raises UserError as
    load_dataset does, and for a data set whose parts cannot be taken away."""
    dataset = parts_of(settings)
    return Question("arcc_parts", {"parts": list(map(str, dataset.parts))}, partial(part_rows, dataset))


def parts_of(settings: Settings) -> PartDataset:
    """The data set of these settings; errors as `asked_of`."""
    dataset = load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
    if not isinstance(dataset, PartDataset):
        raise UserError(
            f"dataset is {settings.dataset!r}, whose parts cannot be taken away; choose part_figures or funnybirds."
        )
    return dataset


def part_rows(dataset: PartDataset, group: Group, methods: Sequence[Key]) -> list[dict[str, Any]]:
    """Of every sample, the class that the model names without each set of its parts (`class_without`), and the logit of
    the true class without each part and each object of the background (`logit_without`). Of every map, correctness and
    contrastivity, and the shares of its sum on each part of the map of the class named (`share_said`), and on each part
    and object of the true class's (`share_own`)."""
    assert dataset.class_of, "a data set of parts is for classifiers"
    ids, size = [sample.sample_id for sample in group.samples], group.run.image_size
    answers = ask(group.explained, dataset, ids, size)
    rows: list[dict[str, Any]] = []
    for sample in group.samples:
        logits = answers.parts[sample.sample_id].double().cpu().numpy()
        objects = answers.objects[sample.sample_id].double().cpu().numpy()
        single = [0, *(2**part for part in range(len(dataset.parts)))]
        own = dataset.class_of(sample.sample_id)
        values = {_text("class_without", parts=row): float(said) for row, said in enumerate(logits.argmax(1))}
        values |= {_text("logit_without", parts=row): float(logits[row, own]) for row in single}
        values |= {_text("logit_without", object=place): float(of[own]) for place, of in enumerate(objects)}
        rows += [row_of(about_sample(sample), text, value) for text, value in values.items()]
    loaded = [dataset.load_parts(sample_id, size) for sample_id in ids]
    for method in methods:
        marks = marked_by(loaded, dataset, _explainer(group, method), answers, group.run.seed[0])
        for sample, parts, mark in zip(group.samples, loaded, marks, strict=True):
            row = judged(parts, mark, dataset, answers)[1]
            fault = row["reason"] if row["status"] == "failed" else None
            undecided = "the map is constant" if mark.constant else None
            values = {name: row.get(name, np.nan) for name in ("correctness", "contrastivity")}
            values |= _shares(mark, len(dataset.parts))
            rows += [
                row_of(
                    about_map(sample, method),
                    text,
                    float(value),
                    fault,
                    undefined=load_metric(text.partition("(")[0]).undefined,
                    undecided=undecided,
                )
                for text, value in values.items()
            ]
    return rows


def scores_of(rows: pd.DataFrame, dataset: PartDataset) -> pd.DataFrame:
    """The scores of every method of a run that was asked `part_rows`: a row a model, seed, method, variant and sample,
    as parts.part_scores gives them."""
    rows = plain(rows[rows["metric"].notna()])
    names = rows["metric"].str.partition("(")[0]
    tables = []
    for (data, model, seed), of_run in rows.groupby(["dataset", "model", "seed"], sort=False):
        asked = names[of_run.index].isin(["class_without", "logit_without"])
        answers = of_run[asked].pivot_table(index="sample_id", columns="metric", values="value", sort=False)
        of_maps = of_run[names[of_run.index].isin(["correctness", "contrastivity", "share_said", "share_own"])]
        for (method, variant), mine in of_maps.groupby(["method", "variant"], sort=False):
            about = dict(zip(KEYS, (data, model, seed, method, variant), strict=True))
            table = _of_method(mine, answers, dataset)
            tables.append(table.assign(**about)[[*KEYS, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def _of_method(rows: pd.DataFrame, answers: pd.DataFrame, dataset: PartDataset) -> pd.DataFrame:
    """The scores of one method's maps. answers: a row a sample, a column a text of class_without or logit_without."""
    assert dataset.class_of, "a data set of parts is for classifiers"
    values = rows.pivot_table(index="sample_id", columns="metric", values="value", sort=False, dropna=False)
    status = rows.drop_duplicates("sample_id").set_index("sample_id")
    failed = rows[rows["status"] == "failed"].drop_duplicates("sample_id").set_index("sample_id")["reason"]
    count = len(dataset.parts)
    curves: dict[str, Float[np.ndarray, "4 t"]] = {}
    judgements: dict[str, dict[str, Any]] = {}
    for name in values.index:
        if name in failed.index:
            judgements[name] = {"status": "failed", "reason": failed[name]}
            continue
        said = np.array([answers.loc[name, _text("class_without", parts=row)] for row in range(2**count)], int)
        own = dataset.class_of(name)
        before = answers.loc[name, _text("logit_without", parts=0)]
        alone = [answers.loc[name, _text("logit_without", parts=2**part)] for part in range(count)]
        behind = [answers.loc[name, _text("logit_without", object=place)] for place in range(dataset.objects_of(name))]
        shares_said = np.array([values.loc[name, _text("share_said", part=part)] for part in range(count)])
        shares_own = np.array([values.loc[name, _text("share_own", part=part)] for part in range(count + len(behind))])
        of_said, of_own = (np.nan_to_num(shares.astype(float)) for shares in (shares_said, shares_own))
        without = np.array([*alone, *behind], float)
        curves[name] = curves_of(dataset, own, said, of_said, of_own, float(before), without)
        constant = status.loc[name, "status"] == "degenerate"
        judgements[name] = {
            "said": int(said[0]),
            "correctness": values.loc[name].get("correctness", np.nan),
            "contrastivity": values.loc[name].get("contrastivity", np.nan),
            "status": "degenerate" if constant else "ok",
            "reason": "the map is constant" if constant else "",
        }
    return scored(dataset, list(values.index), curves, judgements)


def _shares(marks: Marks, parts: int) -> dict[str, float]:
    """What the maps give each part, and each object of the background, of their sums; NaN for a map of zeros."""
    with np.errstate(invalid="ignore", divide="ignore"):
        said, own = marks.said / marks.sums[0], marks.own / marks.sums[1]
    texts = {_text("share_said", part=part): float(value) for part, value in enumerate(said[:parts])}
    return texts | {_text("share_own", part=part): float(value) for part, value in enumerate(own)}


def _text(name: str, **options: int) -> str:
    return make_key(name, options, load_metric).text


def _explainer(group: Group, method: Key) -> Explain:
    function, module = method.entry.function, group.explained

    def explain(images: Tensor, target: Target, draws: Draws) -> Tensor:
        target = target.to(group.runtime.device)
        taken = accepted(function, {**group.offered, **method.options, "draws": draws})
        maps: Tensor = function(bind(module, target), group.runtime.place(images), target, **taken)
        return maps.detach().float().cpu()

    return explain
