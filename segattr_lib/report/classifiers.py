"""What the pages about classifiers' maps share: methods beside trivial maps, under the ARCC paper's metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import pandas as pd
import torch
from pydantic import Field
from statsmodels.stats.proportion import proportion_confint

from segattr_lib.attribution import METHODS, method_key, methods_of
from segattr_lib.benchmark.failures import load_sample
from segattr_lib.benchmark.runner import GROUP, borrowed, open_run
from segattr_lib.benchmark.settings import Listed, MethodKey
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.data.regions import FREQUENT
from segattr_lib.evidence.basis import Basis, basis_of, recorded_basis
from segattr_lib.inference.maps import PAPER, TRUTH
from segattr_lib.inference.paired import settled
from segattr_lib.models.predicted import PREDICTED, decided_by, targeted
from segattr_lib.registry import UserError
from segattr_lib.report.labels import model_label
from segattr_lib.report.page import read_page
from segattr_lib.report.photographs import Photographs, PhotoPage, photographed
from segattr_lib.report.tables import interval

MEASURES = (*PAPER, TRUTH)
GROUND_TRUTH = "ground_truth"  # the upper control; every other one knows nothing
CONTROLS = [name for name in methods_of("classification") if METHODS[name].family == "control"]
NAMED = 64  # images of a record that the models are asked to name while a page is made
SURE = 0.5  # a probability below this is no sure prediction
LOOKS, STEPS = 200, 50  # as the methods have them, whose names then say nothing of it
P = TypeVar("P", bound="MapsPage")


class MapsPage(PhotoPage):
    """The settings of a page about classifiers' maps; its run has the methods and, behind them, the trivial maps.

    surrogate_samples, steps: images that LIME and KernelSHAP look at, and those of Integrated Gradients, in a run that
    no record stands for; a record is of the methods' own numbers. level: of the intervals.
    photo_methods: whose maps of photographs the page opens with. checked: samples that are computed again where a
    record stands. many_*: data set, classes, samples and model of the photographs that are counted over.
    """

    trivial: Annotated[list[MethodKey], Listed]
    surrogate_samples: int = Field(ge=1)
    steps: int = Field(ge=1)
    level: float = Field(gt=0, lt=1)
    photo_methods: Annotated[list[MethodKey], Listed] = Field([method_key("layercam")], min_length=1)
    checked: int = Field(1, ge=1)
    many_dataset: str = "voc"
    many_root: str | None = None
    many_split: str | None = "voc200"
    many_class_map: str | None = "voc_imagenet"
    many_samples: Annotated[int, Field(ge=1)] | None = None
    many_model: str = "imagenet_mobilenet_v2"

    @property
    def real(self) -> list[str]:
        """The methods, as tables of results name them."""
        return [key.text for key in self.run.methods if key not in self.trivial]

    @property
    def blind(self) -> list[str]:
        """The trivial maps that know nothing, not even the truth."""
        return [key.text for key in self.trivial if key.name != GROUND_TRUTH]


def read_maps_page(page: type[P], parameters: Mapping[str, Any], controls: Sequence[str] = CONTROLS) -> P:
    """The settings of a page about classifiers' maps.

    methods = None: those of the registry's table "classification" that are no controls; trivial = None: `controls`.
    Raises UserError as read_page does.
    """
    methods, trivial = parameters["methods"], parameters["trivial"]
    if methods is None:
        methods = [name for name in methods_of("classification") if name not in CONTROLS]
    if trivial is None:
        trivial = controls
    if not methods:
        raise UserError("methods is empty; name a method of classifiers' maps, or None for all that are registered.")
    looks, steps = parameters["surrogate_samples"], parameters["steps"]
    pinned = {
        **({} if looks == LOOKS else {name: f"{name}(samples={looks})" for name in ("lime", "kernel_shap")}),
        **({} if steps == STEPS else {"integrated_gradients": f"integrated_gradients(steps={steps})"}),
    }
    methods = [pinned.get(name, name) for name in methods]
    values = {**parameters, "trivial": list(trivial)}
    if "photo_methods" in parameters:
        values["photo_methods"] = [pinned.get(name, name) for name in parameters["photo_methods"]]
    settings = read_page(page, values, methods=[*methods, *trivial], metrics=list(MEASURES))
    settings.of_photographs(settings.photo_methods)  # refuses what cannot be before the long work
    of_many(settings)
    return settings


def opening(page: MapsPage) -> Photographs:
    """The photographs that the page opens with, under the classifier that names them."""
    return photographed(page.of_photographs(page.photo_methods), page.photo_ids)


def as_recorded(page: P) -> P:
    """The same page with the methods' own numbers of samples and steps."""
    methods = [key.name if {*key.options} <= {"samples", "steps"} else key.text for key in page.run.methods]
    return page.model_copy(update={"run": page.run.changed({"methods": methods})})


