"""Runs a benchmark: data set x model x seed, in groups of samples that may be killed and gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

import segattr_lib
from segattr_lib.attribution import Method, load_method
from segattr_lib.benchmark.settings import Settings, options_of_metric
from segattr_lib.benchmark.store import Store
from segattr_lib.data import IGNORE, Dataset, Sample, SampleError, draw, load_dataset
from segattr_lib.data.class_maps import load_class_map, members
from segattr_lib.evaluate import Runtime, autocast, counted_passes, prepare, synchronised_clock
from segattr_lib.metrics import MEASURED, load_metric
from segattr_lib.metrics.deletion import model_score
from segattr_lib.models import Segmenter, load_segmenter
from segattr_lib.models.classifiers import Classifier, load_classifier
from segattr_lib.perturbation import PERTURBATIONS, Fill, bind_fill
from segattr_lib.registry import UserError, accepted, options_of, variant, with_options
from segattr_lib.seeds import Draws
from segattr_lib.targets import Score, Target, bind

PREDICTED = "predicted"  # the class map of data whose classes the classifier is not asked for
GROUP = 8  # samples that are kept together, and share batches
OFFERED = ("scalar", "grid", "budget", "window", "alpha", "beta")


@dataclass(frozen=True)
class Question:
    """Something more that a run asks of its samples: `rows(view, variants)` gives rows as View.rows_of does.

    about: whatever decides the answer, in a form that json writes; another one is another run.
    """

    about: dict[str, Any]
    rows: Callable[[View, list[Variant]], list[dict[str, Any]]]


def run_benchmark(settings: Settings, folder: str | Path, question: Question | None = None) -> Path:
    """Do what is not yet done of these runs, and leave their results in the folder; return it.

    Everything the settings name is loaded and tried first. Raises UserError, before the long work, for
    whatever cannot be had; killed at any moment, the same call goes on where it stopped.
    """
    dataset = load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
    shape = (settings.image_size, settings.image_size)
    models = {name: load_model(dataset, settings, name) for name in settings.model}
    ids = {seed: draw(dataset, settings.samples, settings.order, seed) for seed in settings.seed}
    if settings.class_map != PREDICTED:
        check_classes(dataset, models, sorted(set().union(*ids.values())), settings.image_size)
    variants = variants_of(settings)
    fingerprints = {
        "data": {str(seed): dataset.fingerprint(names) for seed, names in ids.items()},
        "weights": {name: model.fingerprint for name, model in models.items()},
        "library code": library_fingerprint(),
        **({"question": question.about} if question else {}),
    }
    device = settings.device or str(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    store = Store(folder, settings, fingerprints, device)
    if store.finished:
        return store.folder
    parts: list[str] = []
    total = sum(len(ids[run.seed[0]]) for run in settings.runs())
    with tqdm(total=total, desc=store.folder.name, unit="sample", smoothing=0.1) as progress:
        for run in settings.runs():
            model = models[run.model[0]]
            runtime: Runtime | None = None
            names = ids[run.seed[0]]
            for start in range(0, len(names), GROUP):
                group = names[start : start + GROUP]
                part = f"{run.run_id()}-{start:06d}"
                parts.append(part)
                if not store.has(part):
                    runtime = runtime or prepare(
                        model.module, shape, settings.device, settings.precision, settings.batch_size
                    )
                    rows, timings = run_group(run, dataset, model, runtime, variants, group, names, question)
                    store.write(part, rows, timings)
                progress.update(len(group))
    store.finish(parts)
    return store.folder


def view_of(run: Settings, sample_ids: list[str]) -> View:
    """Some samples of a run as it saw them, to look at their maps; run is one of `settings.runs()`.

    Raises SampleError for a sample that cannot be read.
    """
    dataset = load_dataset(run.dataset, run.root, run.split, run.backgrounds)
    model = load_model(dataset, run, run.model[0])
    shape = (run.image_size, run.image_size)
    runtime = prepare(model.module, shape, run.device, run.precision, run.batch_size)
    everyone = draw(dataset, run.samples, run.order, run.seed[0])
    return View(run, dataset, model, runtime, [dataset.load(one, run.image_size) for one in sample_ids], everyone)


def load_model(dataset: Dataset, settings: Settings, name: str) -> Segmenter | Classifier:
    """The model of this name: a classifier where the data set gives images a class or there is a class map, else
    a segmenter. Raises UserError as load_segmenter, load_classifier and load_class_map do.
    """
    shape, chosen = (settings.image_size, settings.image_size), settings.class_map
    if dataset.class_of is None and chosen is None:
        return load_segmenter(name, settings.layer, shape, settings.layers)
    told = None if chosen in (None, PREDICTED) else members(load_class_map(chosen), dataset.class_names)
    return load_classifier(name, settings.layers, shape, settings.layer, told)


def offered(run: Settings, model: Segmenter | Classifier) -> dict[str, Any]:
    """The options that a run offers its methods, of those that are the same for every sample."""
    settled = {name: getattr(run, name) for name in OFFERED}
    return {**settled, "fill": run.fill[0], "layer": model.layer, "layers": model.layers}


def library_fingerprint() -> str:
    """A digest of the code that makes values: data, models, perturbations, methods, metrics and this runner."""
    root = Path(segattr_lib.__file__).parent
    after = {
        "claims",
        "inference",
        "judge",
        "refinement",
        "protocol",
        "validity",
        "economy",
        "anatomy",
        "statistics",
        "tables",
        "figures",
        "explorer",
        "execute",
        "reference",
        "training",
        "segmenter_training",
        "classifier_training",
        "part_training",
        "prompt_training",
        "suites",
        "__main__",
    }
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        if path.stem not in after:
            digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Variant:
    """A method with the options pinned for it; `text` names them, "" where there are none."""

    name: str
    text: str
    method: Method
    pinned: dict[str, Any] = field(hash=False)


def variants_of(settings: Settings) -> list[Variant]:
    """The methods of a run; one that intervenes stands once for each of several fills."""
    found: list[Variant] = []
    for written in settings.methods:
        name, pinned = variant(written)
        method = load_method(name)
        takes = options_of(method.function)
        fills = settings.fill if len(settings.fill) > 1 and "fill" in takes and "fill" not in pinned else [None]
        for fill in fills:
            options = {**pinned, "fill": fill} if fill else pinned
            text = ", ".join(f"{key}={value}" for key, value in options.items())
            found.append(Variant(name, text, method, options))
    return found


def check_classes(dataset: Dataset, models: Mapping[str, Segmenter | Classifier], ids: list[str], size: int) -> None:
    """Raises UserError where a model has fewer classes than the data set names.

    A data set that does not say how many it has is read once to see.
    """
    most = len(dataset.class_names) - 1
    if most < 0:
        most = max((sample.class_id for sample in _readable(dataset, ids, size)), default=0)
    for name, model in models.items():
        if most >= model.classes:
            raise UserError(
                f"The data set {dataset.name!r} names class {most}, but the model {name!r} has {model.classes} "
                f"classes (0 to {model.classes - 1}); choose data and a model that agree."
            )


def run_group(
    run: Settings,
    dataset: Dataset,
    model: Segmenter | Classifier,
    runtime: Runtime,
    variants: list[Variant],
    ids: list[str],
    everyone: list[str],
    question: Question | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows and timings of some samples of one run; `everyone` is the run's whole list of ids."""
    about = {"run_id": run.run_id(), "dataset": run.dataset, "model": run.model[0], "seed": run.seed[0]}
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for sample_id in ids:
        try:
            samples.append(_known(dataset.load(sample_id, run.image_size), dataset, model))
        except SampleError as error:
            rows.append({**about, "sample_id": sample_id, "status": error.status, "reason": error.reason})
    view, low = _view(run, dataset, model, runtime, samples, everyone)
    rows += [{**about, **row} for row in low]
    timings: list[dict[str, Any]] = []
    if view is not None:
        rows += [{**about, **row} for row in view.model_rows()]
        for one in variants:
            more, timed = view.rows_of(one, run.metrics)
            rows += [{**about, **row} for row in more]
            timings += [{**about, **row} for row in timed]
        if question is not None:
            rows += [{**about, **row} for row in question.rows(view, variants)]
    return rows, timings


