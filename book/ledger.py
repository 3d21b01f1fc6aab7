"""Writes the table of the claims ledger into README.md anew, from the records at hand.

    .venv/bin/python book/ledger.py        # or: make ledger

A test holds what is written against the records.
"""

from __future__ import annotations

from pathlib import Path

from segattr_lib.sections import ledger

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the block between the marks of README.md."""
    runs = ledger.run(ledger.read({"evidence": str(ROOT / "book" / "evidence")}))
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(ledger.in_readme(text, ledger.readme_table(runs)), encoding="utf-8")


if __name__ == "__main__":
    main()
