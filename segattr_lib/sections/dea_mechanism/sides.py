"""What one run says of DEA's mechanism: on many photographs, or on images whose every pixel is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segattr_lib.benchmark import settings as settings_
from segattr_lib.evidence.basis import Basis
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.coverage import simulated_coverage, standardised
from segattr_lib.inference.paired import paired
from segattr_lib.report.labels import dataset_label, metric_label
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import interval, off_zero, side
from segattr_lib.sections.dea_mechanism.causes import TRAITS, relations, traits_of
from segattr_lib.sections.dea_mechanism.settings import BLIND, MAPS, MEASURES, Settings
from segattr_lib.sections.dea_mechanism.sweeps import differences, means, over_scalars

LEADS = ("tdd", "excess_tdd")  # of DEA over EGA
OUTCOMES = {
    "gain": "TDD, DEA − EGA",
    **{metric: f"DEA's {metric_label(metric)}" for metric in MEASURES},
}


@dataclass(frozen=True)
class Side:
    """A run and what it comes to.

    run: its settings, with all their methods. basis: where its rows are from. layer, layers: the one explained, and
    those it is held against. by_metric: samples as rows and methods as columns. on_target: means of the share of each
    map's mass. traits, relations: see causes. by_scalar, by_layer: means at every point; against_ega: DEA minus EGA
    under every setting; scalar_changes: the change from the scalar that the run has. covered: how often the intervals
    hold what they should.
    """

    run: settings_.Settings
    basis: Basis
    layer: str
    layers: list[str]
    by_metric: dict[str, pd.DataFrame]
    on_target: pd.DataFrame
    traits: pd.DataFrame
    relations: pd.DataFrame
    by_scalar: pd.DataFrame
    by_layer: pd.DataFrame
    against_ega: pd.DataFrame
    scalar_changes: pd.DataFrame
    covered: pd.DataFrame

    @property
    def gain(self) -> pd.Series:
        """DEA's TDD minus EGA's of every sample that has both."""
        return gain_of(self.by_metric)

    @property
    def shares(self) -> pd.DataFrame:
        """The share of each map's mass on the target, samples as rows."""
        return self.by_metric["share_inside"][list(MAPS)]

    @property
    def title(self) -> str:
        """What a table calls it."""
        return f"{dataset_label(self.run.dataset)}, n = {len(self.gain)}"


def gain_of(values: Mapping[str, pd.DataFrame]) -> pd.Series:
    """DEA's TDD minus EGA's of every sample that has both."""
    return (values["tdd"]["dea"] - values["tdd"]["ega"]).dropna()


def side_of(settings: Settings, run: settings_.Settings, basis: Basis, layers: tuple[str, ...], own: str) -> Side:
    """What the rows of a run come to; layers: of its model, shallow to deep, and the one of them that is explained."""
    rows, level, seed = basis.rows, settings.level, run.seed[0]
    sweep, deep, scalars = settings.sweep(), settings.deep(layers, own), over_scalars(run)
    values = {key.text: paired(rows, key.text).droplevel("dataset") for key in run.metrics}
    gain, traits = gain_of(values), traits_of(rows)
    outcomes = pd.DataFrame({"gain": gain, **{metric: values[metric]["dea"] for metric in MEASURES}})
    return Side(
        run=run,
        basis=basis,
        layer=own,
        layers=list(dict.fromkeys(deep["layer"])),
        by_metric=values,
        on_target=intervals_.means(values["share_inside"][list(MAPS)], level, seed).set_index("method"),
        traits=traits.loc[traits.index.isin(gain.index)],
        relations=relations(traits[traits.index.isin(gain.index)], outcomes, level, seed),
        by_scalar=means(scalars, rows, MEASURES, level, seed),
        by_layer=means(deep, rows, MEASURES, level, seed),
        against_ega=differences(sweep, rows, LEADS, "ega", level, seed),
        scalar_changes=differences(scalars, rows, ["tdd"], None, level, seed),
        covered=simulated_coverage(
            standardised(values[metric][list(MAPS)] for metric in MEASURES), seed=seed, level=level
        ),
    )


def claimed_alphas() -> tuple[float, float]:
    """The range of alpha in which the paper says that DEA's TDD stays above EGA's."""
    claimed = reference()["dea_alpha_range"]
    return claimed["low"], claimed["high"]


def within_claim(of: Side) -> pd.DataFrame:
    """DEA minus EGA at the values of alpha that lie in the paper's range."""
    alphas = of.against_ega[of.against_ega["option"] == "alpha"]
    return alphas[alphas["value"].between(*claimed_alphas())]


