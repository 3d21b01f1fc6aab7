"""Writes what the records at hand decide: the claims ledger's table in README.md and index.md, and the records' crates.

    .venv/bin/python book/ledger.py        # or: make ledger

Tests hold what is written against the records.
"""

from __future__ import annotations

from pathlib import Path

from segattr_lib.evidence.crates import write_crates
from segattr_lib.evidence.plans import plan_names, read_plan
from segattr_lib.evidence.records import recorded
from segattr_lib.sections import ledger

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "book" / "evidence"
PAGES = ("README.md", "index.md")


def main() -> None:
    """Write the block between the marks of each page, and the crates."""
    table = ledger.readme_table(ledger.run(ledger.read({"evidence": str(EVIDENCE)})))
    for page in PAGES:
        path = ROOT / page
        path.write_text(ledger.in_readme(path.read_text(encoding="utf-8"), table), encoding="utf-8")
    records = [name for name in plan_names() if name in recorded(EVIDENCE)]
    write_crates(EVIDENCE, {name: read_plan(name).shows for name in records})


if __name__ == "__main__":
    main()