def _known(sample: Sample, dataset: Dataset, model: Segmenter | Classifier) -> Sample:
    """The sample; SampleError for one of a class that the classifier does not know."""
    groups = model.members if isinstance(model, Classifier) else None
    if groups is not None and not groups[sample.class_id]:
        name = dataset.class_names[sample.class_id]
        raise SampleError("skipped", f"the classifier {model.name} knows no class {name!r}")
    return sample


def _view(
    run: Settings,
    dataset: Dataset,
    model: Segmenter | Classifier,
    runtime: Runtime,
    samples: list[Sample],
    everyone: list[str],
) -> tuple[View | None, list[dict[str, Any]]]:
    """The samples on the device, without those the model scores below the floor; these as rows."""
    if not samples:
        return None, []
    view = View(run, dataset, model, runtime, samples, everyone)
    if run.floor is None:
        return view, []
    low = view.base < run.floor
    rows = [
        {
            "sample_id": sample.sample_id,
            "class_id": sample.class_id,
            "status": "skipped",
            "reason": f"the model scores {score:.3f}, below the floor {run.floor}",
        }
        for sample, score in zip(samples, view.base.tolist(), strict=True)
        if score < run.floor
    ]
    kept = [sample for sample, left in zip(samples, low.tolist(), strict=True) if not left]
    if not kept:
        return None, rows
    return (View(run, dataset, model, runtime, kept, everyone) if rows else view), rows


