"""Runs a benchmark: data set x model x seed, in groups of samples that may be killed and gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

import segattr_lib
from segattr_lib.benchmark.settings import Settings
from segattr_lib.benchmark.store import Store
from segattr_lib.benchmark.view import PREDICTED, Variant, View, readable, variants_of
from segattr_lib.data import Dataset, Sample, SampleError, draw, load_dataset
from segattr_lib.data.class_maps import load_class_map, members
from segattr_lib.evaluate import Runtime, device_of, prepare
from segattr_lib.models import Segmenter, load_segmenter
from segattr_lib.models.classifiers import Classifier, load_classifier
from segattr_lib.models.loading import give_back
from segattr_lib.registry import UserError

GROUP = 8  # samples that are kept together, and share batches


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
    store = Store(folder, settings, fingerprints, str(device_of(settings.device)))
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
    for model in models.values():
        give_back(model.module)
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
        "pictures",
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


def check_classes(dataset: Dataset, models: Mapping[str, Segmenter | Classifier], ids: list[str], size: int) -> None:
    """Raises UserError where a model has fewer classes than the data set names.

    A data set that does not say how many it has is read once to see.
    """
    most = len(dataset.class_names) - 1
    if most < 0:
        most = max((sample.class_id for sample in readable(dataset, ids, size)), default=0)
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
    view, low = _recognised(lambda some: View(run, dataset, model, runtime, some, everyone), samples, run.floor)
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


def _recognised(
    see: Callable[[list[Sample]], View], samples: list[Sample], floor: float | None
) -> tuple[View | None, list[dict[str, Any]]]:
    """The samples on the device, without those the model scores below the floor; these as rows."""
    if not samples:
        return None, []
    view = see(samples)
    if floor is None:
        return view, []
    scored = list(zip(samples, view.samples, view.base.tolist(), strict=True))
    kept = [sample for sample, _, score in scored if score >= floor]
    rows = [
        {
            "sample_id": seen.sample_id,
            "class_id": seen.class_id,
            "status": "skipped",
            "reason": f"the model scores {score:.3f}, below the floor {floor}",
        }
        for _, seen, score in scored
        if score < floor
    ]
    return (see(kept) if kept else None) if rows else view, rows
