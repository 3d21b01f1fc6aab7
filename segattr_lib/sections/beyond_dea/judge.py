"""How a judge is fooled, and which judge orders maps as a truth that is known does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy import ndimage
from torch import Tensor

from segattr_lib.attribution import method_key
from segattr_lib.attribution.maps import normalise
from segattr_lib.benchmark.group import Group
from segattr_lib.inference.intervals import means
from segattr_lib.metrics.deletion import chance_tdd, tdd
from segattr_lib.perturbation import Fill, bind_fill, cells, top_fraction
from segattr_lib.registry import Key
from segattr_lib.report import charts, tables
from segattr_lib.sections.beyond_dea.runs import Runs
from segattr_lib.sections.beyond_dea.settings import Settings
from segattr_lib.seeds import Draws
from segattr_lib.targets import Maps, Masks, Values

DEGREES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of truth in a made map; the rest is noise
GRAINS = (1, 4, 16, 56)  # px of the noise's cells
SOFTENED = 4  # px: the standard deviation by which the evidence in a made map is blurred
JUDGES = {"tdd": "TDD", "moved_excess_tdd": "TDD less moved copies'", "excess_tdd": "excess TDD"}
MOVED = 8  # copies of a map that the judge which was fooled took for chance


def judged_twice(group: Group, variants: Sequence[Key], k: float, fill: str) -> pd.DataFrame:
    """Each method's maps under plain TDD, under the judge that was fooled and under the one in use.

    One row a sample and method: key, tdd, moved_excess_tdd, excess_tdd.
    """
    bound = bind_fill(fill, group.images, group.draws.on("evaluation"), group.others)
    judged = []
    for method in variants:
        maps = group.maps_of(method)[0].to(group.images.device)
        about = {"sample_id": [sample.sample_id for sample in group.samples], "key": method.text}
        judged.append(pd.DataFrame({**about, **by_judge(group, maps, k, bound)}))
    return pd.concat(judged, ignore_index=True)


def by_judge(group: Group, maps: Maps, k: float, fill: Fill) -> dict[str, list[float]]:
    """What each of JUDGES says of these maps, a value a sample."""
    assert group.null is not None, "deletion in a target needs a mask"
    called = (group.score, group.images, maps, group.target)
    plainly = tdd(*called, k=k, fill=fill, base=group.base)
    values = {
        "tdd": plainly,
        "moved_excess_tdd": moved_excess_tdd(group, maps, k, fill),
        "excess_tdd": plainly - chance_tdd(*called, k=k, fill=fill, null=group.null),
    }
    return {name: column.tolist() for name, column in values.items()}


def moved_excess_tdd(group: Group, maps: Maps, k: float, fill: Fill, copies: int = MOVED) -> Values:
    """The judge that was fooled: TDD less the mean TDD of copies of the same map in another place.

    Copies are flipped, transposed (where square) and rolled round the torus, drawn per sample. A map confined to the
    target leaves zeros in it when it is moved, and ties then pick one solid block, whose TDD is next to nothing.
    """
    moved = moved_copies(maps, copies, group.draws)
    called = [(group.score, group.images, drawn, group.target) for drawn in [maps, *moved]]
    own, *others = (tdd(*arguments, k=k, fill=fill, base=group.base) for arguments in called)
    return own - torch.stack(others).mean(0)


def moved_copies(maps: Maps, count: int, draws: Draws) -> Float[Tensor, "s b h w"]:
    """The same maps flipped, transposed (where square) and rolled round the torus, every map of a sample alike."""
    result = maps.new_empty((count, *maps.shape))
    height, width = maps.shape[1:]
    for index, rng in enumerate(draws.generators("moved surrogates")):
        for number in range(count):
            down, across, turned = rng.integers(2, size=3)
            shift = (int(rng.integers(height)), int(rng.integers(width)))
            axes = [axis for axis, flipped in enumerate((down, across)) if flipped]
            moved = maps[index].flip(axes).roll(shift, (0, 1))
            result[number, index] = moved.T if turned and height == width else moved
    return result


def fooled_dots(settings: Settings, runs: Runs) -> Figure:
    """Every method and control under each of JUDGES, in the order of plain TDD."""
    panels = []
    for name, label in JUDGES.items():
        table = runs.fooled.pivot_table(index="sample_id", columns="key", values=name, sort=False)
        panels.append(means(table, settings.level, settings.seed).assign(panel=label))
    return charts.interval_dots(pd.concat(panels))


def made_maps(
    group: Group, evidence: Masks, degrees: Sequence[float] = DEGREES, grains: Sequence[int] = GRAINS
) -> dict[tuple[float, int], Maps]:
    """Maps that know a given degree of the truth, over noise of a given grain: degree and grain to maps in [0,1].

    The evidence, softened over SOFTENED px, and noise on cells of `grain` px, each ranked first so that neither
    outweighs the other by its range; degree weighs them.
    """
    maps = {}
    height, width = evidence.shape[1:]
    blurred = [ndimage.gaussian_filter(mask.cpu().numpy().astype(np.float32), SOFTENED) for mask in evidence]
    soft = torch.stack([torch.from_numpy(image) for image in blurred]).to(evidence.device)
    for grain in grains:
        regions = cells(height, width, max(height // grain, 1))
        count = int(regions.max()) + 1
        generators = group.draws.on(f"made maps {grain}").generators("noise")
        values = [torch.from_numpy(rng.random(count, np.float32)) for rng in generators]
        noise = torch.stack([of_cells[regions] for of_cells in values]).to(evidence.device)
        for degree in degrees:
            maps[degree, grain] = normalise(degree * normalise(soft) + (1 - degree) * normalise(noise))
    return maps


def ordering(
    group: Group,
    evidence: Masks,
    maps: Mapping[tuple[float, int], Maps],
    k: float,
    fill: str,
) -> pd.DataFrame:
    """Made maps under each of JUDGES beside the share of the evidence that their top k fraction holds.

    One row a sample and made map: degree, grain, overlap in [0,1], tdd, excess_tdd, moved_excess_tdd. A judge
    that is fair orders the maps of an image by their overlap.
    """
    bound = bind_fill(fill, group.images, group.draws.on("evaluation"), group.others)
    assert group.target.mask is not None, "evidence in a target needs a mask"
    judged = []
    for (degree, grain), drawn in maps.items():
        held = top_fraction(drawn, group.target.mask, k).pixels & evidence
        overlap = held.sum((1, 2)) / evidence.sum((1, 2))
        about = {"sample_id": [sample.sample_id for sample in group.samples], "degree": degree, "grain": grain}
        judged.append(pd.DataFrame({**about, "overlap": overlap.tolist(), **by_judge(group, drawn, k, bound)}))
    return pd.concat(judged, ignore_index=True)


def rank_agreement(rows: pd.DataFrame, truth: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Spearman's correlation of each metric with the truth over the made maps of each image: images as rows."""
    alike = rows.groupby("sample_id", sort=False)[[truth, *metrics]].corr(method="spearman")
    return alike.xs(truth, level=1)[list(metrics)]