class View:
    """A group of samples as a run sees them: images, target, scores, and each map and value once computed."""

    def __init__(
        self,
        run: Settings,
        dataset: Dataset,
        model: Segmenter | Classifier,
        runtime: Runtime,
        samples: list[Sample],
        everyone: list[str],
    ):
        self.run, self.runtime = run, runtime
        self.images = runtime.place(torch.stack([sample.image for sample in samples]))
        if run.class_map == PREDICTED:
            with torch.inference_mode(), autocast(runtime):
                said = model.module(self.images).argmax(1).tolist()
            samples = [replace(sample, class_id=one) for sample, one in zip(samples, said, strict=True)]
        self.samples = samples
        classes = torch.tensor([sample.class_id for sample in samples])
        masks = torch.stack([sample.mask for sample in samples])
        classifies = isinstance(model, Classifier)
        self.target = (Target(classes, None, masks) if classifies else Target(classes, masks)).to(runtime.device)
        self.score: Score = bind(model.module, self.target)
        self.ring = torch.stack([sample.labels == IGNORE for sample in samples]).to(runtime.device)
        self.draws = Draws(run.seed[0], [sample.sample_id for sample in samples])
        self.base = model_score(self.score, self.images)
        self.others: Tensor | None = None
        used = {*run.fill, *(run.evaluation_fill or []), *(variant(text)[1].get("fill") for text in run.methods)}
        if "other_image" in used:
            pictures = [_next_image(dataset, sample.sample_id, everyone, run.image_size) for sample in samples]
            self.others = runtime.place(torch.stack(pictures))
        self.offered = offered(run, model)
        self._fills: dict[str, Fill] = {}
        self._maps: dict[tuple[Any, ...], tuple[Tensor, float, int]] = {}

    def under(self, module: nn.Module) -> View:
        """The same samples seen by another model of the same layers, such as this one with weights drawn anew."""
        shape = (self.images.shape[2], self.images.shape[3])
        other = copy(self)
        other.runtime = prepare(module, shape, str(self.runtime.device), self.run.precision, self.runtime.batch_size)
        other.score = bind(module, self.target)
        other.base = model_score(other.score, self.images)
        other._maps = {}
        return other

    def model_rows(self) -> list[dict[str, Any]]:
        """s(x) of every sample."""
        return [
            {**_of(sample), "metric": "score", "value": value, "status": "ok"}
            for sample, value in zip(self.samples, self.base.tolist(), strict=True)
        ]

    def rows_of(self, one: Variant, metrics: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The values of all metrics for one method's maps, and what the maps took."""
        maps, seconds, passes = self.maps_of(one)
        about = [{"sample_id": sample.sample_id, "method": one.name, "variant": one.text} for sample in self.samples]
        timings = [{**row, "seconds": took} for row, took in zip(about, seconds, strict=True)]
        return self.judged(one, maps, metrics, passes), timings

    def judged(self, one: Variant, maps: Tensor, metrics: list[str], passes: list[int]) -> list[dict[str, Any]]:
        """The values of all metrics for these maps (B,H,W), which one made in so many passes each."""
        about = [{**_of(sample), "method": one.name, "variant": one.text} for sample in self.samples]
        broken = [_fault(one_map) for one_map in maps]
        flat = (maps.amax((1, 2)) == maps.amin((1, 2))).tolist()
        rows: list[dict[str, Any]] = []
        known: dict[tuple[Any, ...], Tensor] = {}
        safe = torch.nan_to_num(maps).clamp(0, 1)
        for written in metrics:
            name, pinned = variant(written)
            if name == "seconds":
                continue  # lies in the timings, apart from what a setting decides
            others = ", ".join(f"{key}={value}" for key, value in pinned.items() if key not in ("k", "fill"))
            label = with_options(name, others)
            for k, fill in self._settings_of(name, one, pinned):
                if name == "passes":
                    values = torch.tensor(passes, dtype=torch.float32)
                else:
                    values = self._value(name, one, safe, k, fill, pinned, known)
                for index, value in enumerate(values.tolist()):
                    status, reason = "ok", None
                    if broken[index]:
                        status, reason, value = "failed", broken[index], None
                    elif value != value:
                        status, reason, value = "undefined", load_metric(name).undefined, None
                    elif flat[index]:
                        status, reason = "degenerate", "the map is constant"
                    row = {**about[index], "metric": label, "k": k, "fill": fill}
                    rows.append({**row, "value": value, "status": status, "reason": reason})
        return rows

    def maps_of(self, one: Variant) -> tuple[Tensor, list[float], list[int]]:
        """A method's maps on the images as they are, one call an image: maps, seconds and passes of each."""
        calls = [
            self._explain(one, self.images[[index]], self.target[[index]], self.score_of([index]), index)
            for index in range(len(self.samples))
        ]
        return torch.cat([maps for maps, _, _ in calls]), [s for _, s, _ in calls], [p for _, _, p in calls]

    def score_of(self, index: list[int]) -> Score:
        return bind(self.score.model, self.target[index])

    def again(self, one: Variant, images: Tensor, target: Target, occasion: str) -> Tensor:
        """A method's maps of changed images, all in one call."""
        score = bind(self.score.model, target)
        return self._explain(one, self.runtime.place(images), target, score, occasion)[0]

    def _explain(
        self, one: Variant, images: Tensor, target: Target, score: Score, occasion: int | str
    ) -> tuple[Tensor, float, int]:
        """Maps, seconds and passes of one call. A part that several methods share is computed once, and its
        cost is counted for each of them."""
        function = one.method.fuse or one.method.function
        draws, others = self.draws, self.others
        if isinstance(occasion, int):  # one sample, as it is
            draws = Draws(draws.seed, [draws.sample_ids[occasion]])
            others = None if others is None else others[[occasion]]
        else:
            draws = draws.on(occasion)
        offered = {**self.offered, "draws": draws, "others": others, **one.pinned}
        options = accepted(one.method.function, offered)
        key = (occasion, one.name, *((name, str(options[name])) for name in options if name not in ("draws", "others")))
        if key in self._maps:
            return self._maps[key]
        parts = []
        for name in one.method.parts:
            part = load_method(name)
            pinned = accepted(part.function, one.pinned)
            parts.append(self._explain(Variant(name, "", part, pinned), images, target, score, occasion))
        with counted_passes(score.model) as passes:
            began = synchronised_clock(self.runtime.device)
            if one.method.parts:
                maps = function(*(part[0] for part in parts), **accepted(function, offered))
            else:
                maps = function(score, images, target, **options)
            seconds = synchronised_clock(self.runtime.device) - began
        expected = (len(images), *images.shape[2:])
        if not isinstance(maps, Tensor) or maps.shape != expected:
            got = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise UserError(f"The method {one.name!r} gives {got}; expected maps {expected}.")
        seconds += sum(part[1] for part in parts)
        result = (maps.detach().float(), seconds, passes[0] + sum(part[2] for part in parts))
        self._maps[key] = result
        return result

    def _settings_of(
        self, name: str, one: Variant, pinned: dict[str, Any]
    ) -> Iterator[tuple[float | None, str | None]]:
        takes = set() if name in MEASURED else options_of_metric(load_metric(name))
        fills = self.run.evaluation_fills(one.pinned.get("fill") if len(self.run.fill) > 1 else None)
        for k in [pinned["k"]] if "k" in pinned else self.run.k if "k" in takes else [None]:
            for fill in [pinned["fill"]] if "fill" in pinned else fills if "fill" in takes else [None]:
                yield k, fill

    def _value(
        self,
        name: str,
        one: Variant,
        maps: Tensor,
        k: float | None,
        fill: str | None,
        pinned: dict[str, Any],
        known: dict[tuple[Any, ...], Tensor],
    ) -> Tensor:
        key = (name, k, fill, *sorted(pinned.items()))
        if key not in known:
            metric = load_metric(name)
            if metric.combine:
                parts = [self._value(part, one, maps, k, fill, pinned, known) for part in metric.parts]
                known[key] = metric.combine(*parts)
            else:
                assert metric.function is not None
                strength = pinned.get("strength", self.run.strength)

                def explain(images: Tensor, target: Target, kind: str) -> Tensor:
                    # the same perturbed images for every method; what else is explained depends on its map
                    whose = f"{strength}" if kind in PERTURBATIONS else f"of {one.name} {one.text}"
                    return self.again(one, images, target, f"{kind} {whose}")

                offered = {
                    "k": k,
                    "base": self.base,
                    "surrogates": self.run.surrogates,
                    "strength": strength,
                    "draws": self.draws,
                    "ring": self.ring,
                    "void": self.ring if self.run.ignore == "exclude" else None,
                    "explain": explain,
                    **pinned,
                }
                if fill is not None:
                    offered["fill"] = self._fill(fill)
                options = accepted(metric.function, offered)
                known[key] = metric.function(self.score, self.images, maps, self.target, **options)
        return known[key]

    def _fill(self, name: str) -> Fill:
        if name not in self._fills:
            self._fills[name] = bind_fill(name, self.images, self.draws.on("evaluation"), self.others)
        return self._fills[name]


def _of(sample: Sample) -> dict[str, Any]:
    return {"sample_id": sample.sample_id, "class_id": sample.class_id}


def _fault(one_map: Tensor) -> str | None:
    if not bool(torch.isfinite(one_map).all()):
        return "the map holds a value that is not finite"
    low, high = float(one_map.amin()), float(one_map.amax())
    return None if low >= 0 and high <= 1 else f"the map holds values from {low:.3g} to {high:.3g}, expected 0 to 1"


def _readable(dataset: Dataset, ids: list[str], size: int) -> Iterator[Sample]:
    for sample_id in ids:
        try:
            yield dataset.load(sample_id, size)
        except SampleError:
            continue  # becomes a row with its reason when the run comes to it


def _next_image(dataset: Dataset, sample_id: str, everyone: list[str], size: int) -> Tensor:
    """The image of the next sample that can be read, past the end from the first; itself where it is alone."""
    place = everyone.index(sample_id)
    return next(iter(_readable(dataset, everyone[place + 1 :] + everyone[: place + 1], size))).image
