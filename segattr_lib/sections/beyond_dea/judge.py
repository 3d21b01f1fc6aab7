"""Is the judge fair? Maps and models whose truth is known, to hold metrics and methods against.

Planted evidence (data/planted.py) tells where a class is decided; a model drawn anew knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy import ndimage, stats
from torch import Tensor

from segattr_lib.attribution.maps import normalise
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.statistics import at, plain
from segattr_lib.data import planted
from segattr_lib.evaluate import occluded_scores
from segattr_lib.inference.intervals import means
from segattr_lib.inference.paired import paired
from segattr_lib.metrics.deletion import chance_tdd, tdd
from segattr_lib.metrics.stability import pearson
from segattr_lib.perturbation import Fill, bind_fill, cells, top_fraction
from segattr_lib.registry import Key, with_options
from segattr_lib.sections.beyond_dea.randomisation import cascade
from segattr_lib.seeds import Draws
from segattr_lib.targets import Maps, Masks, Values

DEGREES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of truth in a made map; the rest is noise
GRAINS = (1, 4, 16, 56)  # px of the noise's cells
JUDGES = {"tdd": "TDD", "moved_excess_tdd": "TDD less moved copies'", "excess_tdd": "excess TDD"}
MOVED = 8  # copies of a map that the judge which was fooled took for chance
BORDER = "border, px a selected pixel"
SHARE = "share of layers drawn anew"
Evidence = Mapping[str, Mapping[str, Masks]]  # data set, role, masks


def randomisation(group: Group, variants: Sequence[Key], stages: int = 4) -> pd.DataFrame:
    """How like each method's maps stay to themselves while the model is drawn anew, from output to input.

    One row a sample, method and stage: share of the model's layers drawn anew, pearson and spearman of the
    maps before and after (NaN where one is constant). What stays like itself does not explain the model
    (Adebayo et al. 2018).
    """
    before = {one: group.maps_of(one)[0] for one in variants}
    rows = []
    for share, module in cascade(group.score.model, stages, group.run.seed[0]):
        changed = group.under(module)
        for one, maps in before.items():
            after = changed.maps_of(one)[0]
            whole = torch.isfinite(maps + after).all(2).all(1)
            alike = [
                torch.where(whole, pearson(*pair), torch.nan) for pair in ((maps, after), (ranks(maps), ranks(after)))
            ]
            for sample, *values in zip(group.samples, *(value.tolist() for value in alike), strict=True):
                about = {"sample_id": sample.sample_id, "method": one.name, "variant": one.pinned, "share": share}
                rows.append({**about, "pearson": values[0], "spearman": values[1]})
    return pd.DataFrame(rows)


def evidence_found(group: Group, variants: Sequence[Key], evidence: Masks, region: Masks) -> pd.DataFrame:
    """Does each method's map find evidence that is known to lie in a region?

    One row a sample and method. auc: the chance that a pixel of the evidence ranks above one of the region that
    is none, ties half, in [0,1], .5 for a map that knows nothing. mass: the share of the map's mass in the region
    that lies on the evidence (NaN where there is none); area: the evidence's share of the region, what mass would
    be by chance.
    """
    rows = []
    for one in variants:
        maps = group.maps_of(one)[0]
        for sample, drawn, where, around in zip(group.samples, maps, evidence, region, strict=True):
            inside, rest = drawn[where & around].cpu().numpy(), drawn[around & ~where].cpu().numpy()
            chance = np.nan
            if np.isfinite(drawn.cpu().numpy()).all():
                placed = stats.rankdata(np.concatenate([inside, rest]))[: len(inside)]
                chance = (placed.mean() - (len(inside) + 1) / 2) / len(rest)  # Mann-Whitney's U as a share
            mass = float(inside.sum()) / total if (total := float(inside.sum() + rest.sum())) > 0 else np.nan
            about = {"sample_id": sample.sample_id, "method": one.name, "variant": one.pinned}
            area = len(inside) / (len(inside) + len(rest))
            rows.append({**about, "auc": float(chance), "mass": mass, "area": area})
    return pd.DataFrame(rows)


def evidence_drop(group: Group, evidence: Masks, fill: str) -> Values:
    """(s(x) - s(x with the evidence filled)) / s(x): what the model's score owes to it."""
    owner = torch.arange(len(evidence), device=group.images.device)
    bound = bind_fill(fill, group.images, group.draws, group.others)
    return (group.base - occluded_scores(group.score, group.images, evidence, owner, bound)) / group.base


