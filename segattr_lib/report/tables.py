"""The tables a reader sees: values, intervals and tests as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from segattr_lib.inference.agreement import EVERY, WAYS
from segattr_lib.inference.intervals import FEWEST
from segattr_lib.report.labels import key_label, metric_label, model_label, signed_label

if TYPE_CHECKING:
    from IPython.display import HTML  # of the extra `book`, without which this module is imported, too

MILLION = 1e6
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A value for a table; a dash where there is none. A large one is whole, its thousands apart: "5,480"; from a
    million on it has two digits and a power of ten: "1.2 × 10⁷"."""
    if pd.isna(value):
        return "–"
    if abs(value) < 1000:
        return f"{value:z.{digits}f}"
    return f"{value:,.0f}" if abs(value) < MILLION else power_of_ten(value)


def power_of_ten(value: float, digits: int = 2) -> str:
    """A value by its first digits and a power of ten, as it is read: "6 × 10⁻⁸" of one digit; 0 is "0"."""
    if not value or math.isinf(value):
        return f"{value:.0f}"
    first, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{first} × 10{str(int(exponent)).translate(RAISED)}"


def chance(comparison: pd.DataFrame) -> pd.DataFrame:
    """Each method beside the control that comes closest to it, as text; see chance.above_chance."""
    table = pd.DataFrame(
        {
            "excess": comparison["excess"].map(number),
            "closest control": comparison["control"].map(key_label),
            "difference": [
                interval(mid, low, high) for mid, low, high in comparison[["difference", "low", "high"]].to_numpy(float)
            ],
            "p": comparison["p_holm"].map(number),
            "n": comparison["n"],
            "verdict": comparison["verdict"],
        }
    )
    table.index = pd.Index(comparison["method"].map(key_label))
    return table.rename_axis(index=None)


def interval(value: float, low: float, high: float, digits: int = 3, n: float | int | None = None) -> str:
    """A value with its interval, as text; without one, as of few images, with their number n instead."""
    rounded = [round(quantity, digits) + 0.0 for quantity in (value, low, high)]  # + 0.0: no minus before 0
    shown, *ends = [number(quantity, digits) for quantity in rounded]
    if not (pd.isna(low) or pd.isna(high)):
        return f"{shown} [{', '.join(ends)}]"
    return shown if n is None or pd.isna(value) else f"{shown} (n = {n:.0f})"


def interval_texts(table: pd.DataFrame, column: str, digits: int = 3) -> pd.Series:
    """A column with its interval (columns low, high) as text, or with n (column n) where it has none."""
    rows = table[[column, "low", "high", "n"]].to_numpy(float)
    return pd.Series([interval(value, low, high, digits, n) for value, low, high, n in rows], table.index)


def side(low: float, high: float, n: int) -> str:
    """On which side of 0 a difference lies by its interval over n images, as a word for the page.

    "higher than", "lower than" or "not told apart from"; the last for an interval that holds 0 or is none, and for
    fewer than FEWEST images whatever it holds.
    """
    if n >= FEWEST and low > 0:
        return "higher than"
    return "lower than" if n >= FEWEST and high < 0 else "not told apart from"


def intervals(table: pd.DataFrame, row: str, column: str, value: str = "mean", digits: int = 3) -> pd.DataFrame:
    """Values with their intervals (columns low, high) as text: one column of `table` as rows, another as columns.

    Where a value has no interval, the column n stands beside it, if there is such a column.
    Methods in the rows get their labels, metrics in the columns theirs.
    """
    counts = table["n"].to_numpy(float) if "n" in table else [None] * len(table)
    ends = table[[value, "low", "high"]].to_numpy(float)
    text = [interval(mid, low, high, digits, n) for (mid, low, high), n in zip(ends, counts, strict=True)]
    rows, columns = table[row].unique(), table[column].unique()
    texts = table.assign(text=text).pivot(  # noqa: PD010 - refuses a value that stands twice
        index=row, columns=column, values="text"
    )
    texts = texts.reindex(index=rows, columns=columns)
    if row == "method":
        texts = texts.rename(index=key_label)
    if column == "metric":
        texts = texts.rename(columns=metric_label)
    return texts.rename_axis(index=None, columns=None)


def correlations(table: pd.DataFrame, by: str | list[str], column: str = "way") -> pd.DataFrame:
    """Correlations with their intervals as text, a block for each of `by` (kind, model, way), a row a metric.

    table: of agreement.correlations. column: whose values stand side by side.
    """
    kinds, ways, models = table["kind"].str.capitalize(), table["way"].map(WAYS), table["model"].map(model_label)
    blocks = table.assign(kind=kinds, way=ways, model=models).groupby(by, sort=False)
    shown = {name: intervals(rows, "metric", column, "value", 2) for name, rows in blocks}
    return pd.concat(shown).rename(index=signed_label)


def correlation(table: pd.DataFrame, metric: str, way: str, model: str = EVERY) -> str:
    """Pearson's correlation of a metric with its interval as text; a dash where the table is empty.

    table: of agreement.correlations, in which `model` is what it is the correlation of.
    """
    if table.empty:
        return "–"
    names = {"metric": metric, "way": way, "model": model, "kind": "pearson"}
    (row,) = table[(table[list(names)] == list(names.values())).all(axis=1)].to_dict("records")
    return interval(row["value"], row["low"], row["high"], 2, row["n"])


def wrapped(table: pd.DataFrame, index: bool = True) -> HTML:
    """A table whose cells hold sentences: they go on in the next line where the page is too narrow."""
    from IPython.display import HTML

    return HTML(table.to_html(index=index, classes="wrap", border=0))


def off_zero(table: pd.DataFrame, side: str) -> str:
    """How many of the intervals (columns low, high) lie wholly "above" or "below" 0, as text.

    Rows without an interval decide nothing, and are counted beside.
    """
    count = int((table["low"] > 0).sum() if side == "above" else (table["high"] < 0).sum())
    without = int((table["low"].isna() | table["high"].isna()).sum())
    return f"{count} ({without} without an interval)" if without else str(count)


def coverage(simulated: pd.DataFrame) -> pd.DataFrame:
    """What each kind of interval promises and how often it held, as text; see inference.simulated_coverage."""
    shares = simulated[["reached", "low", "high"]].to_numpy(float)
    table = pd.DataFrame(
        {
            "n": simulated["n"],
            "nominal": simulated["nominal"].map("{:.0%}".format),
            "reached": [f"{reached:.1%} [{low:.1%}, {high:.1%}]" for reached, low, high in shares],
        }
    )
    return table.set_axis(simulated["interval"]).rename_axis(None)


def whole(table: pd.DataFrame) -> HTML:
    """A table with all its rows, where a notebook would leave out those in the middle of a long one."""
    from IPython.display import HTML

    return HTML(table.to_html())
