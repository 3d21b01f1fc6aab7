"""What the page on RefineCAM runs: CAMs and their refinement from a layer on, and the same of a segmentation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.attribution.fusion import FUSIONS
from segattr_lib.benchmark import settings as benchmark
from segattr_lib.benchmark.runner import group_of, open_run, run_benchmark
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.evidence.basis import basis_of, recorded_basis
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.inference.paired import paired, settled
from segattr_lib.models.loading import load_model
from segattr_lib.registry import make_key
from segattr_lib.report.classifiers import accuracies_text, answers_of, recognised_text
from segattr_lib.report.photographs import Photographs, photographed, values_of
from segattr_lib.sections.refinecam.maps import shortcuts
from segattr_lib.sections.refinecam.settings import FIRST, Settings

SHALLOWEST, DEEPEST, REFINED = "shallowest", "deepest", "refined"
PLACES = (SHALLOWEST, DEEPEST, REFINED)
ENDS = (SHALLOWEST, DEEPEST)
MEANS = tuple(fuse for fuse in FUSIONS if fuse != "product")


@dataclass(frozen=True)
class Ends:
    """CAMs at the ends of some models and RefineCAM of them, on some images. Rows are those of store.read_samples, an
    ARCC or ADCC of a vanished map being 0.

    ends: of CAMs at either end of each model, or at the shallowest alone, and of RefineCAM from the shallowest, see
    `at_ends`. metrics: those that have a value at all. fused: as ends, with RefineCAM by the means beside, of all
    images or the first few. coverage: of the intervals on ARCC's differences. source: where the rows are from.
    accuracy: how often the models name the images' class.
    """

    ends: pd.DataFrame
    metrics: list[str]
    fused: pd.DataFrame
    coverage: pd.DataFrame
    source: str
    accuracy: str

    @property
    def arcc(self) -> pd.DataFrame:
        """ARCC of the ends, a row an image, the mean over the models."""
        return paired(self.ends, "arcc")

    @property
    def images(self) -> list[str]:
        """The ids of the images that have every ARCC."""
        return list(self.arcc.dropna().index.get_level_values("sample_id"))

    @property
    def places(self) -> tuple[str, ...]:
        """The ends of the models that the rows have, and RefineCAM."""
        variants = self.ends["variant"].dropna().astype(str)
        there = {place for place in ENDS if variants.str.endswith(f"layer={place}").any()}
        return tuple(place for place in PLACES if place in there or place == REFINED)


@dataclass(frozen=True)
class Many(Ends):
    """The same of many photographs, with the settings that are theirs: run, model and bases."""

    page: Settings


@dataclass(frozen=True)
class Runs(Ends):
    """What the page's runs came to, its own images first.

    starts: of the first few images, the swept CAM and RefineCAM of it from every layer. shortcuts: see maps.shortcuts.
    segmentation: of the segmenter. shallow, deep: the names of its layers at the ends. photographs, photo_values: of
    `photographs_of`. many: photographs to count over, None where they are neither recorded nor at hand.
    """

    starts: pd.DataFrame
    shortcuts: pd.DataFrame
    segmentation: pd.DataFrame
    shallow: str
    deep: str
    photographs: Photographs
    photo_values: pd.DataFrame
    many: Many | None = None


def run(page: Settings) -> Runs:
    """Do or read every run of the page, each model and starting layer in a folder of its own below page.results, or
    take the records that they are of."""
    stages, results = stages_of(page.run), Path(page.results)
    few = page.first_few()
    asked = page.run.changed({"methods": methods_of(page)})
    checked = {"samples": page.checked, "model": page.run.model[:1]}
    basis = recorded_basis(asked, results / "checked", checked=checked)
    if basis is None:
        refined = [key_of(base) for base in page.bases]
        everything = by_start(page.run, stages, {0: [*page.bases, *refined], -1: page.bases}, results / "main")
        means = [key_of(base, fuse=fuse) for base in page.averaged for fuse in MEANS]
        of_means = by_start(few, stages, {0: means}, results / "fusions")
        of_few = everything[everything["sample_id"].isin(of_means["sample_id"].unique())]
        fused = settled(at_ends(pd.concat([of_few, of_means], ignore_index=True)))
        ends = settled(at_ends(everything))
        images = everything["sample_id"].nunique()
        source, accuracy = (
            f"computed with this page, on {images} images",
            accuracies_text(answers_of(page.run, ends), page.level),
        )
    else:
        of_few = by_start(few, stages, {0: [page.swept, key_of(page.swept)], -1: [page.swept]}, results / "main")
        ends = fused = settled(recorded_ends(basis.rows, {}))
        source, accuracy = basis.text(), recognised_text(asked, basis, page.level)

    between = range(1, min(map(len, stages.values())) - 1)
    swept = {place: [page.swept, key_of(page.swept)] for place in between}
    starts = [of_few, by_start(few, stages, swept, results / "starts")] if swept else [of_few]

    ended = ended_of(page, ends, fused, source, accuracy)
    looked_at = sorted(set(ended.images) & set(of_few["sample_id"]))
    groups = {one_model.model[0]: group_of(one_model, looked_at) for one_model in page.run.runs()}
    photographs, photo_values = photographs_of(page)
    rows, shallow, deep = of_segmentation(page.segmentation(), results / "segmentation")
    return Runs(
        **vars(ended),
        starts=settled(pd.concat(starts, ignore_index=True)),
        shortcuts=shortcuts(groups, ends, page.bases),
        segmentation=rows,
        shallow=shallow,
        deep=deep,
        photographs=photographs,
        photo_values=photo_values,
        many=many_of(page),
    )


def ended_of(page: Settings, ends: pd.DataFrame, fused: pd.DataFrame, source: str, accuracy: str) -> Ends:
    """What the rows of CAMs and of RefineCAM come to."""
    return Ends(
        ends=ends,
        metrics=[key.text for key in page.run.metrics if ends[ends["metric"] == key.text]["value"].notna().any()],
        fused=fused,
        coverage=simulated_coverage(standardised([paired(ends, "arcc")]), seed=page.seed, level=page.level),
        source=source,
        accuracy=accuracy,
    )


def methods_of(page: Settings, deepest: str | None = None) -> list[str]:
    """What a run that starts at the shallowest layer is asked: the CAMs there, RefineCAM of them by the product and by
    the means, and the CAMs at the deepest layer, where that has a name for every model."""
    refined = [key_of(base) for base in page.bases]
    means = [key_of(base, fuse=fuse) for base in page.averaged for fuse in MEANS]
    deep = [at_layer(base, deepest) for base in page.bases] if deepest else []
    return [*page.bases, *refined, *means, *deep]


def many_of(page: Settings) -> Many | None:
    """Many photographs: as they are recorded, or as they lie at the root that the parameters name."""
    run_of_many = page.many()
    size = (run_of_many.image_size, run_of_many.image_size)
    model = run_of_many.model[0]
    deepest = load_model(model, shape=size, kind="classifier").layers[-1]
    asked = run_of_many.changed({"methods": methods_of(page, deepest)})
    take = recorded_basis if asked.root is None else basis_of
    basis = take(asked, Path(page.results) / "many", checked={"samples": page.checked})
    if basis is None:
        return None
    ends = settled(recorded_ends(basis.rows, {model: deepest}))
    own = page.model_copy(update={"run": asked})
    ended = ended_of(own, ends, ends, basis.text(), recognised_text(asked, basis, page.level))
    return Many(**vars(ended), page=own)


def recorded_ends(rows: pd.DataFrame, deepest: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a run that starts at the shallowest layer, as `at_ends` names them. deepest: by model the name of the
    deepest layer, at which a CAM may be pinned."""
    rows = plain(rows)
    options, fused, no_method = rows["variant"].fillna(""), rows["method"] == "refinecam", rows["method"].isna()
    pinned = options == ("layer=" + rows["model"].map(deepest).fillna(""))
    end = np.where(pinned, f"layer={DEEPEST}", f"layer={SHALLOWEST}")
    return rows.assign(variant=rows["variant"].where(fused | no_method, end))


