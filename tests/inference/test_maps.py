"""Tables of a run's maps: seeds are averaged, models kept apart or averaged, signs turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from classifier_maps import IMAGES, METHODS, MODELS, followed_maps, rows_of_maps

from segattr_lib.inference.maps import PAPER, by_image, directed, maps_table, truth_known
from segattr_lib.registry import UserError


def test_a_runs_rows_become_a_row_a_map_and_seeds_are_averaged() -> None:
    maps = followed_maps()
    maps.loc[(MODELS[0], IMAGES[3], METHODS[1]), "road"] = np.nan
    first, second = rows_of_maps(maps), rows_of_maps(maps + 1)
    both = pd.concat([first, second.assign(seed=1, run_id=second["model"] + "1")])
    table = maps_table(both[::-1], ["road", "cosine"])
    expected = (maps[["road", "cosine"]] + 0.5).sort_index()
    assert table.sort_index().index.tolist() == expected.index.tolist()
    assert table.sort_index().to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)
    with pytest.raises(UserError, match=r"'spill' .* found none"):
        maps_table(first, ["spill"])


def test_values_by_image_are_means_over_the_models_that_have_one() -> None:
    maps = followed_maps()
    maps.loc[(MODELS[0], IMAGES[0], METHODS[0]), "road"] = np.nan
    table = by_image(maps, "road")
    assert list(table.columns) == METHODS and table.index.tolist() == IMAGES
    assert table.loc[IMAGES[0], METHODS[0]] == maps.loc[(MODELS[1], IMAGES[0], METHODS[0]), "road"]
    of_both = [maps.loc[(model, IMAGES[5], METHODS[2]), "road"] for model in MODELS]
    assert table.loc[IMAGES[5], METHODS[2]] == pytest.approx(np.mean(of_both))


def test_a_truth_is_known_as_soon_as_one_map_has_it() -> None:
    maps = followed_maps().assign(cosine=np.nan)
    assert not truth_known(maps)
    maps.iloc[7, maps.columns.get_loc("cosine")] = 0.0
    assert truth_known(maps)


def test_directed_metrics_are_all_better_when_higher() -> None:
    maps = followed_maps()
    turned = directed(maps)
    assert list(turned) == list(PAPER)
    for metric in PAPER:
        sign = -1 if metric in ("average_drop", "complexity") else 1
        assert (turned[metric] == sign * maps[metric]).all()
