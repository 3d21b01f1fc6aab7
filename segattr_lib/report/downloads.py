"""What a page shows as files: tables as CSV, recorded rows as one CSV; figures as SVG are vector.plain's."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd


class _Tables(HTMLParser):
    """Reads the tables of some HTML, a cell that spans several standing in each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._inside = False
        self._cell: list[str] | None = None
        self._span = (1, 1)
        self._below: dict[int, tuple[int, str]] = {}  # column: for how many rows more, and what

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "table":
            self.tables.append([])
            self._inside, self._below = True, {}
        elif tag == "tr" and self._inside:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self._inside:
            self._cell = []
            self._span = int(named.get("rowspan") or 1), int(named.get("colspan") or 1)
        elif tag == "br" and self._cell is not None:
            self._cell.append("; ")

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            text = " ".join("".join(self._cell).split()).replace(" ;", ";")
            self._cell = None
            self._place(text)
        elif tag == "tr" and self._inside:
            self._fill()
        elif tag == "table":
            self._inside = False

    def _fill(self) -> None:
        """What reaches down into this row from rows above, as far as it stands next."""
        row = self.tables[-1][-1]
        while len(row) in self._below:
            place = len(row)
            more, text = self._below.pop(place)
            row.append(text)
            if more > 1:
                self._below[place] = more - 1, text

    def _place(self, text: str) -> None:
        self._fill()
        row, (down, across) = self.tables[-1][-1], self._span
        for _ in range(across):
            if down > 1:
                self._below[len(row)] = down - 1, text
            row.append(text)


def tables_of(html: str) -> list[list[list[str]]]:
    """The cells of every table in some HTML as text, row by row, its heads among them; a line's end is "; "."""
    reader = _Tables()
    reader.feed(html)
    reader.close()
    return reader.tables


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def rows_as_csv(folder: Path) -> bytes:
    """All rows of a record's shards (*.rows.parquet in its folder), gzipped CSV; the same rows give the same bytes.

    Raises FileNotFoundError for a folder without shards.
    """
    shards = sorted(folder.glob("*.rows.parquet"))
    if not shards:
        raise FileNotFoundError(f"No *.rows.parquet lies in {folder}; expected the folder of a record.")
    rows = pd.concat([pd.read_parquet(path) for path in shards], ignore_index=True)
    return gzip.compress(rows.to_csv(index=False).encode(), mtime=0)
