"""What was found on one photograph: in a sentence, as a figure, and as a page of its own."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from segattr_lib.attribution import method_key
from segattr_lib.benchmark.settings import Settings
from segattr_lib.data.photographs import credit_of
from segattr_lib.metrics.null import local_fit
from segattr_lib.registry import UserError
from segattr_lib.report.panels import figure, outlined, overlay, pixels_of
from segattr_lib.report.style import STYLE, method_colours
from segattr_lib.writing import full_disk, whole

PAGE = Path(__file__).with_name("explained.html")
WIDTH = 280  # px of a picture on the page, four of which stand side by side
PANEL = 2.3  # inches of one in the figure
MARK = {"marker": "o", "markersize": 6, "linestyle": "none"}  # of a map in the chart
INK = "#123456"  # what becomes the page's own colour of text in a chart
COLUMNS = {  # of the page's table: what it is called, and its digits
    "tdd": ("TDD ↑", 3),
    "chance": ("by chance", 3),
    "excess": ("excess ↑", 3),
    "p_holm": ("p", 3),
    "odd_abs": ("|ODD| ↓", 3),
    "passes": ("passes", 0),
    "seconds": ("seconds", 1),
}


@dataclass(frozen=True)
class Explanation:
    """What a model sees on a photograph, and what each map says of one region of it (see photograph.explain).

    image: (3,H,W) RGB in [0,1], as the model was shown it. seen: a row a class that the model sees, the largest first:
    class_id, class_name, share of the picture and mean probability, both in [0,1]. nearest: where it sees nothing, the
    class that came nearest, with its highest probability. class_name, mask (H,W), share, score s(x): of the region
    that is explained; without one, mask is None and `reason` says why, if not for want of anything seen. maps: (H,W)
    in [0,1], and deleted: (3,H,W), the photograph without the map's top k of the region, by the text of the method's
    key. lengths in px, drops: (172,), border length and TDD of the blind selections.

    scores: a row a map, its index the key's text; label, tdd, odd_abs, border, tied_share, seconds, passes, status and
    reason as a run has them; chance, excess and p as in photograph.held_against; p_holm, adjusted over the maps;
    beyond: has the map left its null behind? p_holm < .05, and an excess above depth_excess, that of the distance to
    the region's edge, which knows nothing of the model. rows: all of it as rows of a run's table.
    """

    name: str
    settings: Settings
    image: Float[Tensor, "3 h w"]
    seen: pd.DataFrame
    nearest: tuple[str, float] | None = None
    reason: str = ""
    class_name: str = ""
    mask: Bool[Tensor, "h w"] | None = None
    share: float = 0.0
    score: float = 0.0
    maps: dict[str, Tensor] = field(default_factory=dict)
    deleted: dict[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    drops: Tensor | None = None
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    depth_excess: float = 0.0
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def credit(self) -> str:
        """Who made the photograph, if it is one that a package brings."""
        return credit_of(self.name)

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        return f"{self.name}: {self._found()}."

    def _found(self) -> str:
        model = self.settings.model[0]
        if self.nearest is not None:
            class_name, probability = self.nearest
            nearest = f"{class_name}, with a probability of {probability:.2f} at best"
            return f"{model} sees nothing but background; it came nearest to {nearest}"
        if self.mask is None:
            sees = [f"{row.class_name} ({row.share:.0%})" for row in self.seen.itertuples()]
            return f"{self.reason}; {model} sees {listed(sees)}"
        parts = [f"{self.class_name}, {self.share:.0%} of the picture, mean probability {self.score:.2f}"]
        lost = self.scores[self.scores["beyond"]].sort_values("tdd", ascending=False, kind="stable")
        costs = [
            f"{row.tdd:.0%} of that by {row.label} ({row.chance:.0%} by chance, p = {row.p_holm:.3f})"
            for row in lost.itertuples()
        ]
        if costs:
            parts.append(f"deleting the top {self.settings.k[0]:.0%} of it costs {listed(costs)}")
        within = [str(label) for label in self.scores.loc[~self.scores["beyond"], "label"]]
        are, leave = ("is", "does not leave") if len(within) == 1 else ("are", "do not leave")
        if within and costs:
            parts.append(f"{listed(within)} {leave} chance behind and {are} not to be read")
        elif within:
            parts.append(f"no map leaves chance behind: {listed(within)} {are} not to be read")
        return "; ".join(parts)

    def figure(self) -> Figure:
        """The photograph with its region and the maps over it; below, what chance earns, and the photograph without
        the top of each map."""
        with mpl.rc_context(STYLE):
            columns, lines = len(self.maps) + 1, 2 if self.maps else 1
            height, width = self.image.shape[1:]
            size = (PANEL * columns, lines * (PANEL * height / width + 0.5))
            made, panels = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="compressed")
            shown = pixels_of(self.image)
            if self.mask is None:
                _picture(panels[0, 0], shown, f"{self.name}: nothing explained")
            else:
                mask = self.mask.numpy()
                title = f"{self.class_name} ({self.share:.0%}), s(x) {self.score:.2f}"
                _picture(panels[0, 0], outlined(shown, mask), title)
                null_chart(self, panels[1, 0])
                panels[1, 0].set_title("grey: blind selections and their fit", fontsize=7)
                colours = _colours(self)
                for place, (key, values) in enumerate(self.maps.items(), start=1):
                    row = self.scores.loc[key]
                    _picture(panels[0, place], overlay(self.image, values.nan_to_num(), mask), row["label"])
                    _name_mark(panels[0, place], colours[key])
                    _picture(panels[1, place], pixels_of(self.deleted[key]), verdict(row))
            if self.credit:
                made.supxlabel(self.credit, fontsize=7, color="grey")
            made.draw_without_rendering()
            made.set_layout_engine("none")  # it is laid out, and need not be again for every file
            plt.close(made)
            return made

    def save(self, folder: str | Path) -> Path:
        """Write the figure (PNG, SVG), rows.csv and index.html, a page that needs no other file; the page's path."""
        make_folder(folder)
        write_figure(self, folder, figure_stem(self.name, [self.name]))
        return write_page([self], self.rows, folder)


