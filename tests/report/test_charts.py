"""The charts that sections share: what is drawn is what the table says."""

from __future__ import annotations

import pandas as pd
import pytest

from segattr_lib.report.charts import interval_lines


def test_lines_of_methods_carry_their_labels_and_controls_are_dashed():
    table = pd.DataFrame({"panel": "TDD", "line": ["ega", "ega", "random", "random"], "passes": [1, 2, 1, 2]})
    table["mean"] = [0.1, 0.2, 0.3, 0.4]
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)
    drawn = {str(line.get_label()): line for line in interval_lines(table, "passes").axes[0].lines}
    assert drawn["EGA"].get_linestyle() == "-" and drawn["EGA"].get_ydata() == pytest.approx([0.1, 0.2])
    assert drawn["random pixels"].get_linestyle() == "--" and drawn["random pixels"].get_ydata() == pytest.approx(
        [0.3, 0.4]
    )
