"""What a page of prose quotes of a notebook's page: the role `{quoted}` with PAGE/NAME is the text that the executed
notebook of that name glued under that name, so that no number of a page is typed into another."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxRole

EXECUTED = Path("book/executed")
GLUED = "application/papermill.record/text/plain"


def facts_of(notebook: Path) -> dict[str, str]:
    """All that an executed notebook glued as text, by name. Raises FileNotFoundError for one that is not there."""
    facts = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name and GLUED in output.get("data", {}):
                facts[name] = str(ast.literal_eval(output["data"][GLUED]))
    return facts


class Quoted(SphinxRole):
    """The text itself, as glued texts are shown."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        page, _, name = self.text.partition("/")
        notebook = Path(self.env.srcdir) / EXECUTED / f"{page}.ipynb"
        self.env.note_dependency(str(notebook))
        facts = facts_of(notebook) if notebook.is_file() else {}
        if name not in facts:
            problem = f"{notebook} glues no {name!r}" if facts else f"{notebook} is not there, or glues nothing"
            message = self.inliner.reporter.error(f"{{quoted}}`{self.text}`: {problem}.", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [nodes.inline(self.rawtext, facts[name], classes=["pasted-text"])], []


def setup(app: Any) -> dict[str, Any]:
    app.add_role("quoted", Quoted())
    return {"version": "1", "parallel_read_safe": True}
