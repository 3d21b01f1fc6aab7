"""What every page shares of its settings and its records."""

from __future__ import annotations

import pytest

from segattr_lib.attribution import method_key
from segattr_lib.report.page import soon_explained


@pytest.mark.parametrize(
    ("methods", "checked"),
    [
        (["gpa", "ria", "ria(grid=4)", "dea", "adaptive_dea"], ["gpa", "adaptive_dea"]),
        (["ria(fill=blur)", "dea"], ["ria(fill=blur)", "dea"]),
    ],
)
def test_a_record_is_checked_without_maps_of_a_pass_a_cell_where_there_are_others(methods, checked):
    assert [key.text for key in soon_explained([method_key(text) for text in methods])] == checked
