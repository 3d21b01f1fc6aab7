"""The tables of the page "What it costs"."""

from __future__ import annotations

import pandas as pd
from IPython.display import HTML

from segattr_lib.report.labels import model_label
from segattr_lib.report.tables import power_of_ten, wrapped
from segattr_lib.sections.costs.records import Runs, named

DEVICES = {"cpu": "the processor"}


def machine_table(runs: Runs) -> HTML:
    """What the bench ran on, and with what."""
    about = runs.machine
    entries = {
        "Processor": about["cpu"],
        "Cores, threads of a process": f"{about['cores']}, {about['threads']}",
        "Models run on": DEVICES.get(about["device"], about["device"]),
        "Engine asked for, precision": f"{about['engine']}, {about['precision']}",
        "Recorded (UTC)": about["date"].replace("T", " ").partition("+")[0],
        "Load before and after": f"{about['load_before']}, {about['load_after']}",
        "Minutes it took": f"{about['minutes']:.0f}",
        "Python": about["python"],
        **about["versions"],
    }
    return wrapped(pd.DataFrame({"": list(entries), "this bench": list(entries.values())}), index=False)


def whole_table(runs: Runs) -> HTML:
    """The whole benchmark by us and by the script, images an hour both ways."""
    rows = runs.rows[runs.rows["group"] == "whole"]
    table = pd.DataFrame(
        {
            "": rows["name"].map(named),
            "images": rows["images"],
            "images an hour": rows["images_an_hour"].map("{:,.0f}".format),
            "the script": rows["peer_images_an_hour"].map("{:,.0f}".format),
            "its setting": rows["peer"],
            "ratio": rows["ratio"].map("{:.2f}".format),
            "to bound": rows["to_bound"].map("{:.2f}".format),
            "passes an image": (rows["passes"] / rows["images"]).map("{:.0f}".format),
            "needed": (rows["needed"] / rows["images"]).map("{:.0f}".format),
            "difference": rows["difference"].map(power),
        }
    )
    return wrapped(table, index=False)


def methods_table(runs: Runs) -> HTML:
    """Every method beside the fastest package that has it."""
    return rows_table(runs.rows[runs.rows["group"] == "methods"])


def metrics_table(runs: Runs) -> HTML:
    """Every metric beside the fastest other way to it."""
    return rows_table(runs.rows[runs.rows["group"] == "metrics"])


def slower_table(runs: Runs) -> HTML:
    """The rows that another package makes in less time."""
    return rows_table(runs.rows[runs.rows["ratio"] > 1])


def rows_table(rows: pd.DataFrame) -> HTML:
    """Rows of a bench as text: shortest times with the median, ratios and differences. What else a row holds, package
    and passes, is in the record."""
    table = pd.DataFrame(
        {
            "": rows["name"].map(named),
            "model": rows["model"].map(short_label),
            "images": rows["images"],
            "ms (median)": pairs(rows["minimum"], rows["median"]),
            "fastest other": rows["peer"].fillna("–"),
            "its ms": (1000 * rows["peer_minimum"]).map(lambda ms: "–" if pd.isna(ms) else f"{ms:,.0f}"),
            "ratio": rows["ratio"].map(share),
            "to bound": rows["to_bound"].map(share),
            "difference": rows["difference"].map(power),
        }
    )
    return wrapped(table, index=False)


def short_label(model: str) -> str:
    """A model's label without the architecture that the long names of real ones end in."""
    return model_label(model).removesuffix("_deeplabv3_mobilenetv2")


def starting_table(runs: Runs) -> HTML:
    """How long imports, help and refusals take."""
    rows = runs.starting
    promised = rows["promised"].map(lambda seconds: "–" if pd.isna(seconds) else f"{seconds:g}")
    table = pd.DataFrame(
        {
            "": rows["kind"],
            "what": rows["name"],
            "shortest (median), ms": pairs(rows["minimum"], rows["median"]),
            "user, s": rows["user"].map("{:.2f}".format),
            "promised, s": promised,
            "kept": rows["kept"].map({True: "yes", False: "no"}).where(promised != "–", "–"),
        }
    )
    return wrapped(table, index=False)


def pairs(shortest: pd.Series, median: pd.Series) -> list[str]:
    """Two columns of seconds in one, in milliseconds; a dash where there are none."""
    both = zip(shortest.astype(float), median.astype(float), strict=True)
    return ["–" if pd.isna(least) else f"{1000 * least:,.0f} ({1000 * middle:,.0f})" for least, middle in both]


def share(ratio: float | None) -> str:
    return "–" if ratio is None or pd.isna(ratio) else f"{ratio:.2f}"


def power(difference: float | None) -> str:
    """A difference as a power of ten; a dash where nothing is compared."""
    return "–" if difference is None or pd.isna(difference) else power_of_ten(difference, 1)