def listed(texts: Sequence[str]) -> str:
    """Some texts as a list in a sentence."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def verdict(row: pd.Series) -> str:
    """What deleting by a map did to the score, in a few words."""
    if row["status"] not in ("ok", "degenerate"):
        return "no value"
    tail = f"chance {row['chance']:.2f}, p {row['p_holm']:.3f}" if row["status"] == "ok" else "decided by ties"
    return f"TDD {row['tdd']:.2f} ({tail})"


def null_chart(answer: Explanation, axes: Axes, ink: str = "black") -> None:
    """TDD of the blind selections over how ragged they are, their fit, and where each map lies; without a legend, for
    which no place in it is sure to be free."""
    assert answer.lengths is not None and answer.drops is not None and answer.mask is not None
    selected = max(1, int(answer.settings.k[0] * float(answer.mask.sum()) + 0.5))
    ragged = answer.lengths / selected
    axes.scatter(ragged, answer.drops, s=6, color="grey", alpha=0.6, linewidths=0, label="blind")
    at = torch.linspace(float(ragged.log().min()), float(ragged.log().max()), 60)
    fit = local_fit(ragged.log().expand(60, -1), answer.drops.expand(60, -1), at)
    axes.plot(at.exp(), fit, color="grey", linewidth=1)
    for key, colour in _colours(answer).items():
        row = answer.scores.loc[key]
        axes.plot(row["border"], row["tdd"], color=colour, markeredgecolor=ink, label=row["label"], **MARK)
    axes.set(xscale="log")
    axes.set_xlabel("border, px a selected px", fontsize=7)
    axes.set_ylabel("TDD", fontsize=7)
    axes.set_xticks([0.1, 0.3, 1, 2.5], ["0.1", "0.3", "1", "2.5"])
    axes.minorticks_off()
    axes.tick_params(labelsize=7)


def _colours(answer: Explanation) -> dict[str, tuple[float, ...]]:
    """The colour of each map's method, by the text of its key."""
    names = {key: method_key(key).name for key in answer.maps}
    colours = method_colours(list(dict.fromkeys(names.values())))
    return {key: colours[name] for key, name in names.items()}


