"""Is the product better than a mean, and which layer should RefineCAM start at?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from segattr_lib.attribution.fusion import FUSIONS
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.intervals import means
from segattr_lib.inference.max_t import all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.registry import make_key
from segattr_lib.report import charts, tables
from segattr_lib.report.labels import method_label, metric_label
from segattr_lib.report.reference import reference
from segattr_lib.sections.refinecam.runs import MEANS, Ends, Runs, key_of
from segattr_lib.sections.refinecam.settings import Settings

START = "starting layer, 1 the shallowest"
CURVES = ("arcc", "road", "cosine")


def facts(page: Settings, runs: Ends) -> dict[str, Any]:
    """What the page quotes of how RefineCAM fuses."""
    best, paper_best = best_fusions(over_fusions(runs.fused, page.averaged)), best_fusions(paper_table2())
    beaten = over_means(page, runs)
    road = paired(runs.fused, "road", by_model=True)
    apart = [(road[key_of(base)] - road[key_of(base, fuse="geometric_mean")]).abs().max() for base in page.averaged]
    values: dict[str, Any] = {
        "few": runs.fused.loc[runs.fused["metric"] == "arcc", "sample_id"].nunique(),  # without those left out
        "product_best": int((best == "product").sum()),
        "averaged": len(page.averaged),
        "paper_best": int((paper_best == "product").sum()),
        "paper_cams": len(paper_best),
        "fusion_pairs": len(beaten),
        "fusion_above": tables.off_zero(beaten, "above"),
        "fusion_below": tables.off_zero(beaten, "below"),
        "apart_road": f"{max(apart):.4f}",
    }
    for fuse in MEANS:
        gain = over_mean(page, runs, fuse)
        values[f"gain_{fuse}"] = tables.interval(gain["mean"], gain["low"], gain["high"], n=float(gain["n"]))
        values[f"side_{fuse}"] = tables.side(gain["low"], gain["high"], int(gain["n"]))
    return values


def facts_of_starts(page: Settings, runs: Runs) -> dict[str, Any]:
    """What the page quotes of where RefineCAM starts."""
    measured = curve_metrics(runs)
    chosen = best_starts(runs.starts, page.swept, measured, page.level, page.seed)
    values: dict[str, Any] = {
        "by": metric_key(measured[-1]).entry.label,
        "start_images": runs.starts["sample_id"].nunique(),
    }
    for suffix, metric in (("", "arcc"), ("_by", measured[-1])):
        for name, line in (("best_start", key_of(page.swept)), ("best_alone", page.swept)):
            start, verdict = chosen.loc[(metric, line), ["start", "best"]]
            values[f"{name}{suffix}"] = f"{start}{'' if verdict == HOLDS else ' (not told apart from every other)'}"
    return values


def over_fusions(rows: pd.DataFrame, bases: Sequence[str], metric: str = "arcc") -> pd.DataFrame:
    """RefineCAM by how it fuses: a row a base and fusion, with mean and std (n - 1) over images and models, and n."""
    table = paired(rows, metric, by_model=True)
    cells = []
    for base in bases:
        for fuse in FUSIONS:
            values = table[key_of(base, fuse=fuse)]
            cells.append({"base": base, "fuse": fuse, "mean": values.mean(), "std": values.std(), "n": values.count()})
    return pd.DataFrame(cells)


def paper_table2() -> pd.DataFrame:
    """Table 2 of the ARCC paper, RefineCAM's ARCC by how it fuses; columns base, fuse, mean, std."""
    table = reference()["refinecam_table2"]
    return pd.DataFrame(
        [
            {"base": row["base"], "fuse": fuse, "mean": row[fuse][0], "std": row[fuse][1]}
            for row in table["rows"]
            for fuse in table["fuses"]
        ]
    )


def best_fusions(cells: pd.DataFrame) -> pd.Series:
    """The fusion of the highest mean of each base."""
    return cells.pivot_table(index="base", columns="fuse", values="mean").idxmax(axis=1)


def over_means(page: Settings, runs: Ends) -> pd.DataFrame:
    """The product paired with each of the two means, for every base; see comparison.compare."""
    pairs = [(key_of(base), key_of(base, fuse=fuse)) for fuse in MEANS for base in page.averaged]
    return compare(paired(runs.fused, "arcc"), pairs, "arcc", page.level, page.seed)


def over_mean(page: Settings, runs: Ends, fuse: str) -> pd.Series:
    """The product's ARCC minus that of one of the means, over all bases: mean, low, high and n."""
    table = paired(runs.fused, "arcc")
    gains = [table[key_of(base)] - table[key_of(base, fuse=fuse)] for base in page.averaged]
    per_image = pd.concat(gains, axis=1).mean(axis=1, skipna=False)
    return means(per_image.to_frame("all"), page.level, page.seed).iloc[0]


