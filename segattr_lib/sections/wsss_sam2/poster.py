"""The poster's own numbers beside ours."""

from __future__ import annotations

import pandas as pd

from segattr_lib.inference.intervals import means
from segattr_lib.inference.paired import paired
from segattr_lib.report.reference import reference
from segattr_lib.report.tables import number
from segattr_lib.sections.wsss_sam2.page import Side
from segattr_lib.sections.wsss_sam2.settings import Settings
from segattr_lib.sections.wsss_sam2.ways import labels

TITLES = {"miou": "mIoU", "effectiveness": "Effectiveness", "pointing_game": "LA"}


def poster_table() -> pd.DataFrame:
    """Table 2 of the poster on explainers as prompts; columns method, column (1 to 3), metric, value.

    The fusion is "weighted", miou the IoU after the segmenter. Which data a column is of, the text does not tell.
    """
    table = reference()["wsss_table2"]
    return pd.DataFrame(
        [
            {"method": row["method"], "column": column, "metric": metric, "value": value}
            for row in table["rows"]
            for column in table["inferred"]
            for metric, value in zip(table["metrics"], row[column], strict=True)
        ]
    )


def ours(settings: Settings, of: Side) -> pd.DataFrame:
    """Means over images of what the poster's table has, under its names of the methods; columns method, metric, value.
    Methods that it does not have are left out."""
    tables = {"miou": of.assisted}
    tables |= {name: paired(of.rows, settings.measure(name)) for name in ("effectiveness", "pointing_game")}
    values = pd.concat(
        [means(table, settings.level, settings.seed).assign(metric=name) for name, table in tables.items()]
    )
    theirs = {of.page.method(name): name for name in poster_table()["method"].unique()}
    values = values[values["method"].isin(theirs)]
    return values.assign(method=values["method"].map(theirs), value=values["mean"])[["method", "metric", "value"]]


def beside_poster(settings: Settings, of: Side) -> pd.DataFrame:
    """Ours and the poster's three columns, as text: methods by what is measured and whose it is."""
    paper = poster_table()
    both = pd.concat(
        [ours(settings, of).assign(column="ours"), paper.assign(column=paper["column"].astype(str))],
        ignore_index=True,
    )
    both["text"] = both["value"].map(lambda value: number(value, 2), na_action="ignore")
    table = both.pivot(  # noqa: PD010 - refuses a value that stands twice
        index="method", columns=["metric", "column"], values="text"
    )
    columns = pd.MultiIndex.from_product([TITLES, ["ours", "1", "2", "3"]])
    table = table.reindex(index=both["method"].unique(), columns=columns).fillna("–")
    table = table.rename(index=labels(table.index)).rename(columns=TITLES, level=0)
    return table.rename_axis(index=None, columns=(None, None))


def inferred_columns() -> str:
    """Which data each of the poster's columns seems to be of, as text."""
    columns = reference()["wsss_table2"]["inferred"]
    return ", ".join(f"{name} for column {column}" for column, name in columns.items())


def leads() -> tuple[int, int]:
    """In how many of the poster's columns its weighted fusion has the highest mIoU, and of how many."""
    paper = poster_table()
    table = paper[paper["metric"] == "miou"].pivot_table(index="column", columns="method", values="value")
    leaders = table.idxmax(axis=1)
    return int((leaders == "weighted").sum()), len(leaders)


def rank_of_fusion(settings: Settings, of: Side) -> tuple[int, int]:
    """The weighted fusion's rank by mIoU among what the poster's table has and was run, and of how many."""
    values = ours(settings, of)
    values = values[values["metric"] == "miou"].set_index("method")["value"]
    return int(values.rank(ascending=False, method="min")["weighted"]), len(values)