def photographs_of(page: Settings) -> tuple[Photographs, pd.DataFrame]:
    """The page's photographs, and ARCC and what it is made of of the swept CAM at either end of the model's stages and
    refined: a row a photograph and place (levels sample_id, key), a column a metric."""
    photographs = photographed(page.photographs(), page.photo_ids)
    layers = photographs.group.offered["layers"]
    ends = {SHALLOWEST: at_layer(page.swept, layers[0]), DEEPEST: at_layer(page.swept, layers[-1])}
    keys = {place: method_key(ends.get(place, key_of(page.swept))) for place in PLACES}
    tables = [
        values_of(photographs, [key], FIRST).rename(index={key.text: place}, level="key") for place, key in keys.items()
    ]
    every = pd.concat(tables)
    return photographs, every.reindex(pd.MultiIndex.from_product([photographs.ids, PLACES], names=every.index.names))


def key_of(base: str, place: str = REFINED, fuse: str = "product") -> str:
    """The column of a `paired` table of `at_ends` that a CAM at an end of the model, or RefineCAM of it, has."""
    if place != REFINED:
        return make_key(base, {"layer": place}).text
    return make_key("refinecam", {"base": base} | ({} if fuse == "product" else {"fuse": fuse})).text


def stages_of(settings: benchmark.Settings) -> dict[str, tuple[str, ...]]:
    """The layers that a run explains, shallow to deep, of each of its models; errors as runner.open_run."""
    return {name: tuple(model.layers) for name, model in open_run(settings).models.items()}


