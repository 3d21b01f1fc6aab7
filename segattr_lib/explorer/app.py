"""The explorer's controls, and what a choice does."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from time import monotonic
from typing import Any

import ipywidgets as w
from IPython.display import HTML
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from segattr_lib.attribution import load_method, methods_of
from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import Opened, open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import opened_pictures
from segattr_lib.data.regions import FREQUENT, LARGEST
from segattr_lib.data.sample import Dataset, SampleError
from segattr_lib.explorer.background import Background, Job, Shown, Watched, refusals, ticking
from segattr_lib.explorer.cueing import Cued, answer_of, cued
from segattr_lib.explorer.looks import asked, compared
from segattr_lib.explorer.panel import panel_of, unpointed
from segattr_lib.explorer.saving import exported, links_to
from segattr_lib.metrics import METRICS, Table, metrics_of
from segattr_lib.models import names as model_names
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.loading import Model
from segattr_lib.models.predicted import name_of
from segattr_lib.models.runtime import Runtime
from segattr_lib.perturbation import bind_fill
from segattr_lib.photograph import BATCH_SIZE, blind_drops
from segattr_lib.prompting.segmenters import SEGMENTERS
from segattr_lib.registry import Key
from segattr_lib.report.slider import PAPER_K, STYLE

USUAL = {"samples": 20, "batch_size": BATCH_SIZE}


def explore(*, threaded: bool = True, **settings: Any) -> w.VBox:
    """The live app: choose or upload a picture, choose target, model, method, k, grid, alpha and beta, a second method
    beside the first, and a segmenter to be prompted by points of the map; see map, deletion, metrics, cues, and of a
    segmenter's map whether it leaves chance behind, as photograph.explain finds it.

    settings: those of a benchmark, by name, whose code computes what is shown; the app begins with the model that
    they name. layer and layers are that model's, the others take their own. A map is computed again only when
    something it depends on changes. What cannot be shown is said in one sentence, in the app. Raises UserError for
    settings that cannot be met at all. Children: the controls, the line that speaks, the panel (see `frozen`), and the
    files that a reader may save: the settings, for a benchmark, and the figure.

    The state it starts in is there when this returns. Later ones are computed in a thread of their own, so that a
    further choice is heard at once and ends what it supersedes, as Cancel does; nothing is shown of either. Where it is
    not threaded, a choice returns when all is shown.
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
        known, of_model = uploads.get(sample_id, data), {"model": name, **_layers(run, name)}
        with sample_errors():
            sample = known.load(sample_id, run.image_size, proportional=not known.labelled)
        return Group(run.changed({"target": target, **of_model}), known, *model_of(name), [sample])

    @lru_cache(maxsize=16)
    def blind_of(group: Group, k: float) -> tuple[Tensor, Tensor]:
        fill = bind_fill(group.run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
        return blind_drops(asked(group, {"k": k}), fill)

    answer_once = lru_cache(maxsize=16)(answer_of)

    @lru_cache(maxsize=64)
    def cued_of(group: Group, method: Key, segmenter: str, points: int) -> Cued | str:
        answer = answer_once(group, segmenter)
        return answer if isinstance(answer, str) else cued(group, method, segmenter, answer, points)

    controls = _controls(ids, run, classifies)
    upload = w.FileUpload(accept="image/*", description="Upload a picture")
    cancel = w.Button(description="Cancel", disabled=True, tooltip="End what is being computed")
    speaks, panel, saves = w.HTML(), w.HTML(), w.HTML()

    def put(shown: Shown, working: bool) -> None:
        speaks.value, panel.value, saves.value = shown.sentence, shown.panel, shown.links
        cancel.disabled = not working

    background = Background(put)

    def update(_change: Any = None, wait: bool = not threaded) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        methods = [name for name in dict.fromkeys([chosen["method"], chosen["beside"]]) if name]
        with refusals(background.tell):
            takes = {option for name in methods for option in load_method(name).options}
            for name in ("grid", "alpha", "beta"):
                controls[name].disabled = name not in takes
            controls["points"].disabled = not chosen["cues"]
            background.begin(partial(work, chosen, methods), "<p>Computing …</p>", wait)

    def work(chosen: Mapping[str, Any], methods: Sequence[str], job: Job) -> Shown:
        model, began = model_of(chosen["model"])[0], monotonic()

        def progress() -> bool:
            return job.tell(f"<p>Computing … {passes[0]} passes, {monotonic() - began:.0f} s</p>")

        with counted_passes(model.module) as passes, ticking(progress), Watched(job.wanted):
            return state(chosen, methods)

    def state(chosen: Mapping[str, Any], methods: Sequence[str]) -> Shown:
        sample_id, k = chosen["sample"], chosen["k"]
        group = group_of(sample_id, chosen["model"], chosen["target"])
        options = {name: chosen[name] for name in ("grid", "alpha", "beta")}
        names = data.class_names or model_of(chosen["model"])[0].class_names
        label = name_of(names, group.samples[0].class_id)
        seen = compared(group, label, methods, k, lambda _group, _fill: blind_of(group, k), **options)
        if chosen["cues"]:
            about = (chosen["cues"], chosen["points"])
            seen = [replace(each, cued=cued_of(group, each.key, *about)) for each in seen]
        own = sample_id if sample_id in uploads else None
        benchmark = exported(group.run, seen, k, len(ids), own)
        links = links_to(group, seen, label, benchmark, own is not None)
        return Shown("", panel_of(group, seen, label, k), links)

    def received(_change: Any) -> None:
        with refusals(background.tell):
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
    upload.observe(received, "value")
    cancel.on_click(lambda _button: background.tell(Shown("<p>Cancelled.</p>")))
    update(wait=True)
    row = w.Layout(display="flex", flex_flow="row wrap")
    controls["target"].add_class("segattr-target")
    app = w.VBox([w.Box([*controls.values(), upload, cancel], layout=row), speaks, panel, saves])
    return app.add_class("segattr-explorer")


def measured_at_once(table: Table) -> list[str]:
    """The registry's metrics of a table that a reader need not wait for: not stability, which explains five times
    again, nor ROAD, which imputes. What chance earns comes from photograph.judged."""
    return [name for name in metrics_of(table) if not METRICS[name].options & {"strength", "ties", "null"}]


def opened_by(run: Settings, name: str) -> Opened:
    """The settings opened for one of the app's models, with every sample there is: the app shows the first of them,
    and fewer than asked for are no fault."""
    return open_run(run.changed({"model": name, "samples": None, **_layers(run, name)}))


def _layers(run: Settings, name: str) -> dict[str, None]:
    """The settings' layers are their own model's; another takes its own."""
    return {} if name == run.model[0] else {"layer": None, "layers": None}


def frozen(app: w.VBox) -> HTML:
    """What an explorer shows just now, as it looks in a page without a kernel."""
    return HTML(unpointed(app.children[2].value))


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
        "beside": w.Dropdown(options=[("none", ""), *labelled], description="Beside", style=STYLE),
        "k": w.FloatSlider(value=PAPER_K, min=0.01, max=1, step=0.01, description="k", **number),
        "grid": w.IntSlider(value=14, min=1, max=32, description="Grid", **number),
        "alpha": w.FloatSlider(value=0.65, min=0, max=1, step=0.05, description="alpha", **number),
        "beta": w.FloatSlider(value=0.35, min=0, max=2, step=0.05, description="beta", **number),
        "cues": w.Dropdown(
            options=[("none", ""), *((name, name) for name in SEGMENTERS)], description="Cues", style=STYLE
        ),
        "points": w.IntSlider(value=5, min=1, max=32, description="Points", disabled=True, **number),
    }
