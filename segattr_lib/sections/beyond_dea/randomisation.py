"""Model randomisation: does a map change when what the model learnt is taken away?

How like a map stays to itself is biased by its grain: coarse maps of two models agree by chance further than ragged
ones do, and what is noise in a map is unlike itself whatever the model. So two tests stand beside it (Hedström et al.
2024): the likeness of maps that are means over noisy copies of the image, and the rise of a map's own entropy, which
compares no pixels at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor, nn

from segattr_lib.benchmark.group import Group, about_map, row_of
from segattr_lib.benchmark.runner import Question
from segattr_lib.benchmark.settings import Settings as RunSettings
from segattr_lib.evidence.records import RECORDS, read_record, recorded
from segattr_lib.inference.intervals import means
from segattr_lib.metrics import load_metric
from segattr_lib.metrics.stability import pearson
from segattr_lib.models.lending import copied
from segattr_lib.perturbation import perturb
from segattr_lib.registry import Key, make_key, read_key, with_options
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import dataset_label
from segattr_lib.sections.beyond_dea.runs import Runs
from segattr_lib.sections.beyond_dea.settings import Settings
from segattr_lib.targets import Maps, Values

SHARE = "share of layers drawn anew"
LIKENESS = "Spearman with the map of the trained model"
RECORD = "redrawn"  # of params/recorded.yaml
CODE = "beyond_dea"  # of the sections; what decides a row's value
NOISE = 0.1  # standard deviation of what is added to an image's values in [0,1]
BINS = 100  # of a map's values in [0,1]
WHOLE = ("likeness_smoothed", "entropy_rise")  # asked once, of the model of which every layer is drawn anew


def randomisation(group: Group, variants: Sequence[Key], stages: int = 4, copies: int = 4) -> pd.DataFrame:
    """How like each method's maps stay to themselves while the model is drawn anew, from output to input.

    One row a sample, method (key), share of the model's layers drawn anew, and measure, with its value; what stays like
    itself does not explain the model (Adebayo et al. 2018). NaN where a map is constant or not finite. Measures:
    likeness, Spearman's correlation of the maps before and after, in [-1,1]; and where every layer is drawn anew
    likeness_smoothed, that of the means of maps over `copies` noisy copies of the image, and entropy_rise, by what
    share of itself the map's entropy has grown, from -1 (both after Hedström et al. 2024).
    """
    before = {method: group.maps_of(method)[0] for method in variants}
    smooth = {method: smoothed(group, method, copies) for method in variants}
    rows = []
    for share, module in cascade(group.score.model, stages, group.run.seed[0]):
        changed = group.under(module)
        for method in variants:
            after = changed.maps_of(method)[0]
            values = {"likeness": likeness(before[method], after)}
            if share == 1:
                values["likeness_smoothed"] = likeness(smooth[method], smoothed(changed, method, copies))
                values["entropy_rise"] = entropy(after) / entropy(before[method]) - 1
            rows += [
                {"sample_id": sample.sample_id, "key": method.text, "share": share, "measure": measure, "value": value}
                for measure, of_maps in values.items()
                for sample, value in zip(group.samples, of_maps.tolist(), strict=True)
            ]
    return pd.DataFrame(rows)


def likeness(maps: Maps, others: Maps) -> Values:
    """Spearman's rank correlation of two maps of each sample; NaN where one is constant or not finite."""
    whole = torch.isfinite(maps + others).all(2).all(1)
    return torch.where(whole, pearson(ranks(maps), ranks(others)), torch.nan)


def smoothed(group: Group, method: Key, copies: int) -> Maps:
    """The mean of a method's maps over noisy copies of each image, the noise the same under every model."""
    maps = []
    for number in range(copies):
        occasion = f"smoothed {number}"
        noisy = perturb(group.images, "noise", NOISE, group.draws.on(occasion))
        maps.append(group.again(method, noisy, group.target, occasion))
    return torch.stack(maps).mean(0)


