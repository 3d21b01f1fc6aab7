"""The live explorer: one image, one model, one method or two, and what changes when a setting does."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from threading import Event, Lock, RLock, Thread
from time import monotonic
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.overrides import TorchFunctionMode

from segattr_lib.attribution import load_method, methods_of
from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import Opened, open_run
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import credit_of, opened_pictures
from segattr_lib.data.regions import FREQUENT, LARGEST, read_region
from segattr_lib.data.sample import Dataset, Sample, SampleError
from segattr_lib.evaluate import occluded_scores
from segattr_lib.metrics import METRICS, Table, load_metric, metric_key, metrics_of
from segattr_lib.models import names as model_names
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.loading import Model
from segattr_lib.models.predicted import name_of
from segattr_lib.models.runtime import Runtime
from segattr_lib.perturbation import Fill, bind_fill, top_fraction
from segattr_lib.photograph import BATCH_SIZE, blind_drops, judged
from segattr_lib.photograph import METRICS as METRICS_OF_MAPS
from segattr_lib.registry import Key, UserError, make_key
from segattr_lib.report.explained import Explanation, listed
from segattr_lib.report.panels import CAPTION, OUTLINE, figure, outlined, overlay, pixels_of, without_top
from segattr_lib.report.saved import figure_file, link_to, settings_file
from segattr_lib.report.slider import BESIDE, LEVELS, PAPER_K, STYLE
from segattr_lib.report.steps import level_curve, marked

# A click on the picture writes its place into the field of the target, as a reader would who types it.
POINTING = """\
const box = event.target.getBoundingClientRect();
const within = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
const x = within((event.clientX - box.left) / box.width, ACROSS);
const y = within((event.clientY - box.top) / box.height, DOWN);
const field = this.closest('.segattr-explorer')?.querySelector('.segattr-target input');
if (field && event.target.tagName === 'IMG') {
  field.value = 'point=' + x + ',' + y;
  field.dispatchEvent(new Event('change', {bubbles: true}));
}"""
POINTED = re.compile(r' class="segattr-pointed"[^>]*')
USUAL = {"samples": 20, "batch_size": BATCH_SIZE}


class Cancelled(BaseException):
    """Raised where work goes on that is wanted no more; no Exception, so that nobody takes it for a fault of a map."""


class Watched(TorchFunctionMode):
    """While it is entered, whatever this thread asks of torch raises Cancelled once the work is wanted no more.

    Between two batches of a model torch is always asked, so that no method needs to look up.
    """

    def __init__(self, wanted: Callable[[], bool]):
        super().__init__()
        self.wanted = wanted

    def __torch_function__(self, function: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        if not self.wanted():
            raise Cancelled
        return function(*given, **(named or {}))


def explore(*, threaded: bool = True, **settings: Any) -> w.VBox:
    """The live app: choose or upload a picture, choose target, model, method, k, grid, alpha and beta, and a second
    method beside the first; see map, deletion, metrics, and of a segmenter's map whether it leaves chance behind, as
    photograph.explain finds it.

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

    controls = _controls(ids, run, classifies)
    upload = w.FileUpload(accept="image/*", description="Upload a picture")
    cancel = w.Button(description="Cancel", disabled=True, tooltip="End what is being computed")
    speaks, panel, saves = w.HTML(), w.HTML(), w.HTML()
    wanted: list[Thread] = []  # the one whose work is to be shown, if any
    writing, computing = RLock(), Lock()

    def tell(said: str, pictures: str = "", links: str = "", by: Thread | None = None, done: bool = True) -> bool:
        """Show this, unless it comes from a thread that is wanted no more; whether it was shown. Is it done, no work is
        wanted any more."""
        with writing:
            if by is not None and by not in wanted:
                return False
            speaks.value, panel.value, saves.value, cancel.disabled = said, pictures, links, done
            if done:
                wanted.clear()
            return True

    def update(_change: Any = None, wait: bool = not threaded) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        methods = [name for name in dict.fromkeys([chosen["method"], chosen["beside"]]) if name]
        thread = Thread(target=lambda: show(thread, chosen, methods), daemon=True)
        with writing:
            wanted[:] = [thread]
            tell("<p>Computing …</p>", done=False)
        with refusals(tell):
            takes = {option for name in methods for option in load_method(name).options}
            for name in ("grid", "alpha", "beta"):
                controls[name].disabled = name not in takes
            if wait:
                thread.run()
            else:
                thread.start()

    def show(thread: Thread, chosen: Mapping[str, Any], methods: Sequence[str]) -> None:
        """The work of a thread, one at a time: models and groups are shared."""
        with suppress(Cancelled), computing, refusals(partial(tell, by=thread)):
            if thread not in wanted:  # while it waited for another to end
                return
            model, began = model_of(chosen["model"])[0], monotonic()
            with (
                counted_passes(model.module) as passes,
                ticking(partial(progress, thread, passes, began)),
                Watched(lambda: thread in wanted),
            ):
                shown = state(chosen, methods)
            tell("", *shown, by=thread)

    def progress(thread: Thread, passes: Sequence[int], began: float) -> bool:
        said = f"<p>Computing … {passes[0]} passes, {monotonic() - began:.0f} s</p>"
        return tell(said, by=thread, done=False)

    def state(chosen: Mapping[str, Any], methods: Sequence[str]) -> tuple[str, str]:
        """HTML of the panel and of the links under it."""
        sample_id, k = chosen["sample"], chosen["k"]
        group = group_of(sample_id, chosen["model"], chosen["target"])
        options = {name: chosen[name] for name in ("grid", "alpha", "beta")}
        names = data.class_names or model_of(chosen["model"])[0].class_names
        label = name_of(names, group.samples[0].class_id)
        seen = compared(group, label, methods, k, lambda _group, _fill: blind_of(group, k), **options)
        own = sample_id if sample_id in uploads else None
        benchmark = exported(group.run, seen, k, len(ids), own)
        return _panel(group, seen, label, k), _files(group, seen, label, benchmark, own is not None)

    def received(_change: Any) -> None:
        with refusals(tell):
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
    cancel.on_click(lambda _button: tell("<p>Cancelled.</p>"))
    update(wait=True)
    row = w.Layout(display="flex", flex_flow="row wrap")
    controls["target"].add_class("segattr-target")
    app = w.VBox([w.Box([*controls.values(), upload, cancel], layout=row), speaks, panel, saves])
    return app.add_class("segattr-explorer")


