"""Runs a benchmark: data set x model x seed, in groups of samples that may be killed and gone on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from segattr_lib.benchmark.failures import load_sample, readable, sample_errors
from segattr_lib.benchmark.group import NOT_FINITE, Group
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import Store, opened
from segattr_lib.data import draw, load_dataset
from segattr_lib.data.ahead import read_ahead
from segattr_lib.data.class_maps import class_map_fingerprint, load_class_map, members
from segattr_lib.data.regions import FREQUENT
from segattr_lib.data.sample import UNKNOWN, Dataset, Sample, SampleError
from segattr_lib.models import loading, predicted
from segattr_lib.models.judging import check_judging
from segattr_lib.models.lending import give_back
from segattr_lib.models.loading import Model
from segattr_lib.models.predicted import PREDICTED, as_asked, check_classes, check_target, known_by, region_of
from segattr_lib.models.runtime import Runtime, device_of, prepare, runtime_of
from segattr_lib.own_code import as_loaded, library_fingerprint
from segattr_lib.registry import Key, UserError, own_fingerprint, with_options
from segattr_lib.workers import Begin, results, threads_of

GROUP = 8  # samples that are kept together, and share batches


@dataclass(frozen=True)
class Question:
    """Something more that a run asks of its samples: `rows(group, methods)` gives rows as Group.rows_of does.

    section: the page that asks. about: whatever decides the answer, in a form that json writes; another one is another
    run. code: fingerprints of the code behind a user's own names in it.
    """

    section: str
    about: dict[str, Any]
    rows: Callable[[Group, list[Key]], list[dict[str, Any]]]
    code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """What the settings of some runs name, loaded and tried: the data set, each model, the judge among them, and each
    seed's sample ids.

    code: fingerprints of the code behind a user's own names, by name.
    """

    settings: Settings
    dataset: Dataset
    models: dict[str, Model]
    ids: dict[int, list[str]]
    code: dict[str, str]

    @property
    def judge(self) -> Model | None:
        """The model that scores the maps, where it is not the explained one."""
        return self.models[self.settings.judge] if self.settings.judge else None

    def prepared(self, name: str, **known: Any) -> Runtime:
        """How the model of this name is run, measured where neither the settings nor what is known of it (batch_size,
        memory_format, engine) say the batch size."""
        settings, shape = self.settings, (self.settings.image_size, self.settings.image_size)
        known = {"batch_size": settings.batch_size, "engine": settings.engine, **known}
        return prepare(self.models[name].module, shape, settings.device, settings.precision, **known)


def open_run(settings: Settings, classes: bool = True, only: Collection[str] | None = None) -> Opened:
    """Load and try everything that the settings name, before any long work. classes: refuse a model that has fewer
    classes than the data set names. only: of the samples that the settings draw these alone.

    Raises UserError for whatever cannot be had, as load_dataset, load_model, draw and check_classes do.
    """
    code = own_code_of(settings)
    dataset = load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
    dataset = as_asked(settings, dataset)
    models = {name: load_model(dataset, settings, name) for name in settings.all_models()}
    ids = {seed: draw(dataset, settings.samples, settings.order, seed) for seed in settings.seed}
    if only is not None:
        ids = {seed: [name for name in names if name in only] for seed, names in ids.items()}
    check_judging(settings, models, set().union(*ids.values()))
    for model in models.values():
        check_target(settings, dataset, model)
    if classes and settings.class_map != PREDICTED and dataset.labelled:
        check_classes(
            dataset, models.values(), readable(dataset, sorted(set().union(*ids.values())), settings.image_size)
        )
    return Opened(settings, dataset, models, ids, code)


@as_loaded()
def run_benchmark(
    settings: Settings, folder: str | Path, question: Question | None = None, only: Collection[str] | None = None
) -> Path:
    """Do what is not yet done of these runs, and leave their results in the folder; return it. only: as open_run's.

    Everything the settings name is loaded and tried first. Raises UserError, before the long work, for whatever cannot
    be had, a question beside a judge among it; killed at any moment, the same call goes on where it stopped. A user's
    files are what they are when the run begins. A model is run as it was when the folder was begun, where the settings
    leave the batch size open.
    """
    if question and settings.judge:
        raise UserError(f"judge is {settings.judge!r}, but {question.section} asks the explained model; leave it out.")
    opened_run = open_run(settings, only=only)
    models = opened_run.models.values()
    predicted.check_regions(settings.metrics, models)
    device = str(device_of(settings.device))
    decides = fingerprints_of(opened_run, question)
    with opened(folder, settings, decides, device) as store, borrowed(models), threads_of(settings.workers):
        if store.finished:
            return store.folder
        groups: dict[str, tuple[Settings, list[str], bool]] = {}  # by the part: run, samples, are they the first of all
        for run in settings.runs():
            ids, name = opened_run.ids[run.seed[0]], run.run_id()
            for start in range(0, len(ids), GROUP):
                groups[f"{name}-{start:06d}"] = (run, ids[start : start + GROUP], not groups)
        left = {part: group for part, group in groups.items() if not store.has(part)}
        names = dict.fromkeys(name for run, _, _ in left.values() for name in run.all_models())
        runtimes = prepare_as_begun(store, opened_run, names)
        ahead_of = [] if ":" in settings.dataset else [name for _, ids, _ in left.values() for name in ids]
        elsewhere = settings.model_copy(update={"device": device})
        begin = Begin(on_worker, (elsewhere, runtimes, question, only), decides)
        total, ahead = (sum(len(ids) for _, ids, _ in some.values()) for some in (groups, left))
        progress = tqdm(total=total, initial=total - ahead, desc=store.folder.name, unit="sample", smoothing=0.1)
        with progress, read_ahead(opened_run.dataset, ahead_of, GROUP) as dataset:
            work = partial(run_group, replace(opened_run, dataset=dataset), runtimes, question)
            with closing(results(settings.workers, left, work, begin)) as done:
                for part, (rows, timings) in done:
                    store.write(part, rows, timings)
                    progress.update(len(left[part][1]))
                    for name in runtimes:  # memory may have ended, and batches be half as large
                        store.record(name, runtime_of(opened_run.models[name].module))
        store.finish(list(groups))
        return store.folder


@contextmanager
def on_worker(
    settings: Settings, runtimes: dict[str, Runtime], question: Question | None, only: Collection[str] | None
) -> Iterator[Any]:
    """In a worker process: run_group for this run, opened anew and prepared as it was where it began, and all that
    decides its values here."""
    opened_run = open_run(settings, classes=False, only=only)
    with borrowed(opened_run.models.values()):
        for name, was in runtimes.items():
            opened_run.prepared(name, batch_size=was.batch_size, memory_format=was.memory_format, engine=was.engine)
        yield partial(run_group, opened_run, runtimes, question), fingerprints_of(opened_run, question)


def fingerprints_of(run: Opened, question: Question | None) -> dict[str, Any]:
    """Whatever decides the values of these runs beside their settings, kind by kind."""
    chosen = run.settings.class_map
    mapped = {} if chosen in (None, PREDICTED) else {"class map": {chosen: class_map_fingerprint(chosen)}}
    return {
        "data": {f"seed {seed}": run.dataset.fingerprint(names) for seed, names in run.ids.items()},
        **mapped,
        "weights": {name: model.fingerprint for name, model in run.models.items()},
        "library code": library_fingerprint(*([question.section] if question else [])),
        "code": run.code | (question.code if question else {}),
        **({"question": question.about} if question else {}),
    }


@contextmanager
def borrowed(models: Iterable[Model]) -> Iterator[None]:
    """Gives a user's modules back as they were handed over, however the block ends."""
    try:
        yield
    finally:
        for model in models:
            give_back(model.module)