def folder_of(model: str) -> str:
    """A folder's name for the runs of a model: two users' own functions of one name do not share it."""
    _, own, function = model.rpartition(":")
    return f"{function}-{hashlib.blake2b(model.encode(), digest_size=4).hexdigest()}" if own else model


def by_start(
    settings: benchmark.Settings,
    stages: Mapping[str, Sequence[str]],
    starts: Mapping[int, Sequence[str]],
    folder: str | Path,
) -> pd.DataFrame:
    """The rows of methods that start at a layer: a CAM explains it, RefineCAM it and every deeper one (eq. 7's l).

    stages: each model's layers, shallow to deep. starts: the place of the layer among them, 0 the shallowest and -1
    the deepest, to the methods run from there; settings' own methods are not run. Each model and start is a run in a
    folder of its own below `folder`. Columns of store.read_samples, and start and stages, the place from 1 and their
    number.
    """
    tables = []
    for model in settings.model:
        layers = stages[model]
        methods_from: dict[int, list[str]] = {}
        for place, methods in starts.items():  # the deepest layer of a model of few is one of the others
            methods_from.setdefault(range(len(layers))[place], []).extend(methods)
        for first, methods in methods_from.items():
            own = {"methods": list(dict.fromkeys(methods)), "layer": None, "layers": list(layers[first:])}
            run_of_start = settings.changed({"model": model, **own})
            rows = read_samples(run_benchmark(run_of_start, Path(folder) / folder_of(model) / f"from_{first + 1}"))
            tables.append(plain(rows).assign(start=first + 1, stages=len(layers)))
    return pd.concat(tables, ignore_index=True)


def at_ends(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `by_start` of CAMs at the shallowest and the deepest layer, and of RefineCAM from the shallowest.

    Of a CAM the variant says where, after its options: layer=shallowest or layer=deepest, as `key_of` has it.
    """
    fused, no_method = rows["method"] == "refinecam", rows["method"].isna()
    first, last = rows["start"] == 1, rows["start"] == rows["stages"]
    kept = first | (last & ~fused & ~no_method)  # what is of no method, s(x) and lost samples, stands once
    end = np.where(first, f"layer={SHALLOWEST}", f"layer={DEEPEST}")
    options = rows["variant"].fillna("")
    placed = options.where(options == "", options + ", ") + end
    return rows.assign(variant=rows["variant"].where(fused | no_method, placed))[kept]


def of_segmentation(settings: benchmark.Settings, folder: str | Path) -> tuple[pd.DataFrame, str, str]:
    """The rows of GPA and EGA of a segmenter's region at its shallowest and deepest layer, and of RefineCAM of them.

    settings: of one model; their methods are not run. The names of the two layers stand beside the rows.
    """
    model = open_run(settings).models[settings.model[0]]
    shallow, deep = model.layers[0], model.layer
    methods = [key for name in ("gpa", "ega") for key in (at_layer(name, shallow), name, f"refine_{name}")]
    own = {"layer": deep, "layers": list(model.layers), "methods": [*methods, "random"]}
    return read_samples(run_benchmark(settings.changed(own), folder)), shallow, deep


def at_layer(method: str, layer: str) -> str:
    """The text of a method pinned to a layer."""
    return make_key(method, {"layer": layer}).text