@contextmanager
def ticking(tell: Callable[[], bool], every: float = 0.5) -> Iterator[None]:
    """Call a function every so many seconds while the block runs, in a thread beside it, until it answers False."""
    over = Event()

    def tick() -> None:
        while not over.wait(every) and tell():
            pass

    Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def refusals(tell: Callable[[str], Any]) -> Iterator[None]:
    """Whatever cannot be shown is told in one sentence, as HTML."""
    try:
        with sample_errors():
            yield
    except (UserError, SampleError, MemoryError, RuntimeError) as error:
        sentence = str(error).partition("\n")[0].removeprefix("ValueError: ")  # the library's own say all
        tell(f'<p role="alert"><strong>{html.escape(sentence)}</strong></p>')


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


def asked(group: Group, changes: dict[str, Any]) -> Group:
    """The same group, its maps kept, under settings of which some are changed."""
    other = copy(group)
    other.run = group.run.changed(changes)
    return other


def frozen(app: w.VBox) -> HTML:
    """What an explorer shows just now, as it looks in a page without a kernel."""
    return HTML(POINTED.sub("", app.children[2].value))


@dataclass(frozen=True)
class Look:
    """What the explorer shows of one sample under one method: the method with its options, its map (H,W) and the image
    without the map's top (3,H,W), the score before, each metric's value or, where there is none, the reason. curve:
    each share of the region that is deleted, rising from 0 to 1 with k among them, to the score that is left. sentence:
    of a segmenter's maps, what they say."""

    key: Key
    map: Float[Tensor, "h w"]
    deleted: Float[Tensor, "3 h w"]
    score: float
    measures: Mapping[str, float | str]
    curve: Mapping[float, float]
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

    blind: as in photograph.judged. Raises SampleError as `compared` does.
    """
    return compared(group, class_name, [method], k, blind, **options)[0]


def compared(
    group: Group,
    class_name: str,
    methods: Sequence[str],
    k: float,
    blind: Callable[[Group, Fill], tuple[Tensor, Tensor]] | None = None,
    **options: Any,
) -> list[Look]:
    """What `look` shows, of several methods: each takes its own of the options, and one sentence is said of them all.

    Maps are kept by the group, so that DEA under another alpha asks the model nothing; blind: as in photograph.judged.
    Raises SampleError where a method raises, or gives what is no map.
    """
    keys = [_with_own(method, options) for method in methods]
    group = asked(group, {"methods": keys, "k": k})
    fill = bind_fill(group.run.evaluation_fills(None)[0], group.images, group.draws.on("evaluation"), group.others)
    metrics = [_at(metric, k, fill.name) for metric in (*group.run.metrics, metric_key("passes"))]
    looks = []
    for key in keys:
        rows, timings = group.rows_of(key, metrics)
        if all(row["status"] == "failed" for row in rows):
            raise SampleError("failed", rows[0]["reason"])
        values = {row["metric"]: row["value"] if row["value"] is not None else row["reason"] for row in rows}
        values["seconds"] = timings[0]["seconds"]
        maps, _, _ = group.maps_of(key)
        deleted = without_top(group.images, maps, group.target, k, fill)[0]
        curve = curve_of(group, maps, k, fill)
        looks.append(Look(key, maps[0], deleted, group.base.item(), values, curve))
    if group.target.mask is None:
        return looks
    sample = group.samples[0]
    answer = Explanation(sample.sample_id, group.run, sample.image, pd.DataFrame())
    once = asked(group, {"metrics": METRICS_OF_MAPS})  # the others are measured above
    answer = judged(answer, once, class_name, blind=blind)
    return [replace(seen, measures=_with_chance(seen, answer), sentence=answer.sentence) for seen in looks]


def curve_of(group: Group, maps: Float[Tensor, "1 h w"], k: float, fill: Fill) -> dict[float, float]:
    """The score that is left of the one sample in a group without the top of its map, by the share of the target that
    is deleted, of a classifier's of the whole image: the slider's LEVELS and k."""
    region = torch.ones_like(maps, dtype=torch.bool) if group.target.mask is None else group.target.mask
    levels = sorted({*LEVELS, k} - {0.0})
    selected = torch.cat([top_fraction(maps, region, level).pixels for level in levels])
    owner = torch.zeros(len(levels), dtype=torch.long, device=maps.device)
    left = occluded_scores(group.score, group.images, selected, owner, fill)
    return {0.0: group.base.item(), **dict(zip(levels, left.tolist(), strict=True))}


def _with_own(method: str, options: Mapping[str, Any]) -> Key:
    """The method with those of the options pinned that it takes."""
    own = sorted(set(load_method(method).options) & set(options))
    return make_key(method, {name: options[name] for name in own}, load_method)


def _with_chance(seen: Look, answer: Explanation) -> dict[str, float | str]:
    row = answer.scores.loc[seen.key.text]
    return {**seen.measures, "chance_tdd": float(row["chance"]), "excess_tdd": float(row["excess"])}


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
    }


def _panel(group: Group, looks: Sequence[Look], label: str, k: float) -> str:
    """HTML: the image, of every method its map, the image without the map's top and the deletion curve, and the values
    as a table with a column a method."""
    sample, score = group.samples[0], looks[0].score
    outline, share = sample.mask.numpy(), f"{k:.0%}"
    region = "image" if group.target.mask is None else "target"
    target = figure(with_target(group), f"{sample.sample_id}, its {label} outlined", f"Target: {label}", 224)
    target = f"<div{_pointed(group)}>{target}</div>"
    lines = []
    for seen in looks:
        method = seen.key.entry.label
        by = f" by {method}" if len(looks) > 1 else ""
        colours, deleted = overlay(sample.image, seen.map, outline), pixels_of(seen.deleted)
        pictures = [
            figure(colours, f"Its {method} map", f"{method}: dark 0, light 1", 224),
            figure(deleted, f"Without the top {share} of the {region}{by}", f"The {region}'s top {share} deleted", 224),
            _curve(seen, method, k),
        ]
        lines.append(f'<div style="{BESIDE}">{"".join(pictures)}</div>')
    rows = [("s(x)", [f"{score:.3f}"] * len(looks), "score of the target on the whole image")]
    for name in looks[0].measures:
        metric = load_metric(name)
        better = {1: "higher is better", -1: "lower is better", 0: ""}[metric.direction]
        rows.append((metric.label, [_text(seen.measures[name]) for seen in looks], better))
    said = f"<p>{html.escape(looks[0].sentence)}</p>" if looks[0].sentence else ""
    credit = credit_of(sample.sample_id)
    thanks = f'<p style="{CAPTION}">Photograph: {html.escape(credit)}</p>' if credit else ""
    side_by_side = f'<div style="{BESIDE}">{target}<div style="flex: 1 1 28em">{"".join(lines)}</div></div>'
    heads = [seen.key.entry.label for seen in looks] if len(looks) > 1 else []
    return f"{side_by_side}{thanks}{said}{_table(heads, rows)}"


def exported(run: Settings, looks: Sequence[Look], k: float, count: int, upload: str | None) -> Settings:
    """The settings of a benchmark that asks what is shown: of the first `count` samples, or of an uploaded picture, by
    its name. Its metrics are a benchmark's, which has the time for all of them."""
    changes = {"methods": [seen.key for seen in looks], "k": k, "samples": count}
    if upload is not None:
        changes |= {"dataset": "pictures", "root": upload, "split": None, "backgrounds": None, "samples": 1}
    written = run.changed(changes).model_dump(exclude={"metrics"})
    return read_settings(written)


