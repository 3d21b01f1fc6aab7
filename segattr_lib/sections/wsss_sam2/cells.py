"""The page's tables and figures, one a cell."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure

from segattr_lib.benchmark.runner import group_of
from segattr_lib.inference.correlation import Correlation
from segattr_lib.inference.paired import paired
from segattr_lib.prompting.segmenters import load_segmenter
from segattr_lib.report import tables
from segattr_lib.report.charts import heat_table, interval_lines
from segattr_lib.report.labels import dataset_label, metric_label
from segattr_lib.report.pictures import at_quantiles
from segattr_lib.sections.wsss_sam2.charts import heat_panels, interval_rows, interval_scatter
from segattr_lib.sections.wsss_sam2.page import RELIABILITY, Runs, Side, foreign_record
from segattr_lib.sections.wsss_sam2.pictures import cue_panel, cued_maps
from segattr_lib.sections.wsss_sam2.rows.cueing import ALONE, CEILING, FUSIONS, THRESHOLD
from segattr_lib.sections.wsss_sam2.settings import SWEPT, Settings
from segattr_lib.sections.wsss_sam2.tables import agreement, along, gap, rank_correlation, summary
from segattr_lib.sections.wsss_sam2.ways import iou_of, labels, masks, settled

NO_BREAK = "\N{NO-BREAK SPACE}"


def title_of(of: Side) -> str:
    """What a table calls a run."""
    return f"{dataset_label(of.run.dataset)}, n = {len(of.assisted)}"


def _stacked(runs: Runs, table_of: Callable[[Side], pd.DataFrame]) -> pd.DataFrame:
    """A table of each run, one below the other where there are two."""
    if runs.second is None:
        return table_of(runs.first)
    return pd.concat({title_of(of): table_of(of) for of in (runs.first, runs.second)})


def interpretability(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Coverage, Spill, LA and Effectiveness of every map against the truth."""
    return _stacked(runs, lambda of: _interpretability(settings, of))


def against_proxies(runs: Runs) -> pd.DataFrame:
    """Coverage and Spill against each segmenter's mask of the weighted fusion."""
    return _stacked(runs, _against_proxies)


def reliability(runs: Runs) -> pd.DataFrame:
    """Consensus, focus, robustness and weight of every explainer, over the images."""
    return _stacked(runs, _reliability)


def utility(runs: Runs) -> pd.DataFrame:
    """mIoU of every way to a mask, by segmenter and of the map's own support."""
    return _stacked(runs, _utility)


def interval_coverage(runs: Runs) -> pd.DataFrame:
    """How often each kind of interval holds the true mean of differences shaped as these."""
    return _stacked(runs, _interval_coverage)


def rank_correlations(settings: Settings, runs: Runs) -> pd.DataFrame:
    """How alike interpretability and utility rank the explainers."""
    return _stacked(runs, lambda of: _rank_correlations(settings, of))


def misalignment(settings: Settings, of: Side) -> Figure:
    """Maps with their cues and masks, on images at evenly spaced ranks of how far their explainers agree."""
    overlap = paired(of.rows, "consensus").droplevel("dataset").dropna(how="all").mean(axis=1)
    chosen = at_quantiles(overlap, settings.pictures)
    group = group_of(of.run, list(chosen.index))
    assert group.target.truth is not None
    wanted = [of.page.method(name) for name in settings.pictured]
    methods = [*(method for method in wanted if method in of.explainers), "weighted"]
    pictured = cued_maps(group, of.rows, settings.cueing, load_segmenter(of.main), methods)
    called = {text.replace(" ", "\n", 1): pictured[method] for method, text in labels(methods).items()}
    titles = [f"{name}\noverlap {value:.2f}" for name, value in chosen.items()]
    return cue_panel([*group.images], [*group.target.truth], {"": called}, titles)


def _interpretability(settings: Settings, of: Side) -> pd.DataFrame:
    table = summary(of.rows, settings.measures, settings.level, settings.seed)
    return tables.intervals(table, "label", "panel", digits=2)


def _against_proxies(of: Side) -> pd.DataFrame:
    return tables.intervals(of.proxies, "label", "panel", digits=2)


def along_the_threshold(settings: Settings, of: Side) -> Figure:
    """Coverage and Spill of every explainer along the threshold of the support."""
    about = (settings.cueing.threshold, of.explainers, settings.level, settings.seed)
    curves = [along(of.rows, name, "threshold", *about).assign(panel=metric_label(name)) for name in SWEPT]
    table = pd.concat(curves)
    means = table.assign(line=table["method"], low=table["mean"], high=table["mean"])
    return interval_lines(means, "threshold")


def overlaps(of: Side) -> Figure:
    """The mean IoU of every two explainers' supports."""
    captions = labels(of.explainers)
    broken = {method: text.replace(" ", "\n") for method, text in captions.items()}
    return heat_table(agreement(of.rows).rename(index=captions, columns=broken), "", "")


def reliability_by_image(of: Side) -> Figure:
    """Consensus, focus, robustness and weight of every explainer on every image."""
    captions = labels(of.explainers)
    parts = {name: paired(of.rows, name).dropna(how="all").T.rename(index=captions) for name in RELIABILITY}
    return heat_panels(parts, "images")


