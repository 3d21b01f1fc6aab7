"""The poster's recommendations, each held against the rows at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.intervals import means
from segattr_lib.inference.max_t import all_pairs, cross_fitted
from segattr_lib.inference.paired import paired
from segattr_lib.metrics import metric_key
from segattr_lib.sections.wsss_sam2.rows.cueing import THRESHOLD
from segattr_lib.sections.wsss_sam2.tables import prior_shares, rank_correlation
from segattr_lib.sections.wsss_sam2.ways import (
    WITHOUT_BACKGROUND,
    assisted,
    control,
    explainers_of,
    labels,
    masks,
    settled,
)

AGREE = 0.5  # two supports that overlap less than this name different regions
ALIKE = 0.7  # two tables that rank explainers alike above this could be one
VIOLATED, UNTOLD = "violated", "cannot be told here"
SINGLE = "Do not supervise with a single explainer; quantify agreement first"
FUSE = "Prefer confidence-weighted fusion and dual cues over thresholding or averaging"
DECLARE = "Declare the segmenter's prior"
APART = "Report interpretability apart from utility"
RECOMMENDATIONS = {  # by the id of what is measured
    "explainers_overlap_little": SINGLE,
    "fusion_beats_a_blind_choice": SINGLE,
    "fusion_beats_the_best": SINGLE,
    "cues_beat_thresholding": FUSE,
    "weights_beat_the_mean": FUSE,
    "background_points_help": FUSE,
    "segmenter_beats_the_walker": DECLARE,
    "prior_has_a_share": DECLARE,
    "prior_has_a_share_without_background": DECLARE,
    "cues_beat_uniform_points": DECLARE,
    "coverage_is_not_utility": APART,
    "effectiveness_is_not_utility": APART,
}
COLUMNS = ["id", "recommendation", "check", "value", "low", "high", "n", "wanted", "verdict"]


def recommendations(
    rows: pd.DataFrame,
    segmenters: Sequence[str],
    measures: Sequence[str] = ("coverage", "effectiveness"),
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """The poster's checklist held against the rows at hand, of any images and classifier; a row a check.

    id; recommendation; check, what was measured; value, low, high; n, the images; wanted, the side on which the
    recommendation is borne out; verdict: it holds where the whole interval lies on that side, is violated where it
    lies on the other, else it cannot be told here, nor where what it speaks of was not run. Against the best explainer
    the value is that of the one chosen on other images (`max_t.cross_fitted`), and has no interval; the verdict is
    over all pairs at once (`max_t.all_pairs`): it holds where the fusion lies above every explainer, and is
    violated where one of them lies above it. Masks are those of the first of the segmenters that is not the random
    walker. measures: of interpretability, held against utility.
    """
    rows = settled(rows)
    main = assisted(segmenters)
    table = masks(rows, main)
    explainers = explainers_of(rows)
    held = _Held(table, explainers, level, seed)
    checks = [
        *_of_fusing(rows, held),
        *_of_the_prior(rows, held, main, control(rows, segmenters)),
        *_of_keeping_apart(rows, held, measures),
    ]
    return pd.DataFrame(checks, columns=COLUMNS)


def verdict(low: float, high: float, bound: float, above: bool) -> str:
    """Whether an interval lies on the side of the bound that is wanted."""
    if low > bound or high < bound:
        return HOLDS if (low > bound) == above else VIOLATED
    return UNTOLD


@dataclass(frozen=True)
class _Held:
    """What the checks are held against: the assisted segmenter's masks, images by ways, and the explainers among
    these."""

    table: pd.DataFrame
    explainers: list[str]
    level: float
    seed: int

    def beyond(self, name: str, measured: str, other: pd.Series) -> dict[str, object]:
        """Does the weighted fusion's mask have a higher IoU than another, paired by image?"""
        pair = pd.DataFrame({"fused": self.table["weighted"], "other": other})
        row = compare(pair, [("fused", "other")], "iou", self.level, self.seed).iloc[0]
        return _check(name, measured, row[["difference", "low", "high"]].to_list(), int(row["n"]))

    def beyond_the_best(self, name: str) -> dict[str, object]:
        """Does it lie above every single explainer?"""
        ways = self.table[[*self.explainers, "weighted"]].dropna()
        value, best, said = np.nan, "none", UNDECIDED
        if len(ways):
            singles = ways[self.explainers]
            value = (ways["weighted"] - cross_fitted(singles, seed=self.seed)).mean()
            highest = all_pairs(singles, seed=self.seed).highest
            best = labels([highest])[highest]
            said = all_pairs(ways, seed=self.seed).verdict("weighted", level=self.level)
        measured = f"IoU of the fused mask − of the explainer that is best on other images ({best} on all)"
        words = {HOLDS: HOLDS, CONTRADICTED: VIOLATED, UNDECIDED: UNTOLD}
        check = _check(name, measured, [value, np.nan, np.nan], len(ways))
        return {**check, "wanted": "above each, all pairs", "verdict": words[said]}


