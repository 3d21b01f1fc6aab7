"""The glossary says of every method and metric what the registry does, and holds every term that a page refers to."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from segattr_lib.attribution import METHODS
from segattr_lib.metrics import METRICS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")


@pytest.fixture
def glossary(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "book"))
    import glossary

    yield glossary
    sys.modules.pop("glossary")


def terms() -> list[str]:
    """The terms of the page, in order: the lines of its glossaries that are not indented."""
    blocks = re.findall(r"^```\{glossary\}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith(" ")]
    return [re.sub(r"\\(.)", r"\1", line) for line in lines]


def test_methods_and_metrics_are_those_of_the_registries(glossary) -> None:
    """`.venv/bin/python book/glossary.py` writes them anew."""
    assert glossary.renewed(PAGE) == PAGE


def test_every_word_stands_once() -> None:
    folded = [term.casefold() for term in terms()]
    assert {term for term in folded if folded.count(term) > 1} == set()
    assert {entry.label for entry in [*METHODS.values(), *METRICS.values()]} <= set(terms())


def test_every_entry_says_something_and_what_is_made_of_others_names_them(glossary) -> None:
    written = dict(re.findall(r"^(\S.*)\n  (\S.+)$", glossary.metrics() + glossary.methods(), re.MULTILINE))
    assert all(len(text.split()) > 3 for text in written.values())
    assert written["excess TDD"].startswith("TDD less TDD by chance")
    assert written["|ODD|"].startswith("The absolute value of ODD.")
    assert "control" in written["rim"] and "Higher is better." in written["TDD"]


@pytest.mark.parametrize("page", [*(ROOT / "notebooks").glob("*.py"), ROOT / "index.md", *(ROOT / "book").glob("*.md")])
def test_pages_refer_to_terms_that_are_there(page: Path) -> None:
    text = re.sub(r"\n# ", " ", page.read_text(encoding="utf-8"))
    referred = [name.partition("<")[2].rstrip(">") or name for name in re.findall(r"\{term\}`([^`]+)`", text)]
    assert set(map(str.casefold, referred)) <= set(map(str.casefold, terms()))