def of_many(page: P) -> P:
    """The same page of many photographs, as they are recorded. Raises UserError as read_settings does."""
    own = {
        "dataset": page.many_dataset,
        "root": page.many_root,
        "split": page.many_split,
        "class_map": page.many_class_map,
        "samples": page.many_samples,
        "model": page.many_model,
        "order": "listed",
    }
    recorded = as_recorded(page)
    changed = recorded.run.changed({**own, **dict.fromkeys(("backgrounds", "layer", "layers"))})
    return recorded.model_copy(update={"run": changed})


def basis_here(page: P) -> tuple[P, Basis]:
    """What the page stands on, with the settings that are so: the record of its run, by the methods' own numbers of
    samples, one of the models being checked; else its run, made where the folder of its results is not finished. The
    rows have 0 for a composite that does not exist, see paired.settled."""
    own = as_recorded(page)
    checked = {"samples": page.checked, "model": page.run.model[:1]}
    basis = recorded_basis(own.run, f"{page.results}-checked", checked=checked)
    return (page, _settled(basis_of(page.run, page.results))) if basis is None else (own, _settled(basis))


def basis_of_many(page: P) -> tuple[P, Basis] | None:
    """The same of many photographs: as they are recorded, or as they lie at the root that the parameters name; None
    where neither is."""
    own = of_many(page)
    take = recorded_basis if own.run.root is None else basis_of
    basis = take(own.run, f"{page.results}-many", checked={"samples": page.checked})
    return None if basis is None else (own, _settled(basis))


def _settled(basis: Basis) -> Basis:
    return replace(basis, rows=settled(basis.rows))


def scored_images(rows: pd.DataFrame) -> list[str]:
    """The images that a model scored, in the order of the rows."""
    return list(dict.fromkeys(rows.loc[rows["metric"] == "score", "sample_id"].astype(str)))


def answers_of(run: RunSettings, rows: pd.DataFrame) -> pd.DataFrame:
    """What each model of a run names on each image that the run asked it about, those below its floor included.

    rows: of the run. A row a model and image: model, sample_id, class_id (the data's) and said. Empty where the class
    that is explained is the model's own answer, which cannot be wrong. Raises UserError as open_run does, and
    SampleError for an image that cannot be read any more.
    """
    opened, answers = open_run(run, classes=False), []
    own = run.changed({"class_map": PREDICTED, "target": FREQUENT, "region": None})
    asked = rows.dropna(subset=["class_id"]).drop_duplicates(["model", "sample_id"])
    with borrowed(opened.models.values()):
        for name, model in opened.models.items():
            if decided_by(run, opened.dataset, model):
                continue
            ids, runtime = list(asked.loc[asked["model"] == name, "sample_id"].astype(str)), opened.prepared(name)
            for start in range(0, len(ids), GROUP):
                samples = [load_sample(opened.dataset, one_id, run.image_size) for one_id in ids[start : start + GROUP]]
                images = runtime.place(torch.stack([sample.image for sample in samples]))
                named = targeted(own, opened.dataset, model, runtime, images, samples)
                answers += [
                    (name, sample.sample_id, sample.class_id, answer.class_id)
                    for sample, answer in zip(samples, named, strict=True)
                ]
    return pd.DataFrame(answers, columns=["model", "sample_id", "class_id", "said"])


def recognised_text(run: RunSettings, basis: Basis, level: float) -> str:
    """How often the models name the data's class, on NAMED images at most, as the end of a sentence; where the data of
    a record are not here, on how many of its images each gives that class at least a half. Raises as answers_of does.
    """
    if basis.own:
        first = list(dict.fromkeys(basis.asked["sample_id"].astype(str)))[:NAMED]
        return accuracies_text(answers_of(run, basis.asked[basis.asked["sample_id"].isin(first)]), level)
    scores = basis.asked[basis.asked["metric"] == "score"]
    sure = (scores["value"] >= SURE).groupby(scores["model"].astype(str), sort=False).agg(["sum", "size"])
    shares = [f"{model_label(str(row.Index))} on {row.sum} of {row.size}" for row in sure.itertuples()]
    return f"the images are not here to be named; its class is given {SURE} or more by {', '.join(shares)}"


def accuracies(answers: pd.DataFrame, level: float) -> pd.DataFrame:
    """How often each model names the data's class: a row a model, in their order, with right, n, share, and low and
    high, Wilson's interval of the share. answers: of `answers_of`, or whatever has its columns model, class_id, said.
    """
    right = (answers["said"] == answers["class_id"]).groupby(answers["model"].astype(str), sort=False)
    table = pd.DataFrame({"right": right.sum(), "n": right.size()})
    low, high = proportion_confint(table["right"], table["n"], alpha=1 - level, method="wilson")
    return table.assign(share=table["right"] / table["n"], low=low, high=high)


def accuracies_text(answers: pd.DataFrame, level: float) -> str:
    """The same as the end of a sentence: "vgg11 0.94 [0.72, 0.99] of 16, resnet18 1.00 [0.81, 1.00] of 16"."""
    if answers.empty:
        return "1 by construction, the class that is explained being the model's own answer"
    return ", ".join(
        f"{model_label(str(row.Index))} {interval(row.share, row.low, row.high, 2)} of {row.n}"
        for row in accuracies(answers, level).itertuples()
    )