def prepare_as_begun(store: Store, opened_run: Opened, names: Iterable[str]) -> dict[str, Runtime]:
    """How these models are run, noted in the store: as they were, unless the settings name another batch size."""
    runtimes = {}
    for name in names:
        begun, known = store.begun_with(name), {}
        if begun:
            known["engine"] = begun["engine"]  # rows of two never mix in one folder
            if opened_run.settings.batch_size in (None, begun["batch_size"]):
                memory_format = torch.channels_last if begun["channels_last"] else torch.contiguous_format
                known |= {"batch_size": begun["batch_size"], "memory_format": memory_format}
        runtimes[name] = opened_run.prepared(name, **known)
        store.record(name, runtimes[name])
    return runtimes


def own_code_of(settings: Settings) -> dict[str, str]:
    """A fingerprint of the code behind each of a user's own names in the settings, which is loaded where it is not."""
    named = [("data set", settings.dataset), *(("model", name) for name in settings.all_models())]
    named += [("method", key.name) for key in settings.methods]
    named += [("metric", key.name) for key in settings.metrics]
    return {name: own_fingerprint(kind, name) for kind, name in named if ":" in name}


def group_of(run: Settings, sample_ids: list[str], opened_run: Opened | None = None) -> Group:
    """Some samples of a run as it saw them, to look at their maps; run: one of `settings.runs()`, opened or not yet.

    Raises SampleError for a sample that cannot be read, or that the model fails on.
    """
    opened_run = opened_run or open_run(run, classes=False)
    model = opened_run.models[run.model[0]]
    runtimes = {name: opened_run.prepared(name) for name in run.all_models()}
    samples = [load_sample(opened_run.dataset, sample_id, run.image_size) for sample_id in sample_ids]
    with sample_errors():
        return Group(run, opened_run.dataset, model, runtimes[model.name], samples, opened_run.judge)


def load_model(dataset: Dataset, settings: Settings, name: str) -> Model:
    """The model of this name, of the kind asked for. Raises UserError as kind_asked, loading.load_model and
    load_class_map do."""
    shape, chosen = (settings.image_size, settings.image_size), settings.class_map
    kind = predicted.kind_asked(settings, dataset, name)
    groups = None if chosen in (None, PREDICTED) else members(load_class_map(chosen), dataset.class_names)
    return loading.load_model(
        name, settings.layer, settings.layers, shape, kind, groups, explained=name in settings.model
    )