def entropy(maps: Maps) -> Values:
    """Shannon's entropy, in nats, of each map's values in BINS equal bins of [0,1]; NaN for a map of one bin, or one
    that is not finite."""
    values = []
    for flat in maps.flatten(1).cpu().double():
        counts = torch.histc(flat, BINS, 0, 1).numpy() if flat.isfinite().all() else np.zeros(BINS)
        values.append(stats.entropy(counts) if (counts > 0).sum() > 1 else math.nan)
    return torch.tensor(values, dtype=torch.float64)


def question(settings: RunSettings, about: Mapping[str, Any]) -> Question:
    """The Question of a recorded run; about: stages and copies, as `randomisation` takes them."""
    return Question(CODE, dict(about), lambda group, methods: rows_of_group(group, methods, **about))


def rows_of_group(group: Group, methods: Sequence[Key], stages: int, copies: int) -> list[dict[str, Any]]:
    """`randomisation` as rows of a run's table, the share an option of the measure."""
    samples = {sample.sample_id: sample for sample in group.samples}
    keys = {method.text: method for method in methods}
    rows = []
    for each in randomisation(group, methods, stages, copies).itertuples():
        metric = make_key(each.measure, {"share": each.share}, load_metric)
        about = about_map(samples[each.sample_id], keys[each.key])
        rows.append(row_of(about, metric.text, each.value, undefined=metric.entry.undefined))
    return rows


def of_record(folder: Path = RECORDS) -> tuple[pd.DataFrame, str] | None:
    """`randomisation` of the samples that are recorded, and where it is from in words; None where nothing is."""
    if RECORD not in recorded(folder):
        return None
    record = read_record(RECORD, folder)
    rows = from_rows(record.rows)
    about = record.settings
    images = f"{rows['sample_id'].nunique()} images of {dataset_label(about.dataset)}"
    where = f"the record `{RECORD}`, {images} under {about.model[0]}"
    return rows, where


def from_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """What rows_of_group made rows of, again; values that are undefined are left out."""
    texts = rows["metric"].astype(str)
    asked = rows[texts.str.contains(r"\(share=") & (rows["status"] == "ok")]
    metrics = [read_key(text, load_metric) for text in asked["metric"].astype(str)]
    methods = zip(asked["method"].astype(str), asked["variant"].astype(str), strict=True)
    return pd.DataFrame(
        {
            "sample_id": asked["sample_id"].astype(str),
            "key": [with_options(name, variant) for name, variant in methods],
            "share": [metric.options["share"] for metric in metrics],
            "measure": [metric.name for metric in metrics],
            "value": asked["value"].astype(float),
        }
    ).reset_index(drop=True)


def ranks(maps: Maps) -> Maps:
    """Each map's pixels replaced by their ranks, ties by their mean rank."""
    flat = stats.rankdata(maps.flatten(1).cpu().numpy(), axis=1).astype(np.float32)
    return torch.from_numpy(flat).view(maps.shape).to(maps.device)


