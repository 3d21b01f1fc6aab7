"""Do two states of the project say the same? Executes the smoke profile in both and compares what comes out.

    python tests/same.py --base REV                    rows, runs and every cell's output
    python tests/same.py --base REV --only wsss_sam2   of one notebook
    python tests/same.py --base REV --by table         where cells were moved: rows, tables and glued values by name
    python tests/same.py --base REV --within 1e-9      where last digits may move

The base is a commit, the other side the working tree. The base is run twice and kept in build/same: what differs
between its own two runs (seconds, above all) is left out of the comparison of cells.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "same"
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
SHOWN = 12  # differences a kind, at most


def main() -> int:
    """Run what is not there yet, print the differences, and tell by the exit code whether there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="HEAD", help="the commit that the working tree is held against")
    parser.add_argument("--only", nargs="*", default=[], metavar="NOTEBOOK", help="all of the profile when left out")
    parser.add_argument("--by", choices=("cell", "table"), default="cell")
    parser.add_argument("--within", type=float, default=0.0, metavar="TOLERANCE", help="of values in rows and runs")
    asked = parser.parse_args()
    revision = _git("rev-parse", "--short=12", f"{asked.base}^{{commit}}").strip()
    base = [executed(KEPT / f"{revision}-{number}", revision, asked.only) for number in (1, 2)]
    shutil.rmtree(KEPT / "now", ignore_errors=True)
    now = executed(KEPT / "now", None, asked.only)
    differences = [*of_rows(base[0], now, asked.within), *of_notebooks(base, now, asked.only, asked.by)]
    print("\n".join(differences) if differences else f"The same as {revision}.")
    return 1 if differences else 0


def executed(folder: Path, revision: str | None, only: list[str]) -> Path:
    """A folder with the project as a commit (None: the working tree) has it, its notebooks executed; kept."""
    if not (folder / "notebooks").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        if revision is None:
            _copy_working_tree(folder)
        else:
            archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    names = yaml.safe_load((folder / "params" / "smoke.yaml").read_text(encoding="utf-8"))
    missing = [name for name in only or names if name in names and not _page(folder, name).is_file()]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "segattr_lib", "execute"]
    calls = [[*command, "--profile", "smoke"]] if missing and not only else []
    calls += [[*command, name, "--profile", "smoke"] for name in missing if only]
    for call in calls:
        subprocess.run(call, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder


def of_rows(base: Path, now: Path, within: float) -> Iterator[str]:
    """What differs between the folders of results that either side has."""
    tables = [dict(_tables(side)) for side in (base, now)]
    for name in sorted(tables[0].keys() ^ tables[1].keys()):
        yield f"{name}: only {'before' if name in tables[0] else 'now'}"
    for name in sorted(tables[0].keys() & tables[1].keys()):
        before, after = tables[0][name], tables[1][name]
        try:
            pd.testing.assert_frame_equal(before, after, rtol=0, atol=within, check_exact=within == 0)
        except AssertionError as error:
            yield f"{name}: {' '.join(str(error).split())[:300]}"
        else:
            numbers = before.select_dtypes("number")
            moved = float(np.nanmax(np.abs(numbers - after[numbers.columns]).to_numpy(float), initial=0.0))
            if moved:
                print(f"{name}: moved by {moved:.1e} at most")


def _tables(side: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    results = side / "results"
    for path in sorted(results.rglob("runs.csv")):
        yield str(path.relative_to(results)), pd.read_csv(path)
    for path in sorted(results.rglob("samples.parquet")):
        yield str(path.relative_to(results)), pd.read_parquet(path)
    others: dict[Path, list[pd.DataFrame]] = {}
    for path in sorted(results.rglob("*.parquet")):
        if path.name not in ("samples.parquet", "timings.parquet"):
            others.setdefault(path.parent, []).append(pd.read_parquet(path))
    for folder, parts in others.items():  # their names change with the code
        table = pd.concat(parts).astype({"variant": str})
        yield str(folder.relative_to(results)), table.sort_values(list(table.columns[:6])).reset_index(drop=True)


def of_notebooks(base: list[Path], now: Path, only: list[str], by: str) -> Iterator[str]:
    """What differs between the executed notebooks that the base has, apart from what its own two runs differ in."""
    for path in sorted((base[0] / "book" / "executed").glob("*.ipynb")):
        if only and path.stem not in only:
            continue
        if not _page(now, path.stem).is_file():
            yield f"{path.stem}: only before"
            continue
        first, second, after = (_said(_page(side, path.stem), by) for side in (*base, now))
        steady = {name for name in first if first[name] == second.get(name)}
        changed = [name for name in sorted(steady) if after.get(name) != first[name]]
        print(f"{path.stem}: {len(steady)} of {len(first)} compared, {len(changed)} differ")
        for name in changed[:SHOWN]:
            yield f"{path.stem}, {name}:\n  {_short(first[name])}\n  {_short(after.get(name))}"
        if changed[SHOWN:]:
            yield f"{path.stem}: {len(changed) - SHOWN} more"


def _said(page: Path, by: str) -> dict[str, Any]:
    """What a notebook says, by a name: the outputs of each cell, or each table and glued value."""
    outputs: list[list[Any]] = []
    said: dict[str, Any] = {}
    for cell in nbformat.read(page, as_version=4).cells:
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", []):
            outputs.append([])
            for output in cell.outputs:
                content = output.get("data", output.get("text", ""))
                name = output.get("metadata", {}).get("scrapbook", {}).get("name")
                if name is not None:
                    said[f"glued {name}"] = content
                elif by == "table":
                    for table in (
                        TABLE.findall("".join(content.get("text/html", ""))) if isinstance(content, dict) else ()
                    ):
                        said[f"table {table}"] = table
                else:
                    outputs[-1].append(_without_ids(content))
    if by == "cell":
        said |= {f"cell {number}": content for number, content in enumerate(outputs)}
    return said


def _without_ids(content: Any) -> str:
    """The output without the identifiers that a run draws anew: of styled tables and of widgets."""
    text = json.dumps(content, sort_keys=True)
    return re.sub(r"\b[0-9a-f]{32}\b|\bT_[0-9a-f]{5}|0x[0-9a-f]+", "ID", text)


def _page(side: Path, name: str) -> Path:
    return side / "book" / "executed" / f"{name}.ipynb"


def _copy_working_tree(folder: Path) -> None:
    for name in _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 400 else f"{text[:400]}..."


if __name__ == "__main__":
    sys.exit(main())