def run_group(
    opened_run: Opened,
    runtimes: dict[str, Runtime],
    question: Question | None,
    run: Settings,
    ids: list[str],
    first: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows and timings of some samples of one run.

    Whatever raises on a sample leaves it failed rows with the reason. Of the first group of all, a method or metric
    that raises the same on every sample is a UserError: that is no sample's fault, and would be hours of failed rows.
    """
    dataset, model = opened_run.dataset, opened_run.models[run.model[0]]
    about = {"run_id": run.run_id(), "dataset": run.dataset, "model": run.model[0], "seed": run.seed[0]}
    about |= {"target": run.target, "region": region_of(run, dataset, model)}
    rows: list[dict[str, Any]] = []
    samples: list[Sample] = []
    for sample_id in ids:
        try:
            samples.append(_known(load_sample(dataset, sample_id, run.image_size), run, dataset, model))
        except SampleError as error:
            rows.append({"sample_id": sample_id, "status": error.status, "reason": error.reason})

    def see(some: list[Sample]) -> Group:
        with sample_errors():
            return Group(run, dataset, model, runtimes[model.name], some, opened_run.judge)

    group, lost = _recognised(see, samples, run.floor)
    rows += lost
    timings: list[dict[str, Any]] = []
    if group is not None:
        rows += group.model_rows()
        methods = run.method_keys()
        for method in methods:
            of_method, timed = group.rows_of(method, run.metrics)
            rows += of_method
            timings += timed
        if question is not None:
            rows += question.rows(group, methods)
        if first:
            _refuse_what_always_raises(rows, group.raised)
    return [{**about, **row} for row in rows], [{**about, **row} for row in timings]


def _refuse_what_always_raises(rows: list[dict[str, Any]], raised: Mapping[str, str]) -> None:
    """raised: the reasons of rows on which a method or a metric raised, and which of the two it was."""
    for kind in ("method", "metric"):
        other = {reason for reason, who in raised.items() if who != kind}
        by_name: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row.get("method") is not None and row["status"] != "undefined" and row["reason"] not in other:
                name = with_options(row["method"], row["variant"]) if kind == "method" else row["metric"]
                by_name.setdefault(name, []).append(row)
        for name, mine in by_name.items():
            count, reasons = len({row["sample_id"] for row in mine}), {row["reason"] for row in mine}
            if count > 1 and len(reasons) == 1 and reasons <= raised.keys():
                raise UserError(f"The {kind} {name!r} fails on each of the first {count} samples: {reasons.pop()}.")


def _known(sample: Sample, run: Settings, dataset: Dataset, model: Model) -> Sample:
    """The sample; SampleError for one of a class that the model does not know, where no other is asked for."""
    if sample.class_id == UNKNOWN or run.target != FREQUENT:
        return sample
    if run.class_map != PREDICTED and not 0 <= sample.class_id < model.classes:
        raise SampleError("failed", f"the sample is of class {sample.class_id}, {known_by(model)}")
    if model.members is not None and not model.members[sample.class_id]:
        name = dataset.class_names[sample.class_id]
        raise SampleError("skipped", f"the classifier {model.name} knows no class {name!r}")
    return sample


def _recognised(
    see: Callable[[list[Sample]], Group], samples: list[Sample], floor: float | None
) -> tuple[Group | None, list[dict[str, Any]]]:
    """The samples on the device, without those on which the model raises or gives no number, or which it scores
    below the floor; these as rows."""
    rows: list[dict[str, Any]] = []
    try:
        group = see(samples) if samples else None
    except SampleError as error:  # one of them, or several: each is tried alone
        lost = {sample.sample_id: fault for sample in samples if (fault := _fault(see, sample)) is not None}
        if not lost:
            text = f"The model takes each of {len(samples)} images alone, but not at once: {error.reason}"
            raise UserError(f"{text}; set batch_size=1.") from error
        rows = [{"sample_id": name, "status": fault.status, "reason": fault.reason} for name, fault in lost.items()]
        samples = [sample for sample in samples if sample.sample_id not in lost]
        group = see(samples) if samples else None
    if group is None:
        return None, rows
    kept = []
    least = torch.stack([*group.scores.values()]).amin(0).tolist()  # by judge and explained model; NaN if one is
    for sample, seen, score in zip(samples, group.samples, least, strict=True):
        row = {"sample_id": seen.sample_id, "class_id": seen.class_id}
        if not math.isfinite(score):
            rows.append({**row, "status": "failed", "reason": NOT_FINITE})
        elif floor is not None and score < floor:
            reason = f"the model scores {score:.3f}, below the floor {floor}"
            rows.append({**row, "status": "skipped", "reason": reason})
        else:
            kept.append(sample)
    if len(kept) < len(samples):
        group = see(kept) if kept else None
    return group, rows


def _fault(see: Callable[[list[Sample]], Group], sample: Sample) -> SampleError | None:
    """Why the sample cannot be seen alone, if so."""
    try:
        see([sample])
    except SampleError as error:
        return error
    return None
