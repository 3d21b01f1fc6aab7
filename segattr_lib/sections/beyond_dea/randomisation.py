"""Model randomisation: does a map change when what the model learnt is taken away?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor, nn

from segattr_lib.benchmark.group import Group
from segattr_lib.inference.intervals import means
from segattr_lib.metrics.stability import pearson
from segattr_lib.models.lending import copied
from segattr_lib.registry import Key
from segattr_lib.report import charts
from segattr_lib.sections.beyond_dea.runs import Runs
from segattr_lib.sections.beyond_dea.settings import Settings
from segattr_lib.targets import Maps

SHARE = "share of layers drawn anew"
LIKENESS = "Spearman with the map of the trained model"


def randomisation(group: Group, variants: Sequence[Key], stages: int = 4) -> pd.DataFrame:
    """How like each method's maps stay to themselves while the model is drawn anew, from output to input.

    One row a sample, method (key) and stage: share of the model's layers drawn anew, pearson and spearman of the
    maps before and after (NaN where one is constant). What stays like itself does not explain the model
    (Adebayo et al. 2018).
    """
    before = {method: group.maps_of(method)[0] for method in variants}
    rows = []
    for share, module in cascade(group.score.model, stages, group.run.seed[0]):
        changed = group.under(module)
        for method, maps in before.items():
            after = changed.maps_of(method)[0]
            whole = torch.isfinite(maps + after).all(2).all(1)
            alike = pd.DataFrame(
                {
                    "sample_id": [sample.sample_id for sample in group.samples],
                    "key": method.text,
                    "share": share,
                    "pearson": torch.where(whole, pearson(maps, after), torch.nan).tolist(),
                    "spearman": torch.where(whole, pearson(ranks(maps), ranks(after)), torch.nan).tolist(),
                }
            )
            rows.append(alike)
    return pd.concat(rows, ignore_index=True)


def ranks(maps: Maps) -> Maps:
    """Each map's pixels replaced by their ranks, ties by their mean rank."""
    flat = stats.rankdata(maps.flatten(1).cpu().numpy(), axis=1).astype(np.float32)
    return torch.from_numpy(flat).view(maps.shape).to(maps.device)


def cascade_curve(rows: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Rank correlation of maps with themselves along `randomisation`, a line a method; 1 before anything is changed."""
    curves = []
    for share, stage in rows.groupby("share", sort=True):
        table = stage.pivot_table(index="sample_id", columns="key", values="spearman", sort=False)
        curves.append(means(table, level, seed).assign(**{SHARE: share}))
    start = curves[0].assign(mean=1.0, low=1.0, high=1.0, **{SHARE: 0.0})
    return pd.concat([start, *curves]).assign(panel=LIKENESS).rename(columns={"method": "line"})


def cascade_lines(settings: Settings, runs: Runs) -> Figure:
    """The rank correlation of each method's map with itself over the share of the model's layers drawn anew."""
    return charts.interval_lines(cascade_curve(runs.redrawn, settings.level, settings.seed), SHARE)


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