def of_gain(table: pd.DataFrame, trait: str) -> pd.DataFrame:
    """The correlation of a trait with DEA's lead: one row of `relations`."""
    return table[(table["trait"] == trait) & (table["outcome"] == "gain")]


def mean_of(settings: Settings, of: Side, values: pd.Series) -> pd.DataFrame:
    """A mean over images with its interval: one row, value, low, high and n among its columns."""
    table = intervals_.means(values.to_frame("value"), settings.level, of.run.seed[0])
    return table.rename(columns={"mean": "value"})


def evidence_of(settings: Settings, of: Side) -> dict[str, pd.DataFrame]:
    """By the claim's id the values that decide it, see claims.CLAIM_OF."""
    own, blind = of.shares["interaction"], of.by_metric["share_inside"][BLIND]
    within = within_claim(of).drop(columns="value").rename(columns={"difference": "value"})
    return {
        "agreement_on_target": mean_of(settings, of, own - blind),
        "agreement_above_ega": mean_of(settings, of, own - of.shares["ega"]),
        "dea_fails_on_thin": of_gain(of.relations, "thinness"),
        "dea_fails_in_clutter": of_gain(of.relations, "clutter"),
        "dea_above_ega_over_alpha": within[within["metric"] == "tdd"],
        "dea_excess_above_ega_over_alpha": within[within["metric"] == "excess_tdd"],
    }


def facts(settings: Settings, of: Side) -> dict[str, Any]:
    """What the page quotes of one run."""
    (gain,) = mean_of(settings, of, of.gain).to_dict("records")
    (narrowed,) = mean_of(settings, of, of.shares["interaction"] - of.shares["ega"]).to_dict("records")
    agreement = of.on_target.loc["interaction"]
    reached = of.covered[of.covered["interval"] == "studentised bootstrap"]["reached"]
    return {
        "dataset": dataset_label(of.run.dataset),
        "model": of.run.model[0],
        "layer": of.layer,
        "basis": of.basis.text(),
        "n": len(of.gain),
        "gain": interval(gain["value"], gain["low"], gain["high"], n=gain["n"]),
        "gains": side(gain["low"], gain["high"], gain["n"]),
        "agreement": interval(agreement["mean"], agreement["low"], agreement["high"], n=agreement["n"]),
        "area": f"{of.traits['area'].mean():.2f}",
        "narrowed": interval(narrowed["value"], narrowed["low"], narrowed["high"], n=narrowed["n"]),
        "narrower": side(narrowed["low"], narrowed["high"], narrowed["n"]),
        "coverage": f"{reached.iloc[0]:.1%}" if len(reached) else "–",
        **_of_causes(settings, of),
        **_of_settings(of),
    }


def _of_causes(settings: Settings, of: Side) -> dict[str, Any]:
    table, traits = of.relations, of.traits
    clear = int(((table["low"] > 0) | (table["high"] < 0)).sum())
    without = int(table["low"].isna().sum())
    quoted: dict[str, Any] = {
        "pairs": len(table),
        "clear": f"{clear} ({without} without an interval)" if without else clear,
        "by_chance": f"{table['low'].count() * (1 - settings.level):.1f}",
    }
    for name in ("width", "area"):
        together = correlation(traits["thinness"], traits[name], "spearman", settings.level, of.run.seed[0])
        quoted[f"thin_{name}"] = interval(together.value, together.low, together.high, 2, len(traits))
    for trait in ("thinness", "clutter"):
        (row,) = of_gain(table, trait).to_dict("records")
        quoted[f"{trait}_goes"] = side(row["low"], row["high"], int(row["n"]))
        quoted[f"{trait}_with_gain"] = interval(row["value"], row["low"], row["high"], 2, row["n"])
    return quoted


def _of_settings(of: Side) -> dict[str, Any]:
    everywhere = of.against_ega[of.against_ega["metric"] == "tdd"].drop_duplicates("key")
    within = within_claim(of)
    return {
        "settings": len(everywhere),
        "above": off_zero(everywhere, "above"),
        "below": off_zero(everywhere, "below"),
        "alphas_claimed": int(within["value"].nunique()),
        **{f"held_{metric}": off_zero(within[within["metric"] == metric], "above") for metric in LEADS},
    }


__all__ = ["LEADS", "OUTCOMES", "TRAITS", "Side", "claimed_alphas", "evidence_of", "facts", "gain_of", "side_of"]
