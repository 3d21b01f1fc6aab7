"""What the book makes of the cells of a notebook, the same on every page.

- Code between two paragraphs lies under one bar, however many cells it is of.
- A figure has the alternative text of its cell (`mystnb.image.alt`), and is there as SVG; a table is there as CSV, and
  scrolls by itself where the page is too narrow.
- What a glued text puts between backticks is code, and a cell of a table without a value has a dash.
- A cell with `mystnb.figure` (name, caption) is numbered: as a table where its name begins with "tab-", whose caption
  stands above; as a figure else.
- The directive `record-downloads` lists the rows of all records.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the library of this very checkout
from segattr_lib.report.downloads import as_csv, rows_as_csv, tables_of
from segattr_lib.report.vector import plain, with_alt

OTHERS = ("latex", "text", "man", "texinfo")  # builders
FILES = "_downloads"
RECORDS = Path("book/evidence")
DRAWN = '<svg xmlns="http://www.w3.org/2000/svg" class="figure"'
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)


class Tabled(nodes.figure):
    """A table with a caption, numbered among the tables."""


class Headed(nodes.caption):
    """The caption of one, which stands above it: docutils' own reaches to the end of its figure."""


def visit_headed(self: Any, node: Headed) -> None:
    self.body.append("<figcaption><p>")
    self.add_fignumber(node.parent)
    self.body.append('<span class="caption-text">')


def depart_headed(self: Any, _: Headed) -> None:
    self.body.append("</span></p></figcaption>\n")


def visit_tabled(self: Any, node: Tabled) -> None:
    self.body.append(self.starttag(node, "figure", CLASS="tabled"))


def depart_tabled(self: Any, _: Tabled) -> None:
    self.body.append("</figure>\n")


def passed(*_: Any) -> None:
    """Of a builder that shows no HTML: what it holds stands by itself."""


class Shown(SphinxTransform):
    default_priority = 850  # after names have become ids

    def apply(self, **_: Any) -> None:
        for parent in list(self.document.findall(lambda node: isinstance(node, nodes.section | nodes.document))):
            _one_bar(parent)
        for glued in list(self.document.findall(_is_glued)):
            _read_code(glued)
        made = Made(self.env)
        for cell in list(self.document.findall(_is_cell)):
            options = cell["cell_metadata"].get("mystnb", {})
            alt = options.get("image", {}).get("alt")
            for figure in list(cell.findall(nodes.figure)):
                if str(options.get("figure", {}).get("name", "")).startswith("tab-"):
                    _as_table(figure, self.document)
            for raw in [raw for raw in cell.findall(nodes.raw) if "html" in raw.get("format", "")]:
                made.show(raw, alt)
            for table in list(cell.findall(nodes.table)):
                made.tabulate(table)


def _is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _is_glued(node: nodes.Node) -> bool:
    return isinstance(node, nodes.inline) and "pasted-text" in node.get("classes", [])


def _read_code(glued: nodes.Element) -> None:
    """Show what stands between backticks in a glued text as code, in place; a backtick without its pair stays."""
    text = glued.astext()
    parts = text.split("`")
    if len(parts) < 3 or len(parts) % 2 == 0:
        return
    glued.clear()
    for number, part in enumerate(parts):
        if part:
            glued += nodes.literal(part, part) if number % 2 else nodes.Text(part)


def _one_bar(parent: nodes.Element) -> None:
    """Put the code of cells that follow one another under the bar of the first."""
    first: nodes.Element | None = None
    for child in list(parent.children):
        if not _is_cell(child):
            if not isinstance(child, nodes.comment | nodes.target | nodes.substitution_definition):
                first = None
            continue
        if child.get("hide_mode") == "input+output":
            child["hide_mode"], first = "all", None  # one bar over both, where there would be one over each
        if child.get("hide_mode") != "input" or not child.children:
            continue
        source = child.children[0]
        if source.get("nb_element") != "cell_code_source":
            continue
        if first is None:
            first = source
        else:
            first.extend(source.children)
            child.remove(source)
            del child["hide_mode"]