def _name_mark(axes: Axes, colour: tuple[float, ...]) -> None:
    """The colour that a map has in the chart, before its name above a picture."""
    place = {"xycoords": axes.title, "textcoords": "offset points", "ha": "right", "va": "center"}
    axes.annotate("●", (0, 0.5), (-3, 0), color=colour, fontsize=9, **place)


def make_folder(folder: str | Path) -> None:
    """Make a folder, if it is not there. Raises UserError where it cannot be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {str(folder)!r} cannot be made: {error.strerror}.") from error


def figure_stem(name: str, names: Sequence[str]) -> str:
    """What the figure of a photograph is called, its ending aside: never as the photograph itself, which may lie in the
    same folder, nor as the figure of another of these names."""
    alike = [other for other in names if Path(other).stem == Path(name).stem]
    return f"{name if len(alike) > 1 else Path(name).stem}.explained"


def write_figure(answer: Explanation, folder: str | Path, stem: str) -> None:
    """Write an answer's figure as stem.png and stem.svg into a folder."""
    made = answer.figure()
    with full_disk(Path(folder)):
        for ending in ("png", "svg"):
            with whole(Path(folder) / f"{stem}.{ending}") as path:
                made.savefig(path, format=ending, dpi=150, metadata={} if ending == "png" else {"Date": None})


def write_page(answers: Sequence[Explanation], rows: pd.DataFrame, folder: str | Path) -> Path:
    """Write rows.csv, and index.html, which needs no other file, into a folder; the page's path."""
    place = Path(folder)
    with full_disk(Path(folder)):
        with whole(place / "rows.csv") as path:
            rows.to_csv(path, index=False)
        with whole(place / "index.html") as path:
            path.write_text(page(answers, rows), encoding="utf-8")
    return place / "index.html"


def page(answers: Sequence[Explanation], rows: pd.DataFrame) -> str:
    """HTML of a page that shows the answers, of several with one table before them."""
    settings = answers[0].settings if answers else None
    lost = rows[rows["status"].isin(["failed"])].drop_duplicates("sample_id")
    lost = lost[~lost["sample_id"].isin([answer.name for answer in answers])]
    parts = [combined_table(answers)] if len(answers) > 1 else []
    parts += [section(answer) for answer in answers]
    parts += [f"<p>{html.escape(f'{row.sample_id}: {row.reason}.')}</p>" for row in lost.itertuples()]
    about = ""
    if settings is not None:
        methods = ", ".join(key.text for key in settings.methods)
        about = (
            f"model {settings.model[0]}, target {settings.target}, methods {methods}, "
            f"long side {settings.image_size} px, k {settings.k[0]}, fill {settings.fill[0]}, seed {settings.seed[0]}"
        )
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(answers[0].name if len(answers) == 1 else "Photographs explained"),
        body="\n".join(parts),
        share=f"{settings.k[0]:.0%}" if settings else "",
        settings=html.escape(about),
    )


