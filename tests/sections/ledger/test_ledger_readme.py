"""The table of the ledger in README and on the book's front page is what the records at hand decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from segattr_lib.evidence.records import RECORDS
from segattr_lib.registry import UserError
from segattr_lib.sections import ledger as page

ROOT = Path(__file__).parent.parent.parent.parent


def test_the_tables_of_readme_and_of_the_front_page_are_those_of_the_records():
    """One test of both, since all claims are decided for it."""
    made = page.readme_table(page.run(page.read({"evidence": str(RECORDS)})))
    begin, end = page.README_MARKS
    for name in ("README.md", "index.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text.count(begin) == text.count(end) == 1
        written = text.partition(begin)[2].partition(end)[0].strip()
        assert written == made, f"the records changed; write the table of {name} anew with `make ledger`"


def test_the_table_stands_between_the_marks_and_nothing_else_changes():
    begin, end = page.README_MARKS
    text = f"before\n{begin}\nold\n{end}\nafter"
    assert page.in_readme(text, "a\nb") == f"before\n{begin}\na\nb\n{end}\nafter"
    assert page.in_readme(page.in_readme(text, "a"), "old") == text
    for broken in ("no marks", f"{begin} alone", f"{end} before {begin}"):
        with pytest.raises(UserError, match=r"README\.md lacks"):
            page.in_readme(broken, "a")
