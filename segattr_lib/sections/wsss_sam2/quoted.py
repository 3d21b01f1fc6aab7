"""All that the page's prose quotes, formatted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segattr_lib.inference.comparison import HOLDS
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.max_t import all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.report.classifiers import accuracies_text
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import interval, number, off_zero, side
from segattr_lib.sections.wsss_sam2 import opening
from segattr_lib.sections.wsss_sam2.page import BARE, Runs, against
from segattr_lib.sections.wsss_sam2.poster import inferred_columns, leads, rank_of_fusion
from segattr_lib.sections.wsss_sam2.recommendations import UNTOLD, VIOLATED
from segattr_lib.sections.wsss_sam2.settings import Settings
from segattr_lib.sections.wsss_sam2.ways import BOXED, iou_of, labels

VERDICTS = {HOLDS: "held", VIOLATED: "did not hold", UNTOLD: "could not be told"}
CLAIMED = {  # what the summary calls a check, by id
    "overlaps": "explainers_overlap_little",
    "assists": "cues_beat_thresholding",
    "weighs": "weights_beat_the_mean",
    "grounds": "background_points_help",
    "declares": "segmenter_beats_the_walker",
}
NOT_RUN = "not run"


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """By the names that the prose has for them."""
    return {
        **opening.facts(settings, runs.photographs),
        **_of_settings(settings, runs),
        **_of_weights(settings, runs),
        **_of_steps(runs),
        **_of_the_prior(runs),
        **_of_the_checklist(runs),
        **_beside_the_poster(settings, runs),
    }


def _of_settings(settings: Settings, runs: Runs) -> dict[str, Any]:
    cueing, rows = settings.cueing, runs.raw
    asked = rows[rows["metric"] == iou_of(runs.main)]
    return {
        "dataset": runs.run.dataset,
        "model": runs.run.model[0],
        "layer": runs.run.layer,
        "segmenter": runs.main,
        "others": ", ".join(name for name in cueing.segmenters if name != runs.main) or "no other",
        "explainers": len(runs.explainers),
        "threshold": cueing.threshold,
        "foreground": cueing.foreground,
        "background": cueing.background,
        "apart": cueing.apart,
        "robustness": cueing.robustness,
        "n": len(runs.assisted),
        "accuracy": accuracies_text(runs.answers, settings.level),
        "skipped": int((rows["metric"].isna() & (rows["status"] == "skipped")).sum()),
        "without": int((asked["status"] == "undefined").sum()),
        "asked": len(asked),
        "level": f"{settings.level:.0%}",
        "top": f"{cueing.top:.0%}",
        "bottom": f"{cueing.bottom:.0%}",
        "coverage": _coverage(runs.coverage),
        "fewest": FEWEST,
    }


def _coverage(table: pd.DataFrame) -> str:
    """How often the page's own kind of interval held."""
    reached = table[table["interval"] == "studentised bootstrap"]["reached"]
    return f"{reached.iloc[0]:.1%}" if len(reached) else "–"


def _of_weights(settings: Settings, runs: Runs) -> dict[str, Any]:
    weights = paired(runs.rows, "weight").droplevel("dataset")
    even = f"{1 / len(runs.explainers):.2f}"
    if weights.dropna().empty:  # no image of which every explainer can be weighed
        return {"heaviest": "none", "heaviest_weight": "–", "even_weight": even}
    pairs = all_pairs(weights, seed=settings.seed)
    heaviest = labels([pairs.highest])[pairs.highest]
    if pairs.verdict(pairs.highest, level=settings.level) != HOLDS:
        heaviest += " (not told apart from every other)"
    return {
        "heaviest": heaviest,
        "heaviest_weight": number(cross_fitted(weights, seed=settings.seed).mean(), 2),
        "even_weight": even,
    }