def section(answer: Explanation) -> str:
    """HTML of one answer: its sentence, pictures, chart and table."""
    lines = [f"<section><h2>{html.escape(answer.name)}</h2>", f"<p>{html.escape(answer.sentence)}</p>"]
    shown = pixels_of(answer.image)
    if answer.mask is None:
        photograph = figure(shown, f"The photograph {answer.name}", "The photograph", WIDTH)
        lines.append(f'<div class="maps">{photograph}</div>')
    else:
        mask, share = answer.mask.numpy(), f"{answer.settings.k[0]:.0%}"
        caption = f"{answer.class_name}: {answer.share:.0%} of the picture, score {answer.score:.3f}"
        alt = f"The photograph {answer.name}, the {answer.class_name} outlined"
        lines += ['<div class="maps">', figure(outlined(shown, mask), alt, caption, WIDTH), chart_of(answer), "</div>"]
        lines.append('<div class="maps">')
        for key, values in answer.maps.items():
            row = answer.scores.loc[key]
            label, left = row["label"], answer.score * (1 - row["tdd"])
            alt = f"The photograph without the top {share} of the region by {label}"
            caption = f"Without its top {share}: score {answer.score:.3f} → {left:.3f}. {verdict(row)}"
            over = overlay(answer.image, values.nan_to_num(), mask)
            pair = figure(over, f"The {label} map over the photograph", f"{label}: dark 0, light 1", WIDTH)
            pair += figure(pixels_of(answer.deleted[key]), alt, caption, WIDTH)
            lines.append(f'<div class="pair">{pair}</div>')
        lines += ["</div>", scores_table(answer)]
    if answer.credit:
        lines.append(f'<p class="credit">Photograph: {html.escape(answer.credit)}</p>')
    return "\n".join([*lines, "</section>"])


def scores_table(answer: Explanation) -> str:
    """HTML of a row a map."""
    heads = ["Map", *(head for head, _ in COLUMNS.values()), "beyond chance"]
    rows = [
        [row["label"], *(_cell(row[name], digits) for name, (_, digits) in COLUMNS.items()), _yes(row["beyond"])]
        for row in answer.scores.to_dict("records")
    ]
    return html_table(heads, rows)


def combined_table(answers: Sequence[Explanation]) -> str:
    """HTML of a row a photograph, with the excess of each map."""
    explained = [answer for answer in answers if answer.mask is not None]
    labels = list(dict.fromkeys(str(label) for answer in explained for label in answer.scores["label"]))
    rows = []
    for answer in explained:
        of_map = answer.scores.set_index("label")
        excess = [
            f"{_cell(of_map.loc[label, 'excess'], 2)}{'*' * bool(of_map.loc[label, 'beyond'])}" for label in labels
        ]
        rows.append([answer.name, answer.class_name, f"{answer.share:.0%}", f"{answer.score:.2f}", *excess])
    heads = ["Photograph", "Region", "Share", "Score", *labels]
    caption = "Excess of each map: its TDD less what a blind selection as ragged earns. * beyond chance."
    return f"<section><h2>All photographs</h2>{html_table(heads, rows, caption)}</section>"


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """HTML of a table; on a narrow screen each cell bears the name of its column."""
    lines = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    columns = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    lines.append(f"<thead><tr>{columns}</tr></thead><tbody>")
    for row in rows:
        cells = [f'<th scope="row">{html.escape(row[0])}</th>']
        for head, cell in zip(heads[1:], row[1:], strict=True):
            cells.append(f'<td data-label="{html.escape(head)}">{html.escape(cell)}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join(["<table>", *lines, "</tbody></table>"])


def chart_of(answer: Explanation) -> str:
    """SVG of where the maps lie among the blind selections, in the page's own colours."""
    style = {
        **STYLE,
        **dict.fromkeys(["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"], INK),
        "svg.fonttype": "none",
        "svg.hashsalt": "segattr",
    }
    with mpl.rc_context(style):
        made, axes = plt.subplots(figsize=(4.2, 3), layout="compressed")
        null_chart(answer, axes, INK)
        axes.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handletextpad=0.2, borderaxespad=0.2)
        plt.close(made)
        file = io.StringIO()
        made.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = file.getvalue().replace(INK, "currentColor")
    drawn = drawn[drawn.index("<svg") :]
    alt = "TDD of blind selections over their border length, the fit to them, and the maps among them."
    return f'<figure class="chart" role="img" aria-label="{alt}">{drawn}<figcaption>{alt}</figcaption></figure>'


def _cell(value: float | int, digits: int) -> str:
    return "–" if np.isnan(float(value)) else f"{float(value):.{digits}f}"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
