"""The live explorer: one image, one model, one method, and what changes when a setting does."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import ipywidgets as w
from IPython.display import HTML
from jaxtyping import Float
from torch import Tensor

from segattr_lib.attribution import load_method, methods_of
from segattr_lib.benchmark.failures import load_sample, sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import Opened, open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.sample import SampleError
from segattr_lib.metrics import METRICS, Table, load_metric, metric_key, metrics_of
from segattr_lib.models import names as model_names
from segattr_lib.models.loading import Model
from segattr_lib.models.runtime import Runtime
from segattr_lib.perturbation import bind_fill
from segattr_lib.registry import Key, UserError, make_key
from segattr_lib.report.panels import CAPTION, figure, outlined, overlay, pixels_of, without_top
from segattr_lib.report.slider import PAPER_K, STYLE

USUAL = {"samples": 20, "batch_size": 16}


def explore(**settings: Any) -> w.VBox:
    """The live app: choose sample, model, method, k, grid, alpha and beta; see map, deletion and metrics.

    settings: those of a benchmark, by name, whose code computes what is shown; the app begins with the model that
    they name. layer and layers are that model's, the others take their own. A map is computed again only when
    something it depends on changes. What cannot be shown is said in one sentence, in the app. Raises UserError for
    settings that cannot be met at all. Children: the controls, the line that speaks, and the panel (see `frozen`).
    """
    run = read_settings({**USUAL, **settings})
    first = opened_by(run, run.model[0])
    data, ids = first.dataset, first.ids[run.seed[0]][: run.samples]
    classifies = data.class_of is not None or run.class_map is not None
    if "metrics" not in settings:
        run = run.changed({"metrics": measured_at_once("classification" if classifies else "segmentation")})

    @cache
    def model_of(name: str) -> tuple[Model, Runtime]:
        opened = first if name == run.model[0] else opened_by(run, name)
        return opened.models[name], opened.prepared(name)

    @lru_cache(maxsize=16)
    def group_of(sample_id: str, name: str) -> Group:
        return Group(run, data, *model_of(name), [load_sample(data, sample_id, run.image_size)], list(ids))

    controls = _controls(ids, run.model[0], classifies)
    speaks, panel = w.HTML(), w.HTML()

    def update(_change: Any = None) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        speaks.value = "<p>Computing …</p>"
        try:
            with sample_errors():
                takes = load_method(chosen["method"]).options
                for name in ("grid", "alpha", "beta"):
                    controls[name].disabled = name not in takes
                group = group_of(chosen["sample"], chosen["model"])
                options = {name: chosen[name] for name in ("grid", "alpha", "beta")}
                seen = look(group, chosen["method"], chosen["k"], **options)
                names = data.class_names
                label = names[seen.class_id] if seen.class_id < len(names) else f"class {seen.class_id}"
                panel.value = _panel(group, seen, label, chosen)
                speaks.value = ""
        except (UserError, SampleError, MemoryError, RuntimeError) as error:
            panel.value = ""
            sentence = str(error).partition("\n")[0].removeprefix("ValueError: ")  # the library's own say all
            speaks.value = f'<p role="alert"><strong>{html.escape(sentence)}</strong></p>'

    for control in controls.values():
        control.observe(update, "value")
    update()
    return w.VBox(
        [w.Box(list(controls.values()), layout=w.Layout(display="flex", flex_flow="row wrap")), speaks, panel]
    )


def measured_at_once(table: Table) -> list[str]:
    """The registry's metrics of a table that a reader need not wait for: not stability, which explains five times
    again, nor ROAD, which imputes."""
    return [name for name in metrics_of(table) if not METRICS[name].options & {"strength", "ties"}]


def opened_by(run: Settings, name: str) -> Opened:
    """The settings opened for one of the app's models, with every sample there is: the app shows the first of them,
    and fewer than asked for are no fault."""
    own = {} if name == run.model[0] else {"layer": None, "layers": None}
    return open_run(run.changed({"model": name, "samples": None, **own}))


def frozen(app: w.VBox) -> HTML:
    """What an explorer shows just now, as it looks in a page without a kernel."""
    return HTML(app.children[-1].value)


@dataclass(frozen=True)
class Look:
    """What the explorer shows of one sample: its map (H,W) and image without the map's top (3,H,W), the
    score before, and each metric's value or, where there is none, the reason."""

    class_id: int
    map: Float[Tensor, "h w"]
    deleted: Float[Tensor, "3 h w"]
    score: float
    values: Mapping[str, float | str]


def look(group: Group, method: str, k: float, **options: Any) -> Look:
    """Explain the one sample of a group and measure the map; of the options, the method's own are used.

    Maps are kept by the group, so that DEA under another alpha asks the model nothing. Raises SampleError where the
    method raises, or gives what is no map.
    """
    known = load_method(method)
    key = make_key(method, {name: options[name] for name in sorted(set(known.options) & set(options))}, load_method)
    fill_name = group.run.evaluation_fills(None)[0]
    rows, timings = group.rows_of(
        key, [_at(metric, k, fill_name) for metric in (*group.run.metrics, metric_key("passes"))]
    )
    if all(row["status"] == "failed" for row in rows):
        raise SampleError("failed", rows[0]["reason"])
    values = {row["metric"]: row["value"] if row["value"] is not None else row["reason"] for row in rows}
    maps, _, _ = group.maps_of(key)
    fill = bind_fill(fill_name, group.images, group.draws.on("evaluation"), group.others)
    deleted = without_top(group.images, maps, group.target, k, fill)[0]
    return Look(
        group.samples[0].class_id, maps[0], deleted, group.base.item(), {**values, "seconds": timings[0]["seconds"]}
    )


def _controls(ids: Sequence[str], model: str, classifies: bool) -> dict[str, Any]:
    number: dict[str, Any] = {"continuous_update": False, "style": STYLE}
    registered = model_names("classifier" if classifies else "segmenter")
    models = registered if model in registered else [model, *registered]
    methods = methods_of("classification" if classifies else "explorer")
    labelled = [(load_method(name).label, name) for name in methods]
    explaining = [name for name in methods if load_method(name).family != "control"]
    method = "dea" if "dea" in methods else explaining[0]
    return {
        "sample": w.Dropdown(options=list(ids), description="Sample", style=STYLE),
        "model": w.Dropdown(options=models, value=model, description="Model", style=STYLE),
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
    for name, value in seen.values.items():
        metric = load_metric(name)
        better = {1: "higher is better", -1: "lower is better", 0: ""}[metric.direction]
        lines.append((metric.label, _text(value), better))
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
        f'<td style="text-align: right; padding: 0 1em">{html.escape(value)}</td><td>{note}</td></tr>'
        for name, value, note in lines
    )
    return (
        f'<div style="display: flex; flex-wrap: wrap">{"".join(pictures)}</div><table style="{CAPTION}">{rows}</table>'
    )


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}"


def _at(metric: Key, k: float, fill: str) -> Key:
    """The metric with k and the evaluation fill pinned where it takes them: one value a metric."""
    pinned = {"k": k, "fill": fill}
    return metric.with_pinned(**{name: value for name, value in pinned.items() if name in metric.entry.options})
