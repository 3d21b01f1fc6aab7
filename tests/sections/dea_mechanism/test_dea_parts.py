"""DEA taken apart: its parts, where they agree, and the cases that are shown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from segattr_lib.attribution.fusion import dual_evidence
from segattr_lib.attribution.maps import normalise
from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples
from segattr_lib.metrics.localization import mass
from segattr_lib.sections.dea_mechanism.parts import agreement_table, case_table, cases_of, decompose, parts_of


@pytest.mark.parametrize(("alpha", "beta"), [(0.65, 0.35), (0.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_the_parts_recombine_to_the_dea_map(alpha, beta):
    gradient, intervention = (
        normalise(torch.rand(4, 9, 9, generator=torch.Generator().manual_seed(n))) for n in (1, 2)
    )
    parts = decompose(gradient, intervention, alpha=alpha, beta=beta)
    assert list(parts) == ["gradient", "intervention", "interaction", "corrected", "dea"]
    assert torch.equal(parts["dea"], dual_evidence(gradient, intervention, alpha=alpha, beta=beta))
    # corrected = A_g + beta * interaction, and dea is the weighted sum of corrected and A_r
    torch.testing.assert_close(parts["corrected"], parts["gradient"] + beta * parts["interaction"])
    whole = normalise(alpha * parts["corrected"] + (1 - alpha) * parts["intervention"])
    torch.testing.assert_close(whole, parts["dea"], rtol=0, atol=1e-6)


def test_a_groups_parts_are_the_maps_the_run_measures(run):
    group = group_of(run, ["test-00000", "test-00001"])
    settings = run.changed({"methods": ["ega", "ria", "dea", "dea(alpha=1.0)", "interaction"]})
    maps = [group.maps_of(key)[0] for key in settings.method_keys()]
    parts = parts_of(group)
    for name, of_method in zip(("gradient", "intervention", "dea"), maps[:3], strict=True):
        assert torch.equal(parts[name], of_method)
    torch.testing.assert_close(normalise(parts["corrected"]), maps[3])
    torch.testing.assert_close(normalise(parts["interaction"]), maps[4])


def test_agreement_mass_of_indicator_maps_is_counted_pixels():
    """Bands of a 10 x 10 image: A_g rows 0-5, A_r rows 4-9, the target rows 5-9. They meet in rows 4 and 5."""
    gradient, intervention = torch.zeros(1, 10, 10), torch.zeros(1, 10, 10)
    gradient[:, :6], intervention[:, 4:] = 1, 1
    masks = torch.zeros(1, 10, 10, dtype=torch.bool)
    masks[:, 5:] = True
    table = agreement_table(decompose(gradient, intervention, alpha=0.5, beta=1.0), masks)
    row = table.loc[0].to_dict()
    # corrected: 1 in rows 0-3 and 2 in rows 4-5; dea before N: .5 in rows 0-3, 1.5 in 4-5, .5 in 6-9; after: 0, 1, 0
    wanted = {"inside": 10, "outside": 10, "gradient": 1 / 6, "intervention": 5 / 6, "interaction": 1 / 2}
    wanted |= {"corrected": 2 / 8, "dea": 1 / 2, "area": 1 / 2}
    assert row == pytest.approx(wanted)


def test_maps_that_nowhere_meet_have_no_agreement_to_share():
    gradient, masks = torch.zeros(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)
    gradient[:, 0] = 1
    table = agreement_table(decompose(gradient, gradient.flip(1)), masks)
    assert table.loc[0, ["inside", "outside"]].tolist() == [0, 0]
    assert math.isnan(table.loc[0, "interaction"])
    assert [float(value) for value in mass(gradient, ~masks)] == [0, 4]


def test_share_inside_is_a_metric_of_a_run_and_undefined_for_a_map_of_zeros(run, tmp_path):
    settings = run.changed({"methods": ["ground_truth", "all_ones", "ega", "interaction"], "metrics": ["share_inside"]})
    rows = plain(read_samples(run_benchmark(settings, tmp_path / "results")))
    shares = rows[rows["metric"] == "share_inside"].pivot_table(index="sample_id", columns="method", values="value")
    assert (shares["ground_truth"] == 1).all()
    group = group_of(run, list(shares.index))
    area = group.target.mask.float().mean((1, 2)).numpy()
    np.testing.assert_allclose(shares["all_ones"], area, atol=2 / 32**2)  # one pixel of it is 0
    table = agreement_table(parts_of(group), group.target.mask)
    np.testing.assert_allclose(shares["ega"], table["gradient"], atol=1e-5)
    np.testing.assert_allclose(shares["interaction"], table["interaction"], atol=1e-5)


def test_cases_lie_at_even_quantiles_of_the_upper_and_lower_quarter():
    values = pd.Series({f"s{number:02}": number / 10 for number in range(21)}).sample(frac=1, random_state=0)
    cases = cases_of(values, 3)
    # ranks 20, 17.5 and 15 of 20; then 5, 2.5 and 0: half a rank goes up
    assert list(cases.index) == ["s20", "s18", "s15", "s05", "s03", "s00"]
    assert list(cases["case"]) == ["success"] * 3 + ["failure"] * 3
    assert list(cases["quantile"]) == [1, 0.875, 0.75, 0.25, 0.125, 0]
    assert cases["difference"].is_monotonic_decreasing
    assert list(cases_of(values, 1).index) == ["s20", "s00"]


def test_few_samples_make_fewer_cases_and_ties_go_by_id():
    assert list(cases_of(pd.Series({"b": 1.0, "a": 0.0}), 3).index) == ["b", "a"]
    alone = cases_of(pd.Series({"a": 0.5, "lost": np.nan}), 3)
    assert list(alone.index) == ["a"] and list(alone["case"]) == ["success"]
    assert list(cases_of(pd.Series({"b": 0.0, "a": 0.0, "c": 0.0}), 1).index) == ["c", "a"]


def test_named_samples_are_taken_as_they_are_named():
    cases = cases_of(pd.Series({"a": 0.5, "b": 0.1}), 3, ["b", "elsewhere"])
    assert list(cases.index) == ["b", "elsewhere"] and list(cases["case"]) == ["named"] * 2
    assert cases["difference"].tolist()[0] == 0.1 and math.isnan(cases["difference"].tolist()[1])


def test_the_table_of_cases_puts_mass_beside_the_difference():
    cases = cases_of(pd.Series({"a": 0.5, "b": -0.25}), 1, ["b", "elsewhere"])
    masses = pd.DataFrame({"area": 0.25, "inside": [12.4, 0.0], "outside": [3.6, 0.0], "interaction": [0.775, np.nan]})
    table = case_table(cases, masses.set_index(cases.index))
    assert table.loc["b"].to_dict() == {
        "case": "named",
        "quantile": "–",
        "DEA − EGA, TDD": "-0.250",
        "target's area": "0.250",
        "agreement on target, px": "12",
        "off target, px": "4",
        "share on target": "0.775",
    }
    assert table.loc["elsewhere", ["DEA − EGA, TDD", "share on target"]].tolist() == ["–", "–"]
