"""All that the page's prose quotes, formatted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segattr_lib.inference.comparison import HOLDS
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.inference.max_t import all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.report.labels import dataset_label
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import interval, number, off_zero, side
from segattr_lib.sections.wsss_sam2 import opening
from segattr_lib.sections.wsss_sam2.page import BARE, Runs, Side, against, contrary, foreign_record
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
BESIDE = (  # what the page quotes of the images that stand beside those that it is told from
    *("dataset", "n", "basis", "accuracy", "model", "layer", "explainers", "segmenter", "holding", "violated"),
    *("untold", "assists"),
)
OF_SCENES = (  # what it quotes of its own images alone, where a promptable segmenter is at home
    *("weighted_gain", "weighted_control", "weighted_share", "bare_gain", "bare_control", "bare_share"),
    *("random_iou", "declares"),
)
OF_BOTH = ("dataset", "n", "segmenter", "fused_iou", "uniform_iou", "over_uniform")


def facts(settings: Settings, runs: Runs) -> dict[str, Any]:
    """By the names that the prose has for them: of what the page is told from as they are, with `other_` before of what
    stands beside it, and with `scene_` of the page's own images."""
    first = _of_side(runs.first.page, runs.first)
    other = dict.fromkeys(first, "–") if runs.second is None else _of_side(runs.second.page, runs.second)
    scenes = first if runs.first is runs.scenes else other
    return {
        **opening.facts(settings, runs.opening),
        **{name: value for name, value in first.items() if name not in OF_SCENES},
        **{f"other_{name}": other[name] for name in BESIDE},
        **{f"scene_{name}": scenes[name] for name in (*OF_SCENES, *OF_BOTH)},
        "left_out": ", ".join(settings.many_left_out) or "none",
        "contrary": contrary(runs),
        **_of_foreign(settings),
    }


def _of_foreign(settings: Settings) -> dict[str, Any]:
    """Of the record of images for whose class the classifier has no name; dashes where it is not recorded here."""
    record = foreign_record(settings)
    if record is None:
        return {"foreign": settings.foreign, **dict.fromkeys(("foreign_dataset", "foreign_n", "foreign_score"), "–")}
    scores = record.rows[record.rows["metric"] == "score"].drop_duplicates("sample_id")["value"]
    return {
        "foreign": settings.foreign,
        "foreign_dataset": dataset_label(record.settings.dataset),
        "foreign_n": len(scores),
        "foreign_score": number(scores.mean(), 2),
    }


def _of_side(settings: Settings, of: Side) -> dict[str, Any]:
    return {
        **_of_settings(settings, of),
        **_of_weights(settings, of),
        **_of_steps(of),
        **_of_the_prior(of),
        **_of_the_checklist(of),
        **_beside_the_poster(settings, of),
    }


def _of_settings(settings: Settings, of: Side) -> dict[str, Any]:
    cueing, rows = settings.cueing, of.raw
    asked = rows[rows["metric"] == iou_of(of.main)]
    return {
        "dataset": dataset_label(of.run.dataset),
        "model": of.run.model[0],
        "layer": of.run.layer,
        "segmenter": of.main,
        "others": ", ".join(name for name in cueing.segmenters if name != of.main) or "no other",
        "explainers": len(of.explainers),
        "threshold": cueing.threshold,
        "foreground": cueing.foreground,
        "background": cueing.background,
        "apart": cueing.apart,
        "robustness": cueing.robustness,
        "n": len(of.assisted),
        "basis": of.source,
        "accuracy": of.accuracy,
        "skipped": int((rows["metric"].isna() & (rows["status"] == "skipped")).sum()),
        "without": int((asked["status"] == "undefined").sum()),
        "asked": len(asked),
        "level": f"{settings.level:.0%}",
        "top": f"{cueing.top:.0%}",
        "bottom": f"{cueing.bottom:.0%}",
        "coverage": _coverage(of.coverage),
        "fewest": FEWEST,
    }


def _coverage(table: pd.DataFrame) -> str:
    """How often the page's own kind of interval held."""
    reached = table[table["interval"] == "studentised bootstrap"]["reached"]
    return f"{reached.iloc[0]:.1%}" if len(reached) else "–"


def _of_weights(settings: Settings, of: Side) -> dict[str, Any]:
    weights = paired(of.rows, "weight").droplevel("dataset")
    even = f"{1 / len(of.explainers):.2f}"
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


def _of_steps(of: Side) -> dict[str, Any]:
    rows = of.compared[of.main].set_index("over")
    singles = rows[rows.index.isin(of.explainers)]
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


def _of_the_prior(of: Side) -> dict[str, Any]:
    shares = of.shares.set_index("method")
    values = {}
    for way, called in {"weighted": "weighted", BARE: "bare"}.items():
        for part in ("gain", "control", "share"):
            row = shares.loc[way]
            values[f"{called}_{part}"] = interval(
                row[part], row[f"{part}_low"], row[f"{part}_high"], 2, float(row["n"])
            )
    of_main = of.utility[of.utility["panel"] == of.main]
    return {
        **values,
        "uniform_iou": _mean_of(of_main, "uniform_points"),
        "fused_iou": _mean_of(of_main, "weighted"),
        "random_iou": _mean_of(of_main, "random"),
    }


def _of_the_checklist(of: Side) -> dict[str, Any]:
    verdicts = of.checks.set_index("id")["verdict"]
    counts = verdicts.value_counts()
    overlap = of.checks.set_index("id").loc["explainers_overlap_little"]
    return {
        "agreement": _interval(overlap, "value"),
        "checks": len(of.checks),
        "holding": int(counts.get(HOLDS, 0)),
        "violated": int(counts.get(VIOLATED, 0)),
        "untold": int(counts.get(UNTOLD, 0)),
        **{name: VERDICTS[verdicts[check]] for name, check in CLAIMED.items()},
    }


def _beside_the_poster(settings: Settings, of: Side) -> dict[str, Any]:
    paper = reference()["wsss_takeaways"]
    paper_leads, paper_columns = leads()
    fused_rank, ranked = rank_of_fusion(settings, of)
    panels = list(against([of.main]).values())
    covered, spilt = (of.proxies[of.proxies["panel"] == panel] for panel in panels)
    coverage = paired(of.rows, settings.measure("coverage"))[of.explainers].to_numpy(float)
    spill = paired(of.rows, settings.measure("spill"))[of.explainers].to_numpy(float)
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