def _files(group: Group, looks: Sequence[Look], label: str, run: Settings, uploaded: bool) -> str:
    """HTML of two links: the settings, and the figure."""
    sample = group.samples[0]
    stem = Path(sample.sample_id).stem
    outline = sample.mask.numpy()
    titles = [seen.key.entry.label for seen in looks]
    settings = settings_file(
        run,
        f"What the explorer showed of {sample.sample_id}: {listed(titles)} for {label}.",
        f"{stem}.yaml",
        squared=uploaded or run.dataset in ("photographs", "pictures"),
        uploaded=uploaded,
    )
    drawn = figure_file(
        (f"{label}, s(x) {looks[0].score:.3f}", with_target(group)),
        {
            title: [
                (title, overlay(sample.image, seen.map, outline)),
                (f"its top {run.k[0]:.0%} deleted", pixels_of(seen.deleted)),
            ]
            for title, seen in zip(titles, looks, strict=True)
        },
        {title: seen.curve for title, seen in zip(titles, looks, strict=True)},
        [seen.key.name for seen in looks],
        credit_of(sample.sample_id),
    )
    links = [
        link_to(settings, f"{stem}.yaml", "application/yaml", "Save the settings (YAML)"),
        link_to(drawn, f"{stem}.svg", "image/svg+xml", "Save the figure (SVG)"),
    ]
    return f'<p style="{CAPTION}">{" · ".join(links)}</p>'


