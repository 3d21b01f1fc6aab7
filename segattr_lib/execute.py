"""From a profile to executed notebooks, which bear how each was made.

papermill does the running. It says nothing of a misspelt parameter or of a notebook whose parameter cell
is not tagged; both are refused here, and a notebook that fails leaves no page behind.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any

import jupytext
import nbformat
import papermill
import torch
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from segattr_lib import own_code
from segattr_lib.data.sample import file_fingerprint
from segattr_lib.evidence.plans import RECORDED
from segattr_lib.evidence.records import RECORDS
from segattr_lib.profiles import OURS, SOURCES, assignments, check_parameters, defaults, load_profile, parameters_cell
from segattr_lib.registry import UserError, in_one_line

GENERATED, EXECUTED = Path("build/notebooks"), Path("book/executed")
FAILED = Path("build/failed")
LAST = "status"  # reads the other pages
INJECTED = "injected-parameters"  # the tag of papermill's own cell
AT_ONCE = 2
VERSIONS = ("torch", "torchvision", "numpy", "pandas", "papermill", "jupyter-book", "ipywidgets", "seaborn")


def generate(name: str) -> Path:
    """Write build/notebooks/NAME.ipynb, unexecuted, from its text source; the path.

    Raises UserError for a notebook that is not there, and for one without exactly one parameter cell.
    """
    parameters_cell(name)
    notebook = jupytext.read(SOURCES / f"{name}.py")
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    GENERATED.mkdir(parents=True, exist_ok=True)
    path = GENERATED / f"{name}.ipynb"
    partial = path.with_name(f"{name}.{os.getpid()}.partial")  # another process may be reading the last one
    partial.write_text(jupytext.writes(notebook, fmt="ipynb"), encoding="utf-8")
    partial.replace(path)
    return path


def execute(name: str, parameters: dict[str, Any], output: Path, profile: str = "none") -> Path:
    """Execute one notebook with these parameters into `output`, unless it is up to date; the path.

    Up to date: made from the same source, library, lock file, packages, records and parameters, and from the same
    content of the files and folders that the parameters name. The output appears whole or not at all. Raises UserError
    for a parameter the notebook does not have, for an output that is no notebook's place, and where a cell fails, with
    the failed notebook's place.
    """
    if output.suffix != ".ipynb" or output.is_dir():
        raise UserError(f"The output {str(output)!r} is no place for a notebook; expected a file named *.ipynb.")
    raw = generate(name)
    check_parameters(name, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    digest = _digest(name, parameters, output)
    if output.exists() and _about(output).get("digest") == digest:
        print(f"{name}: up to date", flush=True)
        return output
    FAILED.mkdir(parents=True, exist_ok=True)
    partial = FAILED / f"{name}.{os.getpid()}.ipynb"  # the same notebook may be running with other parameters
    began = time.monotonic()
    print(f"{name}: running ...", flush=True)
    try:
        papermill.execute_notebook(
            raw,
            partial,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            log_output=True,
            stderr_file=sys.stderr,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # else it warns that it talks to us over TCP
        )
    except PapermillExecutionError as error:
        what = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"The notebook {name} failed: {' '.join(what.split())} (see {partial})") from error
    except (DeadKernelError, NoSuchKernel) as error:  # killed for memory, say; or no Jupyter kernel here
        raise UserError(f"The notebook {name} failed: {in_one_line(error)} (see {partial})") from error
    notebook = nbformat.read(partial, as_version=4)
    notebook.metadata["segattr"] = {
        "digest": digest,
        "profile": profile,
        "seconds": round(time.monotonic() - began, 1),
        "executed": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("segattr", *VERSIONS)},
    }
    show_parameters(notebook)
    beside = output.with_name(f"{output.name}.{os.getpid()}.partial")  # on the same file system, so that it is renamed
    try:
        nbformat.write(notebook, beside)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    partial.unlink(missing_ok=True)
    print(f"{name}: {notebook.metadata['segattr']['seconds']} s", flush=True)
    return output


def execute_profile(profile: str) -> None:
    """Execute every notebook of a profile into book/executed, the one that reads the others' pages last.

    Every parameter of every notebook is checked before the first one runs. Without an accelerator two run at once and
    share the cores, which small models keep busier so; where one fails the other is finished and no more are begun.
    Notebooks whose parameter `results` names the same folder run one after another, in the order of the profile: a
    folder is locked while it is written, and what the first one leaves finished the next one reads.
    """
    chosen = {name: parameters or {} for name, parameters in load_profile(profile).items()}
    queues: dict[Path, list[str]] = {}  # of the notebooks that share a folder of results, in order
    for name, parameters in chosen.items():
        check_parameters(name, parameters)
        results = {"results": name, **defaults(name), **parameters}["results"]
        if name != LAST:
            queues.setdefault(Path(str(results)), []).append(name)
    stopped = Event()

    def execute_in_turn(names: list[str]) -> None:
        for name in names:
            if not stopped.is_set():
                execute(name, chosen[name], EXECUTED / f"{name}.ipynb", profile)

    at_once = 1 if torch.accelerator.is_available() else AT_ONCE
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // at_once)))  # of the kernels
    with ThreadPoolExecutor(at_once) as workers:
        running = [workers.submit(execute_in_turn, names) for names in queues.values()]
        try:
            for done in as_completed(running):
                done.result()
        finally:  # after the last one there is nothing left to stop
            stopped.set()
            workers.shutdown(cancel_futures=True)
    if LAST in chosen:
        execute(LAST, chosen[LAST], EXECUTED / f"{LAST}.ipynb", profile)


def show_parameters(notebook: nbformat.NotebookNode) -> None:
    """Let the parameters cell of an executed notebook show the values that it ran with, and hide papermill's own cell.

    Each assignment whose name was injected gets the injected value; a comment behind it stays. A cell that is more
    than Python, as with a line magic, is left as it is, and papermill's beside it.
    """
    cells = {tag: [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])] for tag in (OURS, INJECTED)}
    with suppress(SyntaxError):
        values = {name: _shown(value) for cell in cells[INJECTED] for name, value in assignments(cell.source)}
        for cell in cells[OURS]:
            cell.source = _with_values(cell.source, values)
        for cell in cells[INJECTED]:
            cell.metadata.tags.append("remove-cell")


def _shown(value: ast.expr) -> str:
    """An expression as a page shows it: a literal as Python writes it, another, such as float('nan'), as it is."""
    try:
        return repr(ast.literal_eval(value))
    except ValueError:
        return ast.unparse(value)


def _with_values(source: str, values: dict[str, str]) -> str:
    """The source with these values, by name, in the places of those that it assigns to the names."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]  # ast counts bytes
    for name, value in reversed(assignments(source)):
        if name in values and value.end_lineno is not None:
            first, last = value.lineno - 1, value.end_lineno - 1
            before, after = lines[first][: value.col_offset], lines[last][value.end_col_offset :]
            lines[first : last + 1] = [before + values[name].encode() + after]
    return b"".join(lines).decode()