def _reliability(of: Side) -> pd.DataFrame:
    return tables.intervals(of.reliability, "label", "panel", digits=2)


def _utility(of: Side) -> pd.DataFrame:
    order = list(of.utility[of.utility["panel"] == of.main]["label"])
    return tables.intervals(of.utility, "label", "panel", digits=2).reindex(order).fillna("–")


def on_foreign(settings: Settings) -> pd.DataFrame | None:
    """IoU with the truth on every image of the record `foreign`, by segmenter and way to a mask, and their mean: of
    images too few for an interval. Nothing where it is not recorded here."""
    record = foreign_record(settings)
    if record is None:
        return None
    rows, shown = settled(record.rows), {}
    for segmenter in (THRESHOLD, *record.question["segmenters"]):
        table = masks(rows, segmenter)
        ways = labels([way for way in (*FUSIONS, "random_smooth", *ALONE, *CEILING) if way in table])
        named = table[list(ways)].rename(columns=ways)
        images = [f"image {number}" for number in range(1, len(named) + 1)]
        shown[segmenter] = named.set_axis(images).T.assign(mean=named.mean())
    return pd.concat(shown).map(tables.number, digits=2)


def utility_rows(of: Side | None) -> Figure | None:
    """The same as a figure; nothing where there is no such run."""
    return None if of is None else interval_rows(of.utility, "mIoU ↑")


def steps(settings: Settings, of: Side | None) -> Figure | None:
    """The weighted fusion minus every other way to a mask, by segmenter; nothing where there is no such run."""
    if of is None:
        return None
    sides = []
    for name, table in of.compared.items():
        label = "− " + table["over"].map(labels(table["over"]))
        apart = table["sign_flip_holm"] < 1 - settings.level
        sides.append(table.assign(panel=name, mean=table["difference"], apart=apart, label=label))
    return interval_rows(pd.concat(sides, ignore_index=True), "difference in IoU")


def _interval_coverage(of: Side) -> pd.DataFrame:
    return tables.coverage(of.coverage)


def along_points(settings: Settings, of: Side | None) -> Figure | None:
    """mIoU of the fusions along the number of points of either kind; nothing where there is no such run."""
    return (
        None if of is None else _along_cues(settings, of, "points", settings.cueing.foreground, "points of either kind")
    )


def along_shares(settings: Settings, of: Side) -> Figure:
    """mIoU of the fusions along the shares of pixels that points are drawn from."""
    return _along_cues(settings, of, "share", settings.cueing.top, "share of pixels drawn from")


def prior(of: Side) -> pd.DataFrame:
    """What each segmenter gains over the threshold, and the share of the gain that is the prior's."""
    titles = {
        "gain": f"gain of {of.main}",
        "control": "gain of the walker",
        "prior": "difference",
        "share": "share of the prior",
    }
    columns = {}
    for name, title in titles.items():
        ends = of.shares[[name, f"{name}_low", f"{name}_high", "n"]].to_numpy(float)
        columns[title] = [tables.interval(value, low, high, 2, n) for value, low, high, n in ends]
    return pd.DataFrame(columns, list(labels(of.shares["method"]).values()))


def gaps(settings: Settings, of: Side | None) -> Figure | None:
    """Interpretability of every explainer against its mIoU; nothing where there is no such run."""
    if of is None:
        return None
    scattered = {metric: title for metric, title in settings.measures.items() if metric != "pointing_game"}
    table = gap(of.rows, list(scattered), of.assisted, settings.level, settings.seed)
    return interval_scatter(table.assign(panel=table["metric"].map(scattered)), f"mIoU of {of.main} ↑")


def _rank_correlations(settings: Settings, of: Side) -> pd.DataFrame:
    utilities, cells = of.assisted[of.explainers], {}
    for metric, title in settings.measures.items():
        values = paired(of.rows, metric).droplevel("dataset")[of.explainers]
        ranks: Correlation = rank_correlation(values, utilities, settings.level, settings.seed)
        cells[title] = tables.interval(ranks.value, ranks.low, ranks.high, 2, len(utilities))
    return pd.DataFrame({"rank correlation with mIoU": cells})


def checklist(runs: Runs) -> HTML:
    """The poster's recommendations held against these rows, run by run."""

    def table_of(of: Side) -> pd.DataFrame:
        ends = of.checks[["value", "low", "high", "n"]].to_numpy(float)
        measured = [tables.interval(value, low, high, 2, n).replace(" ", NO_BREAK) for value, low, high, n in ends]
        table = of.checks.assign(measured=measured).set_index(["recommendation", "check"])
        return table[["measured", "wanted", "n", "verdict"]].rename_axis(index=(None, None))

    return HTML(_stacked(runs, table_of).to_html(classes="wrap", border=0))


def _along_cues(settings: Settings, of: Side, option: str, default: int | float, title: str) -> Figure:
    curves = []
    for name in settings.cueing.segmenters:
        about = (option, default, list(FUSIONS), settings.level, settings.seed)
        curve = along(of.rows, iou_of(name), *about)
        curves.append(curve.assign(panel=f"mIoU of {name} ↑"))
    table = pd.concat(curves)
    called = labels(table["method"].unique())
    return interval_lines(
        table.assign(line=table["method"].map(called)).rename(columns={option: title}), title, log=True
    )