def judge_table(settings: Settings, runs: Runs) -> pd.DataFrame:
    """How each of JUDGES orders the made maps of an image beside the truth, mean over the images."""
    orders = rank_agreement(runs.made, "overlap", list(JUDGES))
    rows = means(orders, settings.level, settings.seed)
    rows = rows.assign(judge=rows["method"].map(JUDGES), column="Spearman")
    return tables.intervals(rows, "judge", "column", digits=2)


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """What each judge gives random pixels in the mask and the highest method, and by how much one orders better."""
    praised = runs.fooled.groupby("key", sort=False)[list(JUDGES)].mean()
    explaining = [key for key in praised.index if method_key(key).entry.family != "control"]
    quoted: dict[str, Any] = {"fooled_n": int(runs.fooled["sample_id"].nunique())}
    for name in JUDGES:
        masked = praised[name].get("random_masked")
        quoted[f"masked_{name}"] = "–" if masked is None else f"{masked:.2f}"
        quoted[f"best_{name}"] = f"{praised.loc[explaining, name].max():.2f}"
    orders = rank_agreement(runs.made, "overlap", list(JUDGES))
    for other in ("tdd", "moved_excess_tdd"):
        better = (orders["excess_tdd"] - orders[other]).to_frame("over")
        mean, low, high = means(better, settings.level, settings.seed)[["mean", "low", "high"]].to_numpy()[0]
        quoted[f"better_{other}"] = tables.interval(mean, low, high, n=len(orders))
    quoted["ordered"] = len(orders)
    return quoted
