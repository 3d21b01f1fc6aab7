"""Shows how to cite: BibTeX of this software, made from CITATION.cff, and entries of the bibliography as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parent.parent
CITATION = ROOT / "CITATION.cff"
BIBLIOGRAPHY = ROOT / "book" / "references.bib"


def software(citation: Path = CITATION) -> str:
    """BibTeX of what a CITATION.cff is of."""
    about = yaml.safe_load(citation.read_text(encoding="utf-8"))
    authors = [
        author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in about["authors"]
    ]
    names = [f"{{{author}}}" if "," not in author else author for author in authors]  # a group's name is no surname
    fields = {"author": " and ".join(names), "title": about["title"], "version": about["version"]}
    fields |= {"year": str(about["date-released"])[:4]} if "date-released" in about else {}
    fields |= {"url": about["repository-code"]} if "repository-code" in about else {}
    widest = max(map(len, fields))
    lines = [f"  {name:<{widest}} = {{{value}}}" for name, value in fields.items()]
    return "@software{segattr,\n" + ",\n".join(lines) + "\n}"


def entry(key: str, bibliography: Path = BIBLIOGRAPHY) -> str:
    """An entry of the bibliography as it lies there. Raises KeyError for one that does not."""
    entries = re.findall(r"^@\w+\{.*?^\}", bibliography.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    by_key = {text.partition("{")[2].partition(",")[0]: text for text in entries}
    return by_key[key]


class BibTeX(SphinxDirective):
    """`{bibtex} KEY` shows an entry of the bibliography, `{bibtex}` alone this software's."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        for source in (CITATION, BIBLIOGRAPHY):
            self.env.note_dependency(str(source))
        if self.arguments:
            try:
                text = entry(self.arguments[0])
            except KeyError:
                raise self.error(f"There is no {self.arguments[0]!r} in {BIBLIOGRAPHY.name}; add it.") from None
        else:
            text = software()
        block = nodes.literal_block(text, text)
        block["language"] = "bibtex"
        return [block]


def visit_entry(self: Any, node: nodes.citation) -> None:
    """An entry of the references as an item of their list: the role that docutils gives it is deprecated."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", classes=[node.tagname], role="listitem"))


def depart_entry(self: Any, node: nodes.citation) -> None:
    HTML5Translator.depart_citation(self, node)


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("bibtex", BibTeX)
    app.add_node(nodes.citation, override=True, html=(visit_entry, depart_entry))
    return {"parallel_read_safe": True}
