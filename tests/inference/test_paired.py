"""The unit is the image: tables of rows made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made import sample_rows, two_model_samples

from segattr_lib.inference.comparison import compare
from segattr_lib.inference.paired import paired, settled
from segattr_lib.inference.ranks import friedman_ranks
from segattr_lib.registry import UserError

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def test_an_image_is_one_row_its_value_the_mean_over_the_seeds_and_models_that_saw_it():
    table = paired(two_model_samples(), "tdd")
    assert table.index.names == ["dataset", "sample_id"]
    assert list(table.columns) == ["ria", "ria(grid=7)", "ega"]  # in the order of the rows
    assert list(table.index.get_level_values("sample_id")) == ["a", "b", "c", "d"]
    assert table.loc[("d", "a")].tolist() == pytest.approx([1.2 / 3, 1.2 / 3, 0.9 / 3])
    by_model = paired(two_model_samples(), "tdd", by_model=True)
    assert by_model.index.names == ["dataset", "model", "sample_id"]
    assert by_model.loc[("d", "m", "a")].tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert by_model.loc[("d", "n", "a")].tolist() == pytest.approx([0.8, 0.0, 0.5])


def test_values_that_are_missing_and_images_that_were_lost_are_counted():
    table = paired(two_model_samples(), "tdd")
    # b's ria is undefined under m: its mean under n alone would be of other runs than ega's
    assert np.isnan(table.loc[("d", "b"), "ria"])
    assert table.loc[("d", "b"), "ega"] == pytest.approx(0.15)
    assert table.loc[("d", "c")].isna().all()
    against_ega = compare(table, "ega", "tdd").set_index("over")
    assert against_ega[["n", "missing"]].to_numpy().tolist() == [[2, 2], [3, 1]]
    assert paired(two_model_samples(), "tdd", by_model=True)["ria"].isna().sum() == 3  # b under m, c under both


def test_the_floor_leaves_out_samples_the_model_scores_below_it():
    table = paired(two_model_samples(), "tdd", floor=0.3)
    assert table.loc[("d", "d")].tolist() == pytest.approx([0.4, 0.4, 0.4])  # under n its score is .1
    assert "c" not in table.index.get_level_values("sample_id")  # it has no score
    assert len(paired(two_model_samples(), "tdd", floor=0.31)) == 2


def test_the_table_depends_on_no_order_of_the_rows_and_folders_of_other_methods_join():
    samples = two_model_samples()
    wanted = paired(samples, "tdd")
    categories = samples.sample(frac=1, random_state=1).astype({"run_id": "category", "method": "category"})
    pd.testing.assert_frame_equal(paired(categories, "tdd")[list(wanted.columns)], wanted, check_column_type=False)
    other = samples["method"] == "ega"
    folders = [samples[~other], samples[other].assign(run_id="other settings")]
    pd.testing.assert_frame_equal(paired(pd.concat(folders), "tdd"), wanted)
    with pytest.raises(ValueError, match="duplicate"):
        paired(pd.concat([samples, samples]), "tdd")


def test_values_that_are_not_of_one_k_and_fill_are_refused_with_what_there_is():
    image = {("m", 0, "a"): {"ria": 0.1}}
    samples = pd.DataFrame(
        sample_rows(image) + sample_rows(image, k=0.4) + sample_rows(image, metric="stability", k=None)
    )
    with pytest.raises(UserError, match=r"'tdd' at k = None.* found k = 0.2, fill = mean; k = 0.4, fill = mean\."):
        paired(samples, "tdd")
    assert paired(samples, "tdd", k=0.4).shape == (1, 1)
    assert paired(samples, "stability", k=0.4).shape == (1, 1)  # it has no k
    for asked in (("odd", 0.4), ("tdd", 0.3), ("tdd", 0.4, "zeros")):
        with pytest.raises(UserError, match="found none"):
            paired(samples, *asked)


def test_an_image_under_two_models_does_not_count_twice():
    table = paired(two_model_samples(), "tdd", by_model=True)
    with pytest.raises(UserError, match="8 rows hold 4 images; expected one row an image"):
        compare(table, "ega", "tdd")
    with pytest.raises(UserError, match="8 rows hold 4 images"):
        friedman_ranks(table, "tdd")
    assert compare(table.xs("n", level="model"), "ega", "tdd")["n"].tolist() == [3, 3]


def test_a_composite_without_coherency_is_0_and_nothing_else_is_touched():
    metrics = ["arcc", "adcc", "arcc(background=blur)", "coherency", "arcc", "road", None]
    status = ["undefined", "undefined", "undefined", "undefined", "failed", "undefined", "failed"]
    rows = pd.DataFrame({"metric": metrics, "status": status, "value": np.nan})
    assert settled(rows)["value"].fillna(-1).tolist() == [0, 0, 0, -1, -1, -1, -1]
    assert rows["value"].isna().all()
