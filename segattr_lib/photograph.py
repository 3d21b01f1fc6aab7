"""A photograph in, an answer out: what a model sees on it, what maps say of it, and whether that is more than chance.

`explain` is the function behind the command line, the explorer and the app; `segattr_lib.explain` is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group, about_map, row_of
from segattr_lib.benchmark.runner import Opened, borrowed, load_model, own_code_of
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import opened_pictures
from segattr_lib.data.regions import FREQUENT, class_id_of, read_region
from segattr_lib.data.sample import Sample, SampleError
from segattr_lib.evaluate import occluded_scores
from segattr_lib.inference.holm import SIGNIFICANT, holm
from segattr_lib.metrics import metric_key
from segattr_lib.metrics.null import blind_selections, border_length, local_fit
from segattr_lib.models import MODELS
from segattr_lib.models.loading import Model, spread
from segattr_lib.models.predicted import PREDICTED, check_target, name_of
from segattr_lib.models.runtime import Runtime, autocast
from segattr_lib.perturbation import Fill, bind_fill, top_fraction
from segattr_lib.registry import Key, UserError
from segattr_lib.report.explained import Explanation, figure_stem, make_folder, write_figure, write_page
from segattr_lib.report.panels import without_top
from segattr_lib.targets import EPS

MODEL = "voc_deeplabv3_mobilenetv2"
METHODS = ("gpa", "ega", "adaptive_ria", "adaptive_dea")
CONTROL = method_key("depth")  # the distance to the region's edge, which knows nothing of the model
SIZE = 321  # px of the long side
BATCH_SIZE = 16  # not measured: photographs have all shapes, and a measurement a shape would cost more than the maps
REPEATS = 2  # of the null's 86 draws
STEPS = 3  # of an explanation beside its methods: the model, the control, the blind selections
METRICS = [metric_key(name) for name in ("tdd", "odd_abs", "border", "tied_share", "passes")]
OF_THE_NULL = {"chance_tdd": "chance", "excess_tdd": "excess", "p": "p", "p_holm": "p_holm", "seconds": "seconds"}
Began = Callable[[str], Any]


def explain(
    photo: str | Path | Image.Image,
    target: str = FREQUENT,
    *,
    model: str = MODEL,
    methods: Sequence[str] = METHODS,
    size: int = SIZE,
    **settings: Any,
) -> Explanation:
    """What a model sees on a photograph, and whether maps of it say more than chance.

    photo: a file, or a picture of any mode; it is turned upright and made opaque, and keeps its proportions. target:
    "frequent", the class with most pixels, "largest_component", "class=cat", "point=x,y" or "box=x0,y0,x1,y1" in px of
    the upright photograph; found in what the model says. model: a registered name, or a user's own segmenter, which
    needs layer= too; of a classifier the whole picture is the region. methods: names, keys such as "ria(grid=7)", or
    one's own. size: px of the long side. settings: others of a run, such as k, fill, seed, layer, device, batch_size.

    >>> from segattr_lib.data.photographs import available
    >>> answer = explain(available()["motorcycle_left"].path, size=161, methods=["gpa", "adaptive_ria"])
    >>> answer.class_name
    'motorbike'
    >>> bool(answer.scores.loc["adaptive_ria", "tdd"] > answer.scores.loc["adaptive_ria", "chance"])
    True

    Raises UserError for what cannot be had: a photograph that cannot be read, an unknown name, a wrong setting. A
    target that is not on the photograph is no error: the answer says so.
    """
    opened = open_photographs([photo], target, model, methods, size, settings)
    (name,) = opened.dataset.sample_ids[:1]
    with borrowed(opened.models.values()):
        try:
            return explained(opened, opened.prepared(model), name)
        except SampleError as error:
            raise UserError(f"The photograph {name!r} cannot be explained: {error.reason}.") from error


def explain_into(
    folder: str | Path,
    photos: Sequence[str | Path | Image.Image],
    target: str = FREQUENT,
    *,
    model: str = MODEL,
    methods: Sequence[str] = METHODS,
    size: int = SIZE,
    **settings: Any,
) -> tuple[list[Explanation], dict[str, str]]:
    """Explain photographs, and those of folders, as `explain` does; what is found is said as it is found, and written
    into the folder: a figure a photograph, one table of rows and one page of all.

    The answers, and of the photographs that cannot be explained why not, by name. What was finished is written however
    this ends. Raises UserError as explain does, before the first photograph.
    """
    opened = open_photographs(photos, target, model, methods, size, settings)
    names = opened.dataset.sample_ids
    answers: list[Explanation] = []
    lost: dict[str, str] = {}
    tables: list[pd.DataFrame] = []
    make_folder(folder)
    steps = len(names) * (STEPS + len(opened.settings.methods))
    with borrowed(opened.models.values()), tqdm(total=steps, unit="step", leave=False, dynamic_ncols=True) as progress:

        def began(step: str) -> None:
            progress.set_description(step)
            progress.update()

        runtime = opened.prepared(model)
        try:
            for name in names:
                try:
                    answer = explained(opened, runtime, name, began)
                except SampleError as error:
                    lost[name] = error.reason
                    row = {"sample_id": name, "status": error.status, "reason": error.reason}
                    tables.append(run_rows(opened.settings, [row]))
                    progress.write(f"{name}: {error.reason}.")
                    continue
                answers.append(answer)
                tables.append(answer.rows)
                write_figure(answer, folder, figure_stem(name, names))
                progress.write(answer.sentence)
        finally:
            if tables:
                write_page(answers, pd.concat(tables), folder)
    return answers, lost


def open_photographs(
    photos: Sequence[str | Path | Image.Image],
    target: str,
    model: str,
    methods: Sequence[str],
    size: int,
    settings: dict[str, Any],
) -> Opened:
    """Photographs and the model that is to explain them, opened as a run is. Raises UserError as explain does."""
    chosen = {"dataset": "pictures", "region": PREDICTED, "target": target, "image_size": size}
    usual = {"batch_size": BATCH_SIZE, "metrics": METRICS}
    run = read_settings({**usual, **settings, **chosen, "model": model, "methods": list(methods)})
    for name in ("model", "k", "fill", "seed"):
        if len(getattr(run, name)) > 1:
            raise UserError(f"{name} is {getattr(run, name)}; a photograph is explained under one value of it.")
    if run.workers:
        raise UserError(f"workers is {run.workers!r}; photographs are explained in this process, leave it out.")
    dataset = opened_pictures(photos)
    code = own_code_of(run)
    if classifies(model):
        whole = run.changed({"region": None, "class_map": PREDICTED, "layer": run.layer or MODELS[model].layers[-1]})
        loaded = load_model(dataset, whole, model)
        check_target(whole, dataset, loaded)
        loaded = spread(loaded)
    else:
        loaded = load_model(dataset, run, model)
        check_target(run, dataset, loaded)
    return Opened(run, dataset, {model: loaded}, {run.seed[0]: list(dataset.sample_ids)}, code)


def explained(opened: Opened, runtime: Runtime, name: str, began: Began = lambda step: None) -> Explanation:
    """The explanation of one of the photographs that are opened. Raises SampleError where it cannot be read, or the
    model raises on it.

    began: called with what is done next, STEPS times and once a method."""
    run = opened.settings
    (model,) = opened.models.values()
    began("the model")
    sample = opened.dataset.load(name, run.image_size, proportional=True)
    with sample_errors():
        seen, nearest = what_is_seen(model, runtime, sample.image)
        answer = Explanation(name, run, sample.image, seen, nearest)
        dataset = opened.dataset
        if classifies(model.name):
            run = run.changed({"region": "truth", "target": FREQUENT})
            dataset = replace(dataset, labelled=True)  # the class is that of the whole picture, and so is the mask
            wanted = read_region(opened.settings.target)
            named = wanted.kind == "class"
            class_id = class_id_of(wanted.class_name, model.class_names) if named else int(seen.loc[0, "class_id"])
            sample = as_whole(sample, class_id)
        try:
            group = Group(run, dataset, model, runtime, [sample])
        except SampleError as error:
            if error.status != "skipped":
                raise
            lost = {"sample_id": name, "status": error.status, "reason": error.reason}
            return replace(answer, reason=error.reason, rows=run_rows(run, [lost]))
        return judged(answer, group, name_of(model.class_names, group.samples[0].class_id), began)


def classifies(model: str) -> bool:
    """Whether a registered model says what a picture is of, not where: its region is the whole picture."""
    return model in MODELS and MODELS[model].kind == "classifier"


def as_whole(sample: Sample, class_id: int) -> Sample:
    """The sample with all of its picture as the region of a class."""
    return replace(sample, class_id=class_id, mask=torch.ones_like(sample.mask))


def what_is_seen(
    model: Model, runtime: Runtime, image: Float[Tensor, "3 h w"]
) -> tuple[pd.DataFrame, tuple[str, float] | None]:
    """The classes that a segmenter sees on an image, the largest first, with their share and mean probability; and
    where it sees none, the class that came nearest, with its highest probability."""
    with torch.no_grad(), autocast(runtime):
        logits = model.module(runtime.place(image[None]))[0].float()
    probabilities = logits.softmax(0).cpu()
    labels = probabilities.argmax(0)
    rows = []
    for class_id in labels.unique().tolist():
        where = labels == class_id
        mean = float(probabilities[class_id][where].mean())
        rows.append((class_id, name_of(model.class_names, class_id), float(where.float().mean()), mean))
    table = pd.DataFrame(rows, columns=["class_id", "class_name", "share", "probability"])
    seen = table if classifies(model.name) else table[table["class_id"] != 0]
    if len(seen):
        return seen.sort_values("share", ascending=False, kind="stable").reset_index(drop=True), None
    highest = probabilities[1:].amax((1, 2))
    return seen, (name_of(model.class_names, int(highest.argmax()) + 1), float(highest.max()))


def judged(
    answer: Explanation,
    group: Group,
    class_name: str,
    began: Began = lambda step: None,
    blind: Callable[[Group, Fill], tuple[Tensor, Tensor]] | None = None,
) -> Explanation:
    """The answer with a map a method of the one sample in a group, and what is to be said of each.

    blind: gives what blind_drops does, where it is kept.
    """
    run, sample = group.run, group.samples[0]
    fill = bind_fill(run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
    keys, metrics = run.method_keys(), list(dict.fromkeys([*METRICS, *run.metrics]))
    maps: dict[Key, Tensor] = {}
    scores: dict[str, dict[str, Any]] = {}
    rows = group.model_rows()
    for key in dict.fromkeys([*keys, CONTROL]):
        began(key.label)
        maps[key], seconds, passes = group.maps_of(key)
        of_map = group.judged(key, maps[key], metrics, passes)
        rows += of_map
        value = {row["metric"]: math.nan if row["value"] is None else row["value"] for row in of_map}
        first = of_map[0]
        scores[key.text] = {
            "label": key.label,
            **{name: value[name] for name in ("tdd", "odd_abs", "border", "tied_share")},
            "seconds": seconds[0],
            "passes": passes[0],
            "status": first["status"],
            "reason": first["reason"] or "",
        }
    began("blind selections")
    lengths, drops = (blind or blind_drops)(group, fill)
    table = held_against(scores, selected_lengths(group, maps), lengths, drops)
    control = table.loc[CONTROL.text]
    table = table.loc[[key.text for key in keys]]
    table["p_holm"] = holm(table["p"].to_numpy(float))
    table["beyond"] = (table["p_holm"] < SIGNIFICANT) & (table["excess"] > control["excess"])
    for key in keys:
        about = about_map(sample, key)
        for metric, column in OF_THE_NULL.items():
            rows.append(
                row_of(about, metric, float(table.loc[key.text, column]), undefined=table.loc[key.text, "reason"])
            )
    return replace(
        answer,
        class_name=class_name,
        mask=sample.mask,
        share=float(sample.mask.float().mean()),
        score=float(group.base[0]),
        maps={key.text: maps[key][0].cpu() for key in keys},
        deleted={key.text: without_top(group.images, maps[key], group.target, run.k[0], fill)[0].cpu() for key in keys},
        lengths=lengths,
        drops=drops,
        scores=table,
        depth_excess=float(control["excess"]),
        rows=run_rows(run, rows),
    )


def blind_drops(group: Group, fill: Fill) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """The border length in px and the TDD of 172 blind selections of the one sample in a group (see metrics.null)."""
    assert group.target.mask is not None
    selected = blind_selections(group.target.mask, group.run.k[0], group.draws, repeats=REPEATS)[0]
    owner = torch.zeros(len(selected), dtype=torch.long, device=selected.device)
    left = occluded_scores(group.score, group.images, selected, owner, fill)
    return border_length(selected).cpu(), ((group.base - left) / (group.base.abs() + EPS)).cpu()


def selected_lengths(group: Group, maps: dict[Key, Tensor]) -> dict[str, float]:
    """The border length in px of what each map selects, by the text of its method's key."""
    assert group.target.mask is not None
    region, k = group.target.mask, group.run.k[0]
    return {
        key.text: float(border_length(top_fraction(made.nan_to_num(), region, k).pixels)) for key, made in maps.items()
    }


