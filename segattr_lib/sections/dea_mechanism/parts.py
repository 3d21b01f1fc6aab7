"""What a map is made of: its parts, where they agree, and the cases that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from segattr_lib.attribution import method_key
from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.benchmark.group import Group
from segattr_lib.metrics.localization import mass
from segattr_lib.report.tables import number
from segattr_lib.targets import Maps, Masks

TAIL = 0.25  # the share of samples, best and worst, that success and failure cases are taken from


def decompose(
    gradient: Maps,
    intervention: Maps,
    *,
    alpha: float = 0.65,
    beta: float = 0.35,
) -> dict[str, Maps]:
    """DEA's map and what it is made of (DEA paper, eq. 2 and figure 3), by name.

    gradient A_g and intervention A_r as given; interaction A_g A_r, not normalised; corrected
    A_g (1 + beta A_r), in [0, 1 + beta]; dea N(alpha corrected + (1 - alpha) A_r). Raises ValueError
    for alpha outside [0,1] and beta below 0.
    """
    return {
        "gradient": gradient,
        "intervention": intervention,
        "interaction": gradient * intervention,
        "corrected": gradient * (1 + beta * intervention),
        "dea": dual_evidence(gradient, intervention, alpha=alpha, beta=beta),
    }


def parts_of(group: Group) -> dict[str, Maps]:
    """`decompose` of a group's samples, under its run's layer, grid, fill, alpha and beta."""
    gradient, intervention = (group.maps_of(method_key(name))[0] for name in ("ega", "ria"))
    return decompose(gradient, intervention, alpha=group.run.alpha, beta=group.run.beta)


def agreement_table(parts: Mapping[str, Maps], masks: Masks) -> pd.DataFrame:
    """Agreement mass, the mass of A_g A_r, of each sample, and the share of each part's mass on the target.

    Columns: inside and outside, the agreement mass in px; one share in [0,1] for each part by its name;
    area, the target's share of the image, which a map that knows nothing would reach. One row a sample.
    """
    inside, outside = mass(parts["interaction"], masks)
    columns = {"inside": inside, "outside": outside}
    for name, maps in parts.items():
        own, other = mass(maps, masks)
        columns[name] = own / (own + other)
    return pd.DataFrame({name: values.cpu().numpy() for name, values in columns.items()}).assign(
        area=masks.float().mean((1, 2)).cpu().numpy()
    )


def cases_of(differences: pd.Series, cases: int, named: Sequence[str] | None = None) -> pd.DataFrame:
    """The samples to look at, by a rule: none is chosen by hand unless its id is `named`.

    differences: a number a sample, by id. The cases of success lie at evenly spaced quantiles from the
    highest down to the edge of the upper TAIL, those of failure from the edge of the lower TAIL down to
    the lowest; the nearest rank, ties by id. A sample stands in one case alone, so that few samples make
    fewer cases. Index: sample_id, highest first; columns case ("success", "failure", "named"), quantile
    and difference, either NaN where a named sample has none.
    """
    ordered = differences.dropna().sort_index().sort_values(kind="stable")
    if named is not None:
        known = ordered.reindex(list(named))
        table = pd.DataFrame({"case": "named", "quantile": np.nan, "difference": known})
        return table.rename_axis("sample_id")
    levels = np.linspace(0, TAIL, cases)
    rows = []
    for case, quantiles in (("success", 1 - levels), ("failure", levels[::-1])):
        for quantile in quantiles:
            place = int(quantile * (len(ordered) - 1) + 0.5)
            rows.append((ordered.index[place], case, float(quantile), float(ordered.iloc[place])))
    table = pd.DataFrame(rows, columns=["sample_id", "case", "quantile", "difference"])
    return table.drop_duplicates("sample_id").set_index("sample_id")


def case_table(cases: pd.DataFrame, masses: pd.DataFrame) -> pd.DataFrame:
    """The chosen samples: their case, quantile and difference, and the agreement mass on and off the target.

    cases, masses: as cases_of and agreement_table give them, index sample_id.
    """
    table = pd.DataFrame(
        {
            "case": cases["case"],
            "quantile": cases["quantile"].map(number),
            "DEA − EGA, TDD": cases["difference"].map(number),
            "target's area": masses["area"].map(number),
            "agreement on target, px": masses["inside"].map("{:.0f}".format),
            "off target, px": masses["outside"].map("{:.0f}".format),
            "share on target": masses["interaction"].map(number),
        }
    )
    return table.rename_axis(index=None)