def _check(
    name: str, measured: str, interval: Sequence[float], n: int, bound: float = 0.0, above: bool = True
) -> dict[str, object]:
    value, low, high = interval
    return {
        "id": name,
        "recommendation": RECOMMENDATIONS.get(name, APART),
        "check": measured,
        "value": value,
        "low": low,
        "high": high,
        "n": n,
        "wanted": f"{'above' if above else 'below'} {bound:g}",
        "verdict": verdict(low, high, bound, above),
    }


def _of_fusing(rows: pd.DataFrame, held: _Held) -> Iterator[dict[str, object]]:
    table, own = held.table, masks(rows, THRESHOLD)
    overlap = means(paired(rows, "consensus").mean(axis=1).to_frame(), held.level, held.seed).iloc[0]
    measured = "mean overlap (IoU) of two explainers' supports"
    ends = overlap[["mean", "low", "high"]].to_list()
    yield _check("explainers_overlap_little", measured, ends, int(overlap["n"]), AGREE, above=False)
    blind = table[held.explainers].mean(axis=1)
    yield held.beyond("fusion_beats_a_blind_choice", "IoU of the fused mask − of an explainer's taken blindly", blind)
    yield held.beyond_the_best("fusion_beats_the_best")
    measured = "IoU of the prompted mask − of the fused map's own support"
    yield held.beyond("cues_beat_thresholding", measured, own["weighted"])
    yield held.beyond("weights_beat_the_mean", "IoU under weighted fusion − under the mean", table["mean"])
    bare = table[WITHOUT_BACKGROUND["weighted"]]
    yield held.beyond("background_points_help", "IoU with background points − without", bare)


def _of_the_prior(rows: pd.DataFrame, held: _Held, main: str, walked: pd.DataFrame) -> Iterator[dict[str, object]]:
    table, own = held.table, masks(rows, THRESHOLD)
    measured = f"IoU of {main} − of the random walker, same cues"
    yield held.beyond("segmenter_beats_the_walker", measured, walked["weighted"])
    measured = f"share of {main}'s gain over the threshold that is its prior"
    for name, way, when in (
        ("prior_has_a_share", "weighted", ""),
        ("prior_has_a_share_without_background", WITHOUT_BACKGROUND["weighted"], ", without background points"),
    ):
        share = prior_shares(own, walked, table, [way], held.level, held.seed).iloc[0]
        ends = share[["share", "share_low", "share_high"]].to_list()
        yield _check(name, measured + when, ends, int(share["n"]))
    measured = f"IoU of {main} from cues − from uniform points, no map"
    yield held.beyond("cues_beat_uniform_points", measured, table["uniform_points"])


def _of_keeping_apart(rows: pd.DataFrame, held: _Held, measures: Sequence[str]) -> Iterator[dict[str, object]]:
    table = held.table[held.explainers]
    for metric in measures:
        key = metric_key(metric)
        values = paired(rows, metric).droplevel("dataset")[held.explainers]
        ranks = rank_correlation(values, table, held.level, held.seed)
        measured = f"rank correlation of {key.entry.label} with mIoU over {ranks.n} explainers"
        yield _check(f"{key.name}_is_not_utility", measured, ranks[:3], len(table), ALIKE, above=False)