def held_against(
    scores: dict[str, dict[str, Any]], lengths_of: dict[str, float], lengths: Tensor, drops: Tensor
) -> pd.DataFrame:
    """The scores as a table, a row a map, with what its null says: chance, what a blind selection as ragged earns;
    excess, its TDD less that; p = (1 + blind selections whose own excess is at least as high) / (1 + all), for a map
    whose status is ok."""
    residuals = drops - fitted(lengths, drops, lengths)
    table = pd.DataFrame.from_dict(scores, orient="index")
    own = torch.tensor([lengths_of[name] for name in table.index])
    table["chance"] = fitted(lengths, drops, own).numpy().astype(float)
    table["excess"] = table["tdd"] - table["chance"]
    at_least = [int((residuals >= excess).sum()) for excess in table["excess"]]
    table["p"] = (1 + np.array(at_least)) / (1 + len(residuals))
    table.loc[table["status"] != "ok", "p"] = math.nan
    return table


def fitted(lengths: Float[Tensor, " d"], drops: Float[Tensor, " d"], at: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """What blind selections earn on average at each of these border lengths (see null.local_fit)."""
    count = len(at)
    return local_fit(lengths.log().expand(count, -1), drops.expand(count, -1), at.log())


def run_rows(run: Settings, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a run's table has them."""
    about = {"model": run.model[0], "seed": run.seed[0], "target": run.target, "region": PREDICTED}
    columns = ["sample_id", *about, "class_id", "method", "variant", "metric", "k", "fill", "value", "status", "reason"]
    return pd.DataFrame([{**about, **row} for row in rows], columns=columns)