def cascade_curve(rows: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Rank correlation of maps with themselves along `randomisation`, a line a method; 1 before anything is changed."""
    curves = []
    for share, stage in rows[rows["measure"] == "likeness"].groupby("share", sort=True):
        curves.append(means(_by_method(stage), level, seed).assign(**{SHARE: share}))
    start = curves[0].assign(mean=1.0, low=1.0, high=1.0, **{SHARE: 0.0})
    return pd.concat([start, *curves]).assign(panel=LIKENESS).rename(columns={"method": "line"})


def cascade_lines(settings: Settings, runs: Runs) -> Figure:
    """The rank correlation of each method's map with itself over the share of the model's layers drawn anew."""
    return charts.interval_lines(cascade_curve(runs.redrawn, settings.level, settings.seed), SHARE)


def randomisation_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """What is left of each map of a model of which every layer is drawn anew: mean and interval of each measure."""
    last = runs.redrawn[runs.redrawn["share"] == 1]
    summaries = [
        means(_by_method(last[last["measure"] == measure]), settings.level, settings.seed).assign(metric=measure)
        for measure in ("likeness", *WHOLE)
    ]
    return tables.intervals(pd.concat(summaries), "method", "metric")


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """What the page quotes of models drawn anew."""
    rows = runs.redrawn
    return {
        "redrawn_basis": runs.redrawn_basis,
        "redrawn_images": int(rows["sample_id"].nunique()),
        "noise": NOISE,
        "bins": BINS,
    }


def _by_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Images as rows, methods as columns."""
    return rows.pivot_table(index="sample_id", columns="key", values="value", sort=False, dropna=False)


def cascade(module: nn.Module, stages: int, seed: int) -> Iterator[tuple[float, nn.Module]]:
    """The model with ever more of its layers drawn anew, from the output back to the input (Adebayo et al. 2018).

    Yields `stages` pairs: the share of the layers with weights that are drawn anew, in (0,1], the last 1;
    and one copy of the module that is changed further from pair to pair. Layers are drawn as `draw_anew` says,
    from `seed`; the module given stays as it is. Raises ValueError where stages is not 1 to the number of such
    layers, UserError for a module that cannot be copied.
    """
    changed = copied(module, "The cascade")
    layers = _layers(changed)
    if not 1 <= stages <= len(layers):
        raise ValueError(f"stages is {stages}; expected 1 to {len(layers)}, the model's layers with weights.")
    done = 0
    for stage in range(1, stages + 1):
        upto = round(stage * len(layers) / stages)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for number in range(done, upto):
                torch.default_generator.manual_seed(seed * 100_003 + number)
                for layer in layers[-1 - number]:
                    device = next((tensor.device for tensor in layer.state_dict().values()), torch.device("cpu"))
                    draw_anew(layer.cpu())  # another device has a generator of its own, and would draw other weights
                    layer.to(device)
        done = upto
        yield done / len(layers), changed


def draw_anew(layer: nn.Module) -> None:
    """Take what a layer learnt from its own weights and running statistics, in place; not from its parts'.

    By its own `reset_parameters`, where it has one. A weight which that does not reach (a table of relative
    positions, a class token, a layer scale, the parts of a weight norm) is drawn from the normal distribution of
    mean 0 and its own root mean square: of what was learnt its size alone is left, and a weight of zeros stays.
    Running statistics become 0 and 1, as do the weights of a batch norm that is frozen into buffers.
    """
    weights = list(layer.parameters(recurse=False))
    before = [weight.clone() for weight in weights]
    for weight in weights:
        if weight.is_floating_point():
            weight.fill_(math.nan)  # marks what is not drawn
    reset: Any = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    if reset is not None:
        reset()
    for weight, learnt in zip(weights, before, strict=True):
        if weight.isnan().any():
            weight.copy_(torch.randn(weight.shape) * learnt.float().square().mean().sqrt())
        elif not weight.is_floating_point():
            weight.copy_(learnt.flatten()[torch.randperm(learnt.numel())].view_as(learnt))
    if reset is None and _has_statistics(layer):
        buffers = dict(layer.named_buffers(recurse=False))
        for name, value in {"running_mean": 0, "running_var": 1, "weight": 1, "bias": 0}.items():
            if name in buffers:
                buffers[name].fill_(value)


def _layers(module: nn.Module) -> list[list[nn.Module]]:
    """The layers with weights of their own, or a way to draw their parts'; each with those after it that have nothing
    but statistics of what they have seen, as a batch norm without weights."""
    layers: list[list[nn.Module]] = []
    for layer in module.modules():
        own = next(layer.parameters(recurse=False), None) is not None
        drawn = hasattr(layer, "reset_parameters") and next(layer.parameters(), None) is not None
        if own or drawn:
            layers.append([layer])
        elif _has_statistics(layer) and layers:
            layers[-1].append(layer)
    return layers


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(getattr(layer, "running_mean", None), Tensor)
