"""The live explorer: one image, one model, one method, and what changes when a setting does."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import ipywidgets as w
import pandas as pd
from IPython.display import HTML
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from segattr_lib.attribution import load_method, methods_of
from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import Opened, open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import credit_of, opened_pictures
from segattr_lib.data.regions import FREQUENT, LARGEST
from segattr_lib.data.sample import Dataset, SampleError
from segattr_lib.metrics import METRICS, Table, load_metric, metric_key, metrics_of
from segattr_lib.models import names as model_names
from segattr_lib.models.loading import Model
from segattr_lib.models.predicted import name_of
from segattr_lib.models.runtime import Runtime
from segattr_lib.perturbation import Fill, bind_fill
from segattr_lib.photograph import BATCH_SIZE, blind_drops, judged
from segattr_lib.photograph import METRICS as METRICS_OF_MAPS
from segattr_lib.registry import Key, UserError, make_key
from segattr_lib.report.explained import Explanation
from segattr_lib.report.panels import CAPTION, figure, outlined, overlay, pixels_of, without_top
from segattr_lib.report.slider import PAPER_K, STYLE

USUAL = {"samples": 20, "batch_size": BATCH_SIZE}


def explore(**settings: Any) -> w.VBox:
    """The live app: choose or upload a picture, choose target, model, method, k, grid, alpha and beta; see map,
    deletion, metrics, and of a segmenter's map whether it leaves chance behind, as photograph.explain finds it.

    settings: those of a benchmark, by name, whose code computes what is shown; the app begins with the model that
    they name. layer and layers are that model's, the others take their own. A map is computed again only when
    something it depends on changes. What cannot be shown is said in one sentence, in the app. Raises UserError for
    settings that cannot be met at all. Children: the controls, the line that speaks, and the panel (see `frozen`).
    """
    run = read_settings({**USUAL, **settings})
    first = opened_by(run, run.model[0])
    data, ids = first.dataset, first.ids[run.seed[0]][: run.samples]
    classifies = first.models[run.model[0]].classifies
    if "metrics" not in settings:
        run = run.changed({"metrics": measured_at_once("classification" if classifies else "segmentation")})
    uploads: dict[str, Dataset] = {}

    @cache
    def model_of(name: str) -> tuple[Model, Runtime]:
        opened = first if name == run.model[0] else opened_by(run, name)
        return opened.models[name], opened.prepared(name)

    @lru_cache(maxsize=16)
    def group_of(sample_id: str, name: str, target: str) -> Group:
        known = uploads.get(sample_id, data)
        with sample_errors():
            sample = known.load(sample_id, run.image_size, proportional=not known.labelled)
        return Group(run.changed({"target": target}), known, *model_of(name), [sample])

    @lru_cache(maxsize=16)
    def blind_of(group: Group, k: float) -> tuple[Tensor, Tensor]:
        fill = bind_fill(group.run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
        return blind_drops(asked(group, {"k": k}), fill)

    controls = _controls(ids, run, classifies)
    upload = w.FileUpload(accept="image/*", description="Upload a picture")
    speaks, panel = w.HTML(), w.HTML()

    def update(_change: Any = None) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        speaks.value = "<p>Computing …</p>"
        with spoken(speaks, panel):
            takes = load_method(chosen["method"]).options
            for name in ("grid", "alpha", "beta"):
                controls[name].disabled = name not in takes
            group = group_of(chosen["sample"], chosen["model"], chosen["target"])
            options = {name: chosen[name] for name in ("grid", "alpha", "beta")}
            names = data.class_names or model_of(chosen["model"])[0].class_names
            label = name_of(names, group.samples[0].class_id)
            k = chosen["k"]
            seen = look(group, label, chosen["method"], k, lambda _group, _fill: blind_of(group, k), **options)
            panel.value = _panel(group, seen, label, chosen)
            speaks.value = ""

    def uploaded(_change: Any) -> None:
        with spoken(speaks, panel):
            for file in upload.value:
                try:
                    picture = Image.open(io.BytesIO(file["content"]))
                except UnidentifiedImageError as error:
                    raise SampleError("failed", f"{file['name']} is no picture") from error
                picture.filename = file["name"]
                dataset = opened_pictures([picture])
                uploads[file["name"]] = dataset
                group_of.cache_clear()  # of another picture of this name
                samples = controls["sample"]
                samples.options = list(dict.fromkeys([file["name"], *samples.options]))
                if samples.value == file["name"]:
                    update()
                samples.value = file["name"]

    for control in controls.values():
        control.observe(update, "value")
    upload.observe(uploaded, "value")
    update()
    row = w.Layout(display="flex", flex_flow="row wrap")
    return w.VBox([w.Box([*controls.values(), upload], layout=row), speaks, panel])


@contextmanager
def spoken(speaks: w.HTML, panel: w.HTML) -> Iterator[None]:
    """Whatever cannot be shown is said in one sentence, and the panel is left empty."""
    try:
        with sample_errors():
            yield
    except (UserError, SampleError, MemoryError, RuntimeError) as error:
        panel.value = ""
        sentence = str(error).partition("\n")[0].removeprefix("ValueError: ")  # the library's own say all
        speaks.value = f'<p role="alert"><strong>{html.escape(sentence)}</strong></p>'


def measured_at_once(table: Table) -> list[str]:
    """The registry's metrics of a table that a reader need not wait for: not stability, which explains five times
    again, nor ROAD, which imputes. What chance earns comes from photograph.judged."""
    return [name for name in metrics_of(table) if not METRICS[name].options & {"strength", "ties", "null"}]


def opened_by(run: Settings, name: str) -> Opened:
    """The settings opened for one of the app's models, with every sample there is: the app shows the first of them,
    and fewer than asked for are no fault."""
    own = {} if name == run.model[0] else {"layer": None, "layers": None}
    return open_run(run.changed({"model": name, "samples": None, **own}))


def asked(group: Group, changes: dict[str, Any]) -> Group:
    """The same group, its maps kept, under settings of which some are changed."""
    other = copy(group)
    other.run = group.run.changed(changes)
    return other


def frozen(app: w.VBox) -> HTML:
    """What an explorer shows just now, as it looks in a page without a kernel."""
    return HTML(app.children[-1].value)


@dataclass(frozen=True)
class Look:
    """What the explorer shows of one sample: its map (H,W) and image without the map's top (3,H,W), the score before,
    each metric's value or, where there is none, the reason, and of a segmenter's map what it says, in a sentence."""

    map: Float[Tensor, "h w"]
    deleted: Float[Tensor, "3 h w"]
    score: float
    measures: Mapping[str, float | str]
    sentence: str = ""


def look(
    group: Group,
    class_name: str,
    method: str,
    k: float,
    blind: Callable[[Group, Fill], tuple[Tensor, Tensor]] | None = None,
    **options: Any,
) -> Look:
    """Explain the one sample of a group and measure the map; of the options, the method's own are used.

    Maps are kept by the group, so that DEA under another alpha asks the model nothing; blind: as in photograph.judged.
    Raises SampleError where the method raises, or gives what is no map.
    """
    known = load_method(method)
    key = make_key(method, {name: options[name] for name in sorted(set(known.options) & set(options))}, load_method)
    group = asked(group, {"methods": [key], "k": k})
    fill = bind_fill(group.run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
    metrics = [_at(metric, k, fill.name) for metric in (*group.run.metrics, metric_key("passes"))]
    rows, timings = group.rows_of(key, metrics)
    if all(row["status"] == "failed" for row in rows):
        raise SampleError("failed", rows[0]["reason"])
    values = {row["metric"]: row["value"] if row["value"] is not None else row["reason"] for row in rows}
    maps, _, _ = group.maps_of(key)
    values["seconds"] = timings[0]["seconds"]
    sentence = ""
    if group.target.mask is not None:
        sample = group.samples[0]
        answer = Explanation(sample.sample_id, group.run, sample.image, pd.DataFrame())
        once = asked(group, {"metrics": METRICS_OF_MAPS})  # the others are measured above
        answer = judged(answer, once, class_name, blind=blind)
        row = answer.scores.loc[key.text]
        values |= {"chance_tdd": float(row["chance"]), "excess_tdd": float(row["excess"])}
        sentence = answer.sentence
    deleted = without_top(group.images, maps, group.target, k, fill)[0]
    return Look(maps[0], deleted, group.base.item(), values, sentence)


def _controls(ids: Sequence[str], run: Settings, classifies: bool) -> dict[str, Any]:
    model = run.model[0]
    number: dict[str, Any] = {"continuous_update": False, "style": STYLE}
    registered = model_names("classifier" if classifies else "segmenter")
    models = registered if model in registered else [model, *registered]
    methods = methods_of("classification" if classifies else "explorer")
    labelled = [(load_method(name).label, name) for name in methods]
    explaining = [name for name in methods if load_method(name).family != "control"]
    method = "adaptive_dea" if "adaptive_dea" in methods else explaining[0]  # a quarter of the passes of DEA
    return {
        "sample": w.Dropdown(options=list(ids), description="Sample", style=STYLE),
        "model": w.Dropdown(options=models, value=model, description="Model", style=STYLE),
        "target": w.Combobox(
            options=[FREQUENT, LARGEST, "class=", "point=x,y", "box=x0,y0,x1,y1"],
            value=run.target,
            description="Target",
            continuous_update=False,
            style=STYLE,
        ),
        "method": w.Dropdown(options=labelled, value=method, description="Method", style=STYLE),
        "k": w.FloatSlider(value=PAPER_K, min=0.01, max=1, step=0.01, description="k", **number),
        "grid": w.IntSlider(value=14, min=1, max=32, description="Grid", **number),
        "alpha": w.FloatSlider(value=0.65, min=0, max=1, step=0.05, description="alpha", **number),
        "beta": w.FloatSlider(value=0.35, min=0, max=2, step=0.05, description="beta", **number),
    }


def _panel(group: Group, seen: Look, label: str, chosen: Mapping[str, Any]) -> str:
    """HTML: the image, its map, the image without the map's top, and the values as a table."""
    sample = group.samples[0]
    outline = sample.mask.numpy()
    method, share = load_method(chosen["method"]).label, f"{chosen['k']:.0%}"
    region = "image" if group.target.mask is None else "target"
    shown = outlined(pixels_of(sample.image), outline)
    deleted = pixels_of(seen.deleted)
    pictures = [
        figure(shown, f"{sample.sample_id}, its {label} outlined", f"Target: {label}", 224),
        figure(overlay(sample.image, seen.map, outline), f"Its {method} map", f"{method}: dark 0, light 1", 224),
        figure(deleted, f"Without the top {share} of the {region}", f"The {region}'s top {share} deleted", 224),
    ]
    lines = [("s(x)", f"{seen.score:.3f}", "score of the target on the whole image")]
    for name, value in seen.measures.items():
        metric = load_metric(name)
        better = {1: "higher is better", -1: "lower is better", 0: ""}[metric.direction]
        lines.append((metric.label, _text(value), better))
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
        f'<td style="text-align: right; padding: 0 1em">{html.escape(value)}</td><td>{note}</td></tr>'
        for name, value, note in lines
    )
    said = f"<p>{html.escape(seen.sentence)}</p>" if seen.sentence else ""
    credit = credit_of(sample.sample_id)
    by = f'<p style="{CAPTION}">Photograph: {html.escape(credit)}</p>' if credit else ""
    shown_side_by_side = f'<div style="display: flex; flex-wrap: wrap">{"".join(pictures)}</div>'
    return f'{shown_side_by_side}{by}{said}<table style="{CAPTION}">{rows}</table>'


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}"


def _at(metric: Key, k: float, fill: str) -> Key:
    """The metric with k and the evaluation fill pinned where it takes them: one value a metric."""
    pinned = {"k": k, "fill": fill}
    return metric.with_pinned(**{name: value for name, value in pinned.items() if name in metric.entry.options})