def with_target(group: Group) -> Float[np.ndarray, "h w 3"]:
    """The one image of a group with its target outlined, and a cross at the point that it is named by, if it is."""
    sample, named = group.samples[0], read_region(group.run.target)
    drawn = outlined(pixels_of(sample.image), sample.mask.numpy())
    if named.kind != "point":
        return drawn
    (x, y), (across, down) = named.numbers, extent_of(sample)
    height, width = sample.mask.shape
    return marked(drawn, [(float(int(x * width / across)), float(int(y * height / down)))], OUTLINE)


def extent_of(sample: Sample) -> tuple[int, int]:
    """Width and height of the picture whose px name a sample's target."""
    height, width = sample.mask.shape
    return sample.extent or (width, height)


def _pointed(group: Group) -> str:
    """The attributes of what is round the picture of a target that a click may choose."""
    if group.target.mask is None:
        return ""
    across, down = extent_of(group.samples[0])
    script = html.escape(POINTING.replace("ACROSS", str(across)).replace("DOWN", str(down)))
    return (
        f' class="segattr-pointed" style="cursor: crosshair" title="Click to explain what is there" onclick="{script}"'
    )


def _curve(seen: Look, method: str, k: float) -> str:
    """HTML of a deletion curve, k marked."""
    levels = list(seen.curve)
    drawn = level_curve(levels, list(seen.curve.values()), levels.index(k))
    return (
        f'<figure style="margin: 0 1em 0.5em 0; padding: 0">{drawn}'
        f'<figcaption style="{CAPTION}">{html.escape(method)}: the score that is left</figcaption></figure>'
    )


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str], str]]) -> str:
    """HTML of a table: a row's name, its values under the heads, if there are any, and a note."""
    text = 'style="text-align: left"'
    number = 'style="text-align: right; padding: 0 1em"'
    lines = []
    if heads:
        cells = "".join(f'<th scope="col" {number}>{html.escape(head)}</th>' for head in heads)
        lines.append(f"<thead><tr><td></td>{cells}<td></td></tr></thead>")
    for name, values, note in rows:
        cells = "".join(f"<td {number}>{html.escape(value)}</td>" for value in values)
        lines.append(f'<tr><th scope="row" {text}>{html.escape(name)}</th>{cells}<td>{note}</td></tr>')
    return f'<table style="{CAPTION}">{"".join(lines)}</table>'


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}"


def _at(metric: Key, k: float, fill: str) -> Key:
    """The metric with k and the evaluation fill pinned where it takes them: one value a metric."""
    pinned = {"k": k, "fill": fill}
    return metric.with_pinned(**{name: value for name, value in pinned.items() if name in metric.entry.options})
