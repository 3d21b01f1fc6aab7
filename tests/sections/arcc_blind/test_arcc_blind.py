"""The page of maps that know nothing: who is fooled, and what the page says of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segattr_lib.inference.comparison import UNDECIDED
from segattr_lib.sections.arcc_blind import DOES_NOT_FOOL, FOOLS, fooled

INDEX = ["model", "sample_id", "method"]


def test_leads_of_a_trivial_map_are_signed_paired_and_averaged_over_models() -> None:
    values = {
        "half": {"average_drop": [0.1, 0.2, 0.3, 0.2], "road": [0.0, 0.0, 0.0, 0.0]},
        "layercam": {"average_drop": [0.5, 0.6, 0.5, 0.4], "road": [0.5, 0.4, 0.6, 0.5]},
        "scorecam": {"average_drop": [0.1, 0.1, 0.3, 0.1], "road": [-0.1, 0.2, 0.1, np.nan]},
    }
    images = pd.Index(range(4), name="sample_id")
    of_net = pd.concat({method: pd.DataFrame(columns, images) for method, columns in values.items()}, names=["method"])
    nets = {"net0": of_net, "net1": of_net, "net2": of_net * np.nan}
    table = pd.concat(nets, names=["model"]).reorder_levels(INDEX)
    rows = fooled(table, ["half"], ["layercam", "scorecam"], ["average_drop", "road"]).set_index("metric")
    drop, road = rows.loc["average_drop"], rows.loc["road"]
    assert drop["difference"] == pytest.approx(np.mean([0.2, 0.15, 0.1, 0.05]))  # the lower drop is the better one
    assert (drop["beaten"], drop["of"]) == (1, 2)
    assert road["difference"] == pytest.approx(-np.mean([0.2, 0.3, 0.35, 0.5]))
    assert road["beaten"] == 0 and set(rows["verdict"]) == {UNDECIDED}  # of four images
    assert drop["value"] == pytest.approx(0.2)


def trivial(n: int, lead: float, spread: float, seed: int = 0) -> pd.Series:
    """What `fooled` says of a map whose ROAD lies this far above the methods', with the spread of an image's lead."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0.5, 0.2, n)
    columns = {"gradcam": base, "layercam": base, "half": base + rng.normal(lead, spread, n)}
    wide = pd.DataFrame(columns).rename_axis("sample_id").melt(ignore_index=False, var_name="method", value_name="road")
    values = wide.set_index("method", append=True)
    table = pd.concat({"net": values}, names=["model"])
    (row,) = fooled(table, ["half"], ["gradcam", "layercam"], ["road"]).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("n", "lead", "spread", "verdict"),
    [
        (50, -0.15, 0.2, DOES_NOT_FOOL),
        (50, 0.0, 0.05, FOOLS),  # not told apart, and with so little spread no worse by .05
        (50, 0.0, 0.5, UNDECIDED),  # not told apart is not alike
        (50, 0.4, 0.2, FOOLS),
        (50, -0.02, 0.01, FOOLS),  # worse for certain, by less than the margin
        (12, -0.02, 0.3, UNDECIDED),
        (11, 0.8, 0.01, UNDECIDED),
        (1, 0.8, 0.01, UNDECIDED),
    ],
)
def test_fooling_is_shown_and_not_assumed(n: int, lead: float, spread: float, verdict: str) -> None:
    row = trivial(n, lead, spread)
    assert (row["verdict"], row["n"], row["fools"]) == (verdict, n, verdict == FOOLS)
    assert np.isnan([row["low"], row["high"]]).all() == (n < 12)


def test_a_clearly_worse_map_is_rarely_said_to_fool_at_any_n(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    monkeypatch.setattr("segattr_lib.inference.comparison.RESAMPLES", 499)
    undecided = {}
    for n in (5, 12, 16, 50):
        verdicts = [trivial(n, -0.15, 0.29, seed)["verdict"] for seed in range(60)]
        assert verdicts.count(FOOLS) <= 1
        undecided[n] = verdicts.count(UNDECIDED)
    assert undecided[5] == 60 and undecided[12] > 20 and undecided[16] > 20
    assert verdicts.count(DOES_NOT_FOOL) > 50