def made_maps(
    group: Group, evidence: Masks, degrees: Sequence[float] = DEGREES, grains: Sequence[int] = GRAINS
) -> dict[tuple[float, int], Maps]:
    """Maps that know a given degree of the truth, over noise of a given grain: degree and grain to maps in [0,1].

    The evidence, softened over 4 px, and noise on cells of `grain` px, each ranked first so that neither
    outweighs the other by its range; degree weighs them.
    """
    found = {}
    height, width = evidence.shape[1:]
    soft = torch.stack(
        [torch.from_numpy(ndimage.gaussian_filter(one.cpu().numpy().astype(np.float32), 4)) for one in evidence]
    ).to(evidence.device)
    for grain in grains:
        regions = cells(height, width, max(height // grain, 1))
        draws = group.draws.on(f"made maps {grain}")
        noise = torch.stack(
            [
                torch.from_numpy(rng.random(int(regions.max()) + 1, np.float32))[regions]
                for rng in draws.generators("noise")
            ]
        ).to(evidence.device)
        for degree in degrees:
            found[degree, grain] = normalise(degree * normalise(soft) + (1 - degree) * normalise(noise))
    return found


def ordering(
    group: Group,
    evidence: Masks,
    maps: Mapping[tuple[float, int], Maps],
    k: float,
    fill: str,
) -> pd.DataFrame:
    """Made maps under plain and excess TDD beside the share of the evidence that their top k fraction holds.

    One row a sample and made map: degree, grain, overlap in [0,1], tdd, excess_tdd, moved_excess_tdd. A judge
    that is fair orders the maps of an image by their overlap.
    """
    bound = bind_fill(fill, group.images, group.draws.on("evaluation"), group.others)
    assert group.target.mask is not None, "evidence in a target needs a mask"
    tables = []
    for (degree, grain), drawn in maps.items():
        held = top_fraction(drawn, group.target.mask, k).pixels & evidence
        overlap = held.sum((1, 2)) / evidence.sum((1, 2))
        about = {"sample_id": [sample.sample_id for sample in group.samples], "degree": degree, "grain": grain}
        tables.append(pd.DataFrame({**about, "overlap": overlap.tolist(), **by_judge(group, drawn, k, bound)}))
    return pd.concat(tables, ignore_index=True)


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
    own, *others = (tdd(*each, k=k, fill=fill, base=group.base) for each in called)
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


def judged_twice(group: Group, variants: Sequence[Key], k: float, fill: str) -> pd.DataFrame:
    """Each method's maps under plain TDD, under the judge that was fooled and under the one in use.

    One row a sample and method: key, tdd, moved_excess_tdd, excess_tdd.
    """
    bound = bind_fill(fill, group.images, group.draws.on("evaluation"), group.others)
    tables = []
    for each in variants:
        maps = group.maps_of(each)[0].to(group.images.device)
        about = {"sample_id": [sample.sample_id for sample in group.samples], "key": each.text}
        tables.append(pd.DataFrame({**about, **by_judge(group, maps, k, bound)}))
    return pd.concat(tables, ignore_index=True)


def rank_agreement(rows: pd.DataFrame, truth: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Spearman's correlation of each metric with the truth over the made maps of each image: images as rows."""
    alike = rows.groupby("sample_id", sort=False)[[truth, *metrics]].corr(method="spearman")
    return alike.xs(truth, level=1)[list(metrics)]


def ranks(maps: Maps) -> Maps:
    """Each map's pixels replaced by their ranks, ties by their mean rank."""
    flat = stats.rankdata(maps.flatten(1).cpu().numpy(), axis=1).astype(np.float32)
    return torch.from_numpy(flat).view(maps.shape).to(maps.device)


def cross_table(rows: pd.DataFrame, metric: str, k: float) -> pd.DataFrame:
    """Mean of a metric by the fill that made the map (rows) and the fill that judged it (columns)."""
    found = at(plain(rows)[plain(rows)["metric"] == metric], k)
    made = found["variant"].str.removeprefix("fill=")
    return found.assign(made=made).pivot_table(index="made", columns="fill", values="value", sort=False)


def own_operator(rows: pd.DataFrame, metric: str, k: float) -> pd.Series:
    """What a map gains by being judged with the fill that made it, over maps made with other fills under that
    judge: one value an image, the mean over the fills."""
    found = at(plain(rows)[plain(rows)["metric"] == metric], k)
    found = found.assign(own=found["variant"].str.removeprefix("fill=") == found["fill"])
    sides = found.pivot_table(index=["sample_id", "fill"], columns="own", values="value", sort=False)
    return (sides[True] - sides[False]).groupby("sample_id", sort=False).mean()


def operator_agreement(rows: pd.DataFrame, metric: str, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Do two fills order the methods of an image alike? A row a pair of fills, for a metric judged by both.

    spearman, low, high: mean over images of the rank correlation of the methods within an image; n: the images that
    have it, with three methods or more that are not all equal. pooled: Spearman's over all images and methods at once,
    which is high already where both fills find the same images hard.
    """
    found = at(plain(rows)[plain(rows)["metric"] == metric], k)
    wide = found.pivot_table(index=["sample_id", "method", "variant"], columns="fill", values="value", sort=False)
    pairs = []
    for fill, other in combinations(wide.columns, 2):
        both = wide[[fill, other]].dropna()
        ranks_of = both.groupby(level="sample_id", sort=False)
        alike = ranks_of.corr(method="spearman").xs(fill, level=1)[other][ranks_of.size() > 2]
        (mean,) = means(alike.to_frame(), level, seed)[["mean", "low", "high", "n"]].to_numpy()
        pairs.append((fill, other, *mean, both.corr(method="spearman").loc[fill, other]))
    return pd.DataFrame(pairs, columns=["fill", "other", "spearman", "low", "high", "n", "pooled"]).astype({"n": int})


def noise_curve(rows: pd.DataFrame, k: float, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """TDD of noise along how ragged its selections are, a line a fill, for figures.interval_lines.

    rows: of a run of "random_cells(grid=...)" under several evaluation fills, with the metrics tdd and border; a
    variant stands at its mean border length a selected pixel.
    """
    ragged = paired(rows, "border", k).mean()
    curves = []
    for fill in list(dict.fromkeys(rows[rows["metric"] == "tdd"]["fill"])):
        table = paired(rows, "tdd", k, fill)
        table.columns = [ragged[name] for name in table]
        curves.append(means(table, level, seed).rename(columns={"method": BORDER}).assign(line=fill))
    return pd.concat(curves).assign(panel="TDD of noise ↑").sort_values(BORDER, kind="stable")


def cascade_curve(rows: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Rank correlation of maps with themselves along `randomisation`, a line a method; 1 before anything is changed."""
    curves = []
    for share, stage in rows.groupby("share", sort=True):
        names = [with_options(*pair) for pair in stage[["method", "variant"]].to_numpy()]
        table = stage.assign(line=names).pivot_table(index="sample_id", columns="line", values="spearman", sort=False)
        curves.append(means(table, level, seed).assign(**{SHARE: share}))
    start = curves[0].assign(mean=1.0, low=1.0, high=1.0, **{SHARE: 0.0})
    curve = pd.concat([start, *curves]).assign(panel="Spearman with the map of the trained model")
    return curve.rename(columns={"method": "line"})


def owed(
    groups: Mapping[str, Group], evidence: Evidence, fill: str, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """What each model's score owes to each kind of evidence: means of `evidence_drop` with their intervals."""
    table = {
        (name, role): pd.Series(evidence_drop(group, evidence[name][role], fill).tolist())
        for name, group in groups.items()
        for role in evidence[name]
    }
    found = means(pd.DataFrame(table), level, seed)
    found.insert(0, "model", [name for name, _ in found["method"]])
    return found.assign(method=[role for _, role in found["method"]]).rename(columns={"method": "filled"})


def finds(groups: Mapping[str, Group], evidence: Evidence, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """`evidence_found` of the glyph that decides, in its region, by data set and method, for figures.interval_dots."""
    found = []
    for name, group in groups.items():
        assert group.target.mask is not None, "planted evidence lies on a target or off it"
        outside = name == "planted_context"
        role, region = ("marker", ~group.target.mask) if outside else ("badge", group.target.mask)
        rows = evidence_found(group, group.run.method_keys(), evidence[name][role], region)
        rows["key"] = [with_options(*pair) for pair in rows[["method", "variant"]].to_numpy()]
        table = rows.pivot_table(index="sample_id", columns="key", values="auc", sort=False)
        found.append(means(table, level, seed).assign(panel=f"finds the {role}"))
    return pd.concat(found)


def leakage_found(found: Mapping[str, pd.DataFrame], level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Do |ODD| and LeakAbs tell the model that looks off the target from its control, on the same images?

    found: rows of runs on planted_context and planted_own. Columns: method, then for each metric the mean difference
    (context minus control) with its interval, and the share of images on which it is above 0, ties half.
    """
    tables = []
    for metric in ("odd_abs", "leak_abs"):
        one, other = (paired(found[name], metric).droplevel("dataset") for name in ("planted_context", "planted_own"))
        difference = one - other
        table = means(difference, level, seed).assign(metric=metric)
        tables.append(table.assign(share=((np.sign(difference) + 1) / 2).mean().to_numpy()))
    return pd.concat(tables)[["metric", "method", "mean", "low", "high", "share", "n"]]


def planted_evidence(groups: Mapping[str, Group], size: int) -> Evidence:
    """Where the marker and the badges of each group's samples lie, by data set and role, (B,H,W) bool."""
    found = {}
    for name, group in groups.items():
        masks = [planted.evidence(sample.sample_id, size) for sample in group.samples]
        found[name] = {role: torch.stack([one[role] for one in masks]).to(group.images.device) for role in masks[0]}
    return found