def product_verdict(page: Settings, runs: Ends) -> str:
    """Does the product lie above both means, max-T over the three fusions, for every base? Contradicted where one of
    them lies above it for any."""
    table = paired(runs.fused, "arcc")
    verdicts = [
        all_pairs(table[[key_of(base, fuse=fuse) for fuse in FUSIONS]], seed=page.seed).verdict(
            key_of(base), level=page.level
        )
        for base in page.averaged
    ]
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return HOLDS if set(verdicts) == {HOLDS} else UNDECIDED


def fusion_table(page: Settings, runs: Ends) -> pd.DataFrame:
    """ARCC by CAM and fusion, mean ± standard deviation, the paper's own beside ours: its Table 2."""
    ours, paper = over_fusions(runs.fused, page.averaged), paper_table2()
    cells = pd.concat([ours.assign(whose="ours"), paper[paper["base"].isin(page.averaged)].assign(whose="paper")])
    texts = [f"{mean:.2f} ± {std:.2f}" for mean, std in cells[["mean", "std"]].to_numpy(float)]
    cells = cells.assign(text=texts, fuse=cells["fuse"].str.replace("_", " "))
    table = cells.pivot_table(index="base", columns=["fuse", "whose"], values="text", aggfunc="first", sort=False)
    order = [(fuse.replace("_", " "), whose) for fuse in [*MEANS, "product"] for whose in ("ours", "paper")]
    shown = table.reindex(columns=order).fillna("–").rename(index=method_label)
    return shown.rename_axis(index=None, columns=(None, None))


def fusion_plot(page: Settings, runs: Ends) -> Figure:
    """Paired differences in ARCC, the product minus each mean, named by CAM and fusion."""
    beaten = over_means(page, runs)
    products = [make_key(base, {"fuse": "product"}).text for _ in MEANS for base in page.averaged]
    others = [make_key(base, {"fuse": fuse}).text for fuse in MEANS for base in page.averaged]
    return charts.interval_plot(beaten.assign(method=products, over=others))


def curve_metrics(runs: Runs) -> list[str]:
    """The metrics that starting layers are compared by, those that this run has."""
    return [metric for metric in CURVES if metric in runs.metrics]


def over_starts(
    rows: pd.DataFrame, base: str, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Base and RefineCAM along the starting layer, means over images with their intervals, for charts.interval_lines.

    rows: of runs.by_start, all starts; one value an image, the mean over the models. From the deepest layer the two
    are one.
    """
    points = []
    for metric in metrics:
        for start, here in rows.groupby("start"):
            table = paired(here, metric)
            columns = {base: base, key_of(base): key_of(base) if key_of(base) in table else base}
            lines = means(pd.DataFrame({line: table[key] for line, key in columns.items()}), level, seed)
            points.append(lines.rename(columns={"method": "line"}).assign(panel=metric, **{START: start}))
    return pd.concat(points, ignore_index=True)


def best_starts(
    rows: pd.DataFrame, base: str, metrics: Sequence[str], level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The starting layer of the highest mean of base and RefineCAM, by metric and line as in `over_starts`.

    start; mean: of the start that is best on other images (max_t.cross_fitted); n; best: does it lie above every
    other start. Index metric and line. Starts that not every model has, and images without all values, are left out.
    """
    shared = rows.groupby("start")["model"].nunique() == rows["model"].nunique()
    rows = rows[rows["start"].map(shared)]
    lines = []
    for metric in metrics:
        direction = metric_key(metric).entry.direction
        tables_by_start = {start: paired(here, metric) for start, here in rows.groupby("start")}
        for line in (base, key_of(base)):
            columns = {str(start): table[line if line in table else base] for start, table in tables_by_start.items()}
            ways = pd.DataFrame(columns)
            pairs, values = all_pairs(ways, direction, seed), cross_fitted(ways, direction, seed)
            row = {"metric": metric, "line": line, "start": int(pairs.highest), "mean": values.mean(), "n": pairs.n}
            lines.append({**row, "best": pairs.verdict(pairs.highest, level=level)})
    return pd.DataFrame(lines).set_index(["metric", "line"])


def start_curves(page: Settings, runs: Runs) -> Figure:
    """The swept CAM alone and RefineCAM of it along the starting layer, a panel a metric."""
    curve = over_starts(runs.starts, page.swept, curve_metrics(runs), page.level, page.seed)
    return charts.interval_lines(curve.assign(panel=curve["panel"].map(metric_label)), START)
