"""RefineCAM held against the CAM it refines: where it starts, how it fuses, and what its coherency rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from segattr_lib.attribution.fusion import FUSIONS, REFINABLE, refined
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import load_model, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data import load_dataset
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED
from segattr_lib.inference.intervals import means
from segattr_lib.inference.max_t import AllPairs, all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.metrics.composite import arcc, coherency
from segattr_lib.registry import unknown
from segattr_lib.targets import Maps, Target

SHALLOWEST, DEEPEST, REFINED = "shallowest", "deepest", "refined"
PLACES = (SHALLOWEST, DEEPEST, REFINED)
START = "starting layer, 1 the shallowest"


def key_of(base: str, place: str = REFINED, fuse: str = "product") -> str:
    """The column of a `paired` table of `at_ends` that a CAM at an end of the model, or RefineCAM of it, has."""
    if place != REFINED:
        return f"{base}(layer={place})"
    return f"refinecam(base={base})" if fuse == "product" else f"refinecam(base={base}, fuse={fuse})"


def stages_of(settings: Settings, model: str) -> tuple[str, ...]:
    """The layers of a model that a run explains, shallow to deep; errors as runner.load_model."""
    dataset = load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
    return load_model(dataset, settings, model).layers


def by_start(settings: Settings, starts: Mapping[int, Sequence[str]], folder: str | Path) -> pd.DataFrame:
    """The rows of methods that start at a layer: a CAM explains it, RefineCAM it and every deeper one (eq. 7's l).

    starts: the place of the layer among each model's own, 0 the shallowest and -1 the deepest, to the methods run
    from there; settings' own methods are not run. Each model and start is a run in a folder of its own below
    `folder`. Columns of store.read_samples, and start and stages, the place from 1 and their number.
    """
    found = []
    for model in settings.model:
        layers = stages_of(settings, model)
        resolved: dict[int, list[str]] = {}
        for place, methods in starts.items():  # the deepest layer of a model of few is one of the others
            resolved.setdefault(range(len(layers))[place], []).extend(methods)
        for first, methods in resolved.items():
            told = {
                "model": model,
                "methods": list(dict.fromkeys(methods)),
                "layer": None,
                "layers": list(layers[first:]),
            }
            run = read_settings({**settings.model_dump(), **told})
            rows = read_samples(run_benchmark(run, Path(folder) / model.rpartition(":")[2] / f"from_{first + 1}"))
            found.append(plain(rows).assign(start=first + 1, stages=len(layers)))
    return pd.concat(found, ignore_index=True)


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


def summary(rows: pd.DataFrame, bases: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Means over the images: a row a model, base, place and metric, of the rows of `at_ends`.

    mean, std (n - 1), n: of the images that have a value; undefined: those whose value does not exist, `settled` or
    not.
    """
    named = {key_of(base, place): (base, place) for base in bases for place in PLACES}
    keys = rows["method"] + "(" + rows["variant"].fillna("") + ")"
    told = rows[keys.isin(list(named)) & rows["metric"].isin(metrics)]
    about = pd.DataFrame([named[key] for key in keys[told.index]], told.index, ["base", "place"])
    told = told.assign(base=about["base"], place=about["place"], undefined=told["status"] == "undefined")
    grouped = told.groupby(["model", "base", "place", "metric"], sort=False)
    found = grouped.agg(
        mean=("value", "mean"), std=("value", "std"), n=("value", "count"), undefined=("undefined", "sum")
    )
    return found.reset_index()


def lift(rows: pd.DataFrame, bases: Sequence[str], over: str, metric: str = "arcc") -> pd.DataFrame:
    """What RefineCAM adds to its base at one end, mean over the bases: images as rows, models as columns.

    rows: of `at_ends`, `settled`; an image that lacks a value of any base has none.
    """
    table = paired(rows, metric, by_model=True)
    gains = [table[key_of(base)] - table[key_of(base, over)] for base in bases]
    return sum(gains[1:], gains[0]).div(len(bases)).unstack("model").droplevel("dataset")  # noqa: PD010


def leaders(
    rows: pd.DataFrame, bases: Sequence[str], places: Sequence[str] = PLACES, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Which base and place has the highest ARCC on each model: a row a model, of the rows of `at_ends`, `settled`.

    base, place: of the highest mean over the images; mean: of the base and place that are highest on other images
    (max_t.cross_fitted); n: the images that have every value. best: does it lie above every other base and place;
    refined: does one of the refined lie above every one that is not, see `verdict_of`.
    """
    named = {key_of(base, place): (base, place) for base in bases for place in places}
    found = []
    for model, table in paired(rows, "arcc", by_model=True)[list(named)].groupby("model", sort=False):
        pairs = all_pairs(table.droplevel(["dataset", "model"]), seed=seed)
        values = cross_fitted(table.droplevel(["dataset", "model"]), seed=seed)
        base, place = named[pairs.highest]
        refined_ones = [key for key, (_, where) in named.items() if where == REFINED]
        found.append(
            {
                "model": model,
                "base": base,
                "place": place,
                "mean": values.mean(),
                "n": pairs.n,
                "best": pairs.verdict(pairs.highest, level=level),
                "refined": verdict_of(pairs, refined_ones, level),
            }
        )
    return pd.DataFrame(found).set_index("model")


def verdict_of(pairs: AllPairs, some: Sequence[str], level: float = 0.95) -> str:
    """Is the highest way one of some? It holds where one of them lies above every other way, is contradicted where one
    of the others lies above all of them, and else undecided."""
    others = [way for way in pairs.p if way not in some]
    if any(pairs.verdict(way, others, level) == HOLDS for way in some):
        return HOLDS
    return CONTRADICTED if any(pairs.verdict(way, some, level) == HOLDS for way in others) else UNDECIDED


def over_fusions(rows: pd.DataFrame, bases: Sequence[str], metric: str = "arcc") -> pd.DataFrame:
    """RefineCAM by how it fuses: a row a base and fusion, with mean and std (n - 1) over images and models, and n."""
    table = paired(rows, metric, by_model=True)
    found = []
    for base in bases:
        for fuse in FUSIONS:
            values = table[key_of(base, fuse=fuse)]
            told = {"mean": values.mean(), "std": values.std(), "n": values.count()}
            found.append({"base": base, "fuse": fuse, **told})
    return pd.DataFrame(found)


def over_starts(
    rows: pd.DataFrame, base: str, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Base and RefineCAM along the starting layer, means over images with their intervals, for figures.interval_lines.

    rows: of `by_start`, all starts; one value an image, the mean over the models. From the deepest layer the two
    are one.
    """
    found = []
    for metric in metrics:
        for start, here in rows.groupby("start"):
            table = paired(here, metric)
            keys = {base: base, key_of(base): key_of(base) if key_of(base) in table else base}
            told = means(pd.DataFrame({line: table[key] for line, key in keys.items()}), level, seed)
            found.append(told.rename(columns={"method": "line"}).assign(panel=metric, **{START: start}))
    return pd.concat(found, ignore_index=True)


def best_starts(
    rows: pd.DataFrame, base: str, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The starting layer of the highest mean of base and RefineCAM, by metric and line as in `over_starts`.

    start; mean: of the start that is best on other images (max_t.cross_fitted); n; best: does it lie above every
    other start. Index metric and line. Starts that not every model has, and images without all values, are left out.
    """
    shared = rows.groupby("start")["model"].nunique() == rows["model"].nunique()
    rows, found = rows[rows["start"].map(shared)], []
    for metric in metrics:
        direction = metric_key(metric).entry.direction
        tables = {start: paired(here, metric) for start, here in rows.groupby("start")}
        for line in (base, key_of(base)):
            ways = pd.DataFrame({str(start): table[line if line in table else base] for start, table in tables.items()})
            pairs, values = all_pairs(ways, direction, seed), cross_fitted(ways, direction, seed)
            row = {"metric": metric, "line": line, "start": int(pairs.highest), "mean": values.mean(), "n": pairs.n}
            found.append({**row, "best": pairs.verdict(pairs.highest, level=level)})
    return pd.DataFrame(found).set_index(["metric", "line"])


def layer_maps(group: Group, base: str, fuse: str = "product") -> dict[str, Maps]:
    """A CAM's maps of the group's samples at each of its layers, by the layer's name, and "RefineCAM" of them."""
    maps = _maps(group, base, group.images, group.target, group.offered["layers"])
    return {**dict(zip(group.offered["layers"], maps, strict=True)), "RefineCAM": refined(maps, fuse)}


def shortcut(group: Group, base: str, fuse: str = "product") -> pd.Series:
    """RefineCAM's coherency when the deep maps are kept: only the shallowest is recomputed on the faded image.

    The kept maps correlate with themselves, so this flatters RefineCAM; metrics.composite.coherency recomputes it
    whole. One value a sample, by its id. With one layer the two are the same.
    """
    layers = group.offered["layers"]
    shallow, *deep = _maps(group, base, group.images, group.target, layers)
    fused = refined([shallow, *deep], fuse)

    def explain(images: Tensor, target: Target, _occasion: str) -> Maps:
        return refined([*_maps(group, base, images, target, layers[:1]), *deep], fuse)

    values = coherency(group.score, group.images, fused, group.target, explain=explain)
    return pd.Series(values.cpu().numpy(), [sample.sample_id for sample in group.samples])


def shortcuts(groups: Mapping[str, Group], rows: pd.DataFrame, bases: Sequence[str]) -> pd.DataFrame:
    """Coherency and ARCC of RefineCAM, recomputed whole and with the deep maps kept, of the groups' samples by model.

    rows: of `at_ends`, which hold the samples under these models. Index model, base, sample_id; columns coherency,
    coherency_kept, arcc, arcc_kept, an ARCC that does not exist being 0 in both as in `settled`.
    """
    found = []
    for model, group in groups.items():
        for base in bases:
            of_base = (rows["method"] == "refinecam") & (rows["variant"] == f"base={base}")
            mine = rows[(rows["model"] == model) & of_base]
            table = mine.pivot_table(index="sample_id", columns="metric", values="value", dropna=False)
            kept = shortcut(group, base)
            table = table.reindex(kept.index).assign(coherency_kept=kept)
            for name in ("coherency", "coherency_kept"):
                parts = (torch.tensor(table[part].to_numpy(float)) for part in (name, "complexity", "road"))
                vanished = table[name].isna() & table["road"].notna()
                table[name.replace("coherency", "arcc")] = np.where(vanished, 0.0, arcc(*parts).numpy())
            found.append(table.rename_axis("sample_id").assign(model=model, base=base).reset_index())
    columns = ["coherency", "coherency_kept", "arcc", "arcc_kept"]
    return pd.concat(found).set_index(["model", "base", "sample_id"])[columns]


def at_quantiles(values: pd.Series, count: int) -> pd.Series:
    """Those of the values that stand at evenly spaced ranks, from the highest to the lowest, both among them."""
    order = values.dropna().sort_values(ascending=False, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return order.iloc[places]


def _maps(group: Group, base: str, images: Tensor, target: Target, layers: Sequence[str]) -> list[Maps]:
    if base not in REFINABLE:
        raise unknown("base CAM", base, REFINABLE)
    return REFINABLE[base](group.score, images, target, layers=layers, scalar=group.offered["scalar"])