def _of_steps(runs: Runs) -> dict[str, Any]:
    rows = runs.compared[runs.main].set_index("over")
    singles = rows[rows.index.isin(runs.explainers)]
    over = {
        "over_mean": "mean",
        "over_background": BARE,
        "over_box": BOXED,
        "over_uniform": "uniform_points",
        "over_truth": "truth",
    }
    return {
        "single_above": off_zero(singles, "above"),
        "single_below": off_zero(singles, "below"),
        **{name: _interval(rows.loc[way], "difference", digits=3) for name, way in over.items()},
        "beside_uniform": _side(rows.loc["uniform_points"]),
        "beside_mean": _side(rows.loc["mean"]),
    }


def _of_the_prior(runs: Runs) -> dict[str, Any]:
    shares = runs.shares.set_index("method")
    values = {}
    for way, called in {"weighted": "weighted", BARE: "bare"}.items():
        for part in ("gain", "control", "share"):
            row = shares.loc[way]
            values[f"{called}_{part}"] = interval(
                row[part], row[f"{part}_low"], row[f"{part}_high"], 2, float(row["n"])
            )
    of_main = runs.utility[runs.utility["panel"] == runs.main]
    return {
        **values,
        "uniform_iou": _mean_of(of_main, "uniform_points"),
        "fused_iou": _mean_of(of_main, "weighted"),
        "random_iou": _mean_of(of_main, "random"),
    }


def _of_the_checklist(runs: Runs) -> dict[str, Any]:
    verdicts = runs.checks.set_index("id")["verdict"]
    counts = verdicts.value_counts()
    overlap = runs.checks.set_index("id").loc["explainers_overlap_little"]
    return {
        "agreement": _interval(overlap, "value"),
        "checks": len(runs.checks),
        "holding": int(counts.get(HOLDS, 0)),
        "violated": int(counts.get(VIOLATED, 0)),
        "untold": int(counts.get(UNTOLD, 0)),
        **{name: VERDICTS[verdicts[check]] for name, check in CLAIMED.items()},
    }


def _beside_the_poster(settings: Settings, runs: Runs) -> dict[str, Any]:
    paper = reference()["wsss_takeaways"]
    paper_leads, paper_columns = leads()
    fused_rank, ranked = rank_of_fusion(settings, runs)
    panels = list(against([runs.main]).values())
    covered, spilt = (runs.proxies[runs.proxies["panel"] == panel] for panel in panels)
    coverage = paired(runs.rows, settings.measure("coverage"))[runs.explainers].to_numpy(float)
    spill = paired(runs.rows, settings.measure("spill"))[runs.explainers].to_numpy(float)
    return {
        "inferred": inferred_columns(),
        "paper_leads": paper_leads,
        "paper_columns": paper_columns,
        "fused_rank": fused_rank,
        "ranked": ranked,
        "gradcam_covers": _mean_of(covered, settings.method("gradcam")),
        "lime_spills": _mean_of(spilt, settings.method("lime")),
        "shap_spills": _mean_of(spilt, settings.method("kernel_shap")),
        "paper_covers": " to ".join(f"{value:.0%}" for value in paper["gradcam_coverage"]),
        "paper_spills": f"{paper['surrogate_spill']:.0%}",
        "paper_voc": f"{paper['voc_miou']:.1%}",
        "partial": f"{(coverage < 1).sum() / np.isfinite(coverage).sum():.0%}",
        "spilling": f"{(spill > 0).sum() / np.isfinite(spill).sum():.0%}",
    }


def _interval(row: pd.Series, value: str, digits: int = 2) -> str:
    return interval(row[value], row["low"], row["high"], digits, float(row["n"]))


def _side(row: pd.Series) -> str:
    """On which side of 0 a difference lies, as a word for the page."""
    return side(row["low"], row["high"], int(row["n"]))


def _mean_of(table: pd.DataFrame, method: str) -> str:
    """A method's mean with its interval."""
    row = table[table["method"] == method]
    return _interval(row.iloc[0], "mean") if len(row) else NOT_RUN