def _digest(name: str, parameters: dict[str, Any], output: Path) -> str:
    """Of all that a page is made from: its source, the library, the lock file, the packages, the records and their
    plans, the parameters and what they name, the page itself left out."""
    library = sorted(path for path in Path("segattr_lib").rglob("*") if path.is_file() and path.suffix != ".pyc")
    decided = {**defaults(name), **parameters}
    named = {text: _content(parameter, text, output) for parameter, value in decided.items() for text in _texts(value)}
    packages = {package: version(package) for package in VERSIONS}
    about = json.dumps([parameters, named, packages], sort_keys=True, default=str)
    digest = hashlib.blake2b(about.encode(), digest_size=12)
    records = sorted([*RECORDS.glob("*/*.json"), *RECORDS.glob("*/*.parquet")])
    plans = [RECORDED] if RECORDED.is_file() else []
    for path in [SOURCES / f"{name}.py", Path("uv.lock"), *library, *plans, *records]:
        digest.update(f"{path} ".encode() + path.read_bytes())
    return digest.hexdigest()


def _texts(value: Any) -> Iterator[str]:
    """A parameter's texts, those in lists and mappings included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _texts(part))


def _content(parameter: str, text: str, output: Path) -> str | None:
    """A digest of what a parameter's text names outside of the project: a user's code, a file, or a folder, where the
    text is a path or the parameter a root. None for a plain text, and for the folder of results."""
    place = re.fullmatch(r"\s*(.+?\.py|[\w.]+):\w+\s*(\(.*\))?\s*", text)
    if place:
        with suppress(ImportError, ValueError):  # its loading says what is wrong with it
            return own_code.fingerprint(place[1])
    if parameter.endswith("results"):
        return None
    with suppress(OSError, RuntimeError, ValueError):  # a text that no path can be
        path = Path(text).expanduser()
        if path.is_file():
            return file_fingerprint([path])
        if path.is_dir() and (parameter.endswith(("root", "backgrounds")) or len(path.parts) > 1):
            files = sorted(
                file for file in path.rglob("[!.]*") if file.is_file() and file.absolute() != output.absolute()
            )
            names = "\n".join(str(file.relative_to(path)) for file in files)
            return f"{hashlib.blake2b(names.encode(), digest_size=8).hexdigest()} {file_fingerprint(files)}"
    return None


def _about(executed: Path) -> dict[str, Any]:
    try:
        return nbformat.read(executed, as_version=4).metadata.get("segattr", {})
    except ValueError:  # empty or cut off
        return {}