def _as_table(figure: nodes.figure, document: nodes.document) -> None:
    """Turn a captioned cell into a table, its caption above."""
    table = Tabled("", *figure.children, **figure.attributes)
    table.source, table.line = figure.source, figure.line
    for caption in [child for child in table.children if isinstance(child, nodes.caption)]:
        table.remove(caption)
        table.insert(0, Headed(caption.rawsource, "", *caption.children))
    figure.replace_self(table)
    for name in table["ids"]:
        document.ids[name] = table


class Made:
    """The files that a page offers, kept until the book is written: env.segattr_files[page] is name to text."""

    def __init__(self, env: BuildEnvironment) -> None:
        self.page = env.docname
        self.files = files_of(env).setdefault(self.page, {})

    def show(self, raw: nodes.raw, alt: str | None) -> None:
        """Name what the HTML of a cell shows, and put links to it as files below."""
        text, links = raw.astext(), []
        about = _caption(raw) or _heading(raw)
        if DRAWN in text:
            text = with_alt(text, alt) if alt else text
            links.append(self._link(raw, "svg", plain(text), about))
        tables = tables_of(text)
        for rows in tables:
            links.append(self._link(raw, "csv", as_csv(rows), about))
        if tables:
            text = tidy_tables(text, about)
        if links:
            raw.replace_self(nodes.raw("", text, format="html", classes=raw["classes"]))
            self._below(raw, links)

    def tabulate(self, table: nodes.table) -> None:
        """Put a link to a table of Markdown as a file below it."""
        rows = [[entry.astext() for entry in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        self._below(table, [self._link(table, "csv", as_csv(rows), _caption(table) or _heading(table))])

    def _link(self, node: nodes.Node, kind: str, text: str, about: str) -> str:
        holder = _holder(node)
        stem = holder["ids"][0] if holder is not None and holder["ids"] else f"{Path(self.page).name}-{len(self.files)}"
        name = f"{stem}.{kind}"
        number = 1
        while name in self.files:
            number += 1
            name = f"{stem}-{number}.{kind}"
        self.files[name] = text
        place = f"{'../' * self.page.count('/')}{FILES}/{self.page}/{name}"
        said = html.escape(f"{kind.upper()} of: {about}")
        return f'<a href="{place}" download aria-label="{said}">{kind.upper()}</a>'

    def _below(self, node: nodes.Node, links: list[str]) -> None:
        line = nodes.raw("", f'<p class="downloads">{" ".join(links)}</p>', format="html")
        holder = _holder(node)
        if isinstance(holder, nodes.figure):
            holder.append(line)
            return
        while not (isinstance(node.parent, nodes.container) and node.parent.get("nb_element") == "cell_code_output"):
            node = node.parent
        node.parent.insert(node.parent.index(node) + 1, line)


def files_of(env: BuildEnvironment) -> dict[str, dict[str, str]]:
    if not hasattr(env, "segattr_files"):
        env.segattr_files = {}  # type: ignore[attr-defined]
    return env.segattr_files  # type: ignore[attr-defined]


def _holder(node: nodes.Node) -> nodes.Element | None:
    """The captioned figure or table that a node is or stands in."""
    while node is not None:
        if isinstance(node, nodes.figure | nodes.table):
            return node
        node = node.parent
    return None


def _caption(node: nodes.Node) -> str:
    holder = _holder(node)
    captions = (
        [] if holder is None else list(holder.findall(lambda each: isinstance(each, nodes.caption | nodes.title)))
    )
    return " ".join(captions[0].astext().split()) if captions else ""


def _heading(node: nodes.Node) -> str:
    """The title of the section that a node stands in."""
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node.next_node(nodes.title).astext() if node is not None else "this page"


def tidy_tables(text: str, about: str) -> str:
    """HTML whose tables are valid, name what their heads are of, and scroll by themselves."""
    text = re.sub(r"<style scoped>.*?</style>\s*", "", text, flags=re.DOTALL)
    said = html.escape(f"Table: {about}")

    def scrolling(match: re.Match[str]) -> str:
        table = re.sub(r' (?:border|valign)="\w*"', "", match[0])
        table = re.sub(r' halign="(\w+)"', r' style="text-align: \1"', table)
        table = re.sub(r"(<td[^>]*>)\s*(?:NaN|None|nan)\s*(?=</td>)", r"\1–", table)
        head, end, body = table.partition("</thead>")
        if not end:
            head, body = "", table
        head = re.sub(r"<th([^>]*)>\s*</th>", r"<td\1></td>", head)
        head = re.sub(r"<th(?![^>]*scope=)(?=[ >])", '<th scope="col"', head)
        body = re.sub(r"<th([^>]*)>\s*</th>", r"<td\1></td>", body)
        body = re.sub(r"<th(?![^>]*scope=)(?=[ >])", '<th scope="row"', body)
        return f'<div class="scrolls" role="group" tabindex="0" aria-label="{said}">{head}{end}{body}</div>'

    return TABLE.sub(scrolling, text)


class RecordDownloads(SphinxDirective):
    """A list of the records, each with its rows as one CSV and as the shards they lie in."""

    def run(self) -> list[nodes.Node]:
        up = "../" * self.env.docname.count("/")
        lines = []
        for folder in records(Path(self.env.srcdir)):
            place = f"{up}{FILES}/records/{folder.name}"
            shards = " ".join(
                f'<a href="{place}/{path.name}" download aria-label="{folder.name}, shard {path.name[:3]}, Parquet">'
                f"{path.name[:3]}</a>"
                for path in sorted(folder.glob("*.rows.parquet"))
            )
            all_rows = f'<a href="{place}/rows.csv.gz" download>all rows, gzipped CSV</a>'
            lines.append(f"<li><code>{folder.name}</code>: {all_rows}; Parquet, a shard each: {shards}</li>")
            self.env.note_dependency(str(folder))
        return [nodes.raw("", f'<ul class="record-downloads">{"".join(lines)}</ul>', format="html")]


def records(root: Path) -> Iterator[Path]:
    """The folders of the records that have rows."""
    for folder in sorted((root / RECORDS).glob("*/")):
        if any(folder.glob("*.rows.parquet")):
            yield folder


def visit_bar(self: Any, node: HideCodeCellNode) -> None:
    """The bar over folded code: myst-nb's own puts paragraphs into it, where none may be."""
    self.body.append(f'<details class="{" ".join(["hide", *node["classes"]])}"><summary>')
    for state in ("collapsed", "expanded"):
        said = node["prompt_show" if state == "collapsed" else "prompt_hide"]
        self.body.append(f'<span class="{state}">{html.escape(said)}</span>')
    self.body.append("</summary>\n")


def depart_bar(self: Any, _: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def replace_bar(app: Sphinx) -> None:
    app.add_node(HideCodeCellNode, override=True, html=(visit_bar, depart_bar))


def forget(_: Sphinx, env: BuildEnvironment, page: str) -> None:
    files_of(env).pop(page, None)


def merge(_: Sphinx, env: BuildEnvironment, pages: list[str], other: BuildEnvironment) -> None:
    files_of(env).update({page: files for page, files in files_of(other).items() if page in pages})


def write(app: Sphinx, error: Exception | None) -> None:
    """Write what the pages offer as files beside them."""
    if error is not None or app.builder.format != "html":
        return
    top = Path(app.outdir) / FILES
    shutil.rmtree(top, ignore_errors=True)  # of an earlier build, whose names may have been others
    for page, files in files_of(app.env).items():
        if files:
            (top / page).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (top / page / name).write_text(text, encoding="utf-8")
    for folder in records(Path(app.srcdir)):
        place = top / "records" / folder.name
        place.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.rows.parquet"):
            shutil.copyfile(path, place / path.name)
        (place / "rows.csv.gz").write_bytes(rows_as_csv(folder))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_enumerable_node(
        Tabled,
        "table",
        html=(visit_tabled, depart_tabled),
        **dict.fromkeys(OTHERS, (passed, passed)),
    )
    app.add_node(Headed, html=(visit_headed, depart_headed), **dict.fromkeys(OTHERS, (passed, passed)))
    app.add_transform(Shown)
    app.connect("builder-inited", replace_bar)  # once myst-nb has registered its own
    app.add_directive("record-downloads", RecordDownloads)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
