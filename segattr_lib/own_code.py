"""A user's own code: the module of a file, loaded once a process, and a fingerprint of it and what it imports. And the
library's own, by a digest.

The modules of a folder belong to a package that is named after the whole path of the folder. So two files of one stem,
or two folders that each have a `helpers.py`, never meet, and dataclasses and pickle find every module in sys.modules.
An `import` in such a module looks into its folder first, also when it runs late, inside a function.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

INSTRUMENT = ("registry", "own_code", "seeds", "targets", "perturbation", "imputation", "evaluate")
ROOMS = ("data", "models", "attribution", "metrics", "prompting", "benchmark")

_FOLDERS: dict[str, Path] = {}  # package, to its folder
_FILES: dict[str, Path] = {}  # module that was asked for by its file, to this file
_LOADED: dict[str, str] = {}  # module, or package that Python finds itself, to the fingerprint it was loaded with
_HELD: set[str] = set()  # packages that stay as they are while a run goes on
_runs = 0


@contextmanager
def as_loaded() -> Iterator[None]:
    """Inside the block, code that was asked for once stays as it is, whatever becomes of its files."""
    global _runs
    _runs += 1
    try:
        yield
    finally:
        _runs -= 1
        if not _runs:
            _HELD.clear()


def load(source: str) -> ModuleType:
    """The module of "path/to/file.py" or "package.module", run once a process.

    A file that has changed, or of which an import has, is loaded anew, though not inside `as_loaded`. A package's
    module cannot be: ImportError. Whatever the code raises is passed on, FileNotFoundError is of the file itself.
    """
    if not source.endswith(".py"):
        return _imported(source)
    path = _path(source)
    package, name = _package(path.parent), _name(path)
    if package not in _HELD:
        _forget_changed(package)
        if _runs:
            _HELD.add(package)
    if name not in sys.modules:
        if not path.is_file():
            raise FileNotFoundError(path)
        _FILES[name] = path
        importlib.invalidate_caches()  # a folder's listing is kept by its time, which two changes may share
    return importlib.import_module(name)


def fingerprint(source: str) -> str:
    """A digest of the code of "path/to/file.py" or "package.module", by content, as it lies on the disk.

    Of a file it covers whatever it imports, directly or not, that lies in its own folder or below; of a package all
    of its files; of a module that Python or an installer brought, the module alone.
    """
    if source.endswith(".py"):
        path = _path(source)
        return _digest(_imports_of(path, path.parent))
    return _digest(_files_of(source.partition(".")[0]))


def loaded_fingerprint(source: str) -> str:
    """The `fingerprint` that this code, which is loaded, had when it was."""
    return _LOADED[_name(_path(source)) if source.endswith(".py") else source.partition(".")[0]]


def files_named_in(pickled: bytes) -> list[Path]:
    """The files loaded here whose modules something that was pickled names; where it is read they are loaded first."""
    return [file for name, file in _FILES.items() if name in _LOADED and name.encode() in pickled]


def _imported(source: str) -> ModuleType:
    module, top = importlib.import_module(source), source.partition(".")[0]
    if top not in _LOADED:
        _LOADED[top] = _digest(_files_of(top))
    elif top not in _HELD and not _installed(module) and _digest(_files_of(top)) != _LOADED[top]:
        raise ImportError(f"{top} has changed since it was imported; start Python anew")
    if _runs:
        _HELD.add(top)
    return module


class _Loader(SourceFileLoader):
    """Runs a module of a user's folder, whose imports look into that folder first."""

    def get_code(self, fullname: str) -> CodeType:
        # always compiled: the bytecode beside a file goes by its size and second, which two versions may share
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        _LOADED[module.__name__] = _digest(_imports_of(Path(self.path), _FOLDERS[package]))
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _importer(package)}
        super().exec_module(module)


class _Finder:
    """Finds the modules of the packages of users' folders; for sys.meta_path."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: object = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in _FOLDERS:
            return None
        if fullname in _FILES:
            file = str(_FILES[fullname])
            return importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, file))
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


sys.meta_path.insert(0, _Finder)


def _importer(package: str) -> Callable[..., Any]:
    """The `__import__` of the modules of a user's folder."""

    def own_import(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        first = name.partition(".")[0]
        asking = (globals or {}).get("__name__")
        if level or asking == f"{package}.{first}" or not _lies_in(_FOLDERS[package], first):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[f"{package}.{first}"]

    return own_import


def _lies_in(folder: Path, name: str) -> bool:
    """Is this a module of the folder? A bare directory is one only where Python knows no other of the name."""
    if name == __package__ or name in sys.builtin_module_names:
        return False
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None or spec.origin is not None:
        return spec is not None
    return name not in sys.modules and importlib.util.find_spec(name) is None


def _forget_changed(package: str) -> None:
    """Forget the modules of a folder of which a file has changed since they were loaded, and those below them."""
    own = [name for name in _LOADED if name.startswith(f"{package}.")]
    changed = [name for name in own if _code_on_disk(name, _FOLDERS[package]) != _LOADED[name]]
    for name in own:
        if any(f"{name}.".startswith(f"{other}.") for other in changed):
            del _LOADED[name]
            sys.modules.pop(name, None)
            parent, _, attribute = name.rpartition(".")
            vars(sys.modules.get(parent, sys)).pop(attribute, None)


def _code_on_disk(name: str, folder: Path) -> str | None:
    """The fingerprint that a loaded module's files have now; None for one whose loading failed."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return _digest(_imports_of(Path(file), folder)) if file else None


def _package(folder: Path) -> str:
    """The name of a folder's package, which is in sys.modules from here on."""
    name = f"own_{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}"
    if name not in sys.modules:
        _FOLDERS[name] = folder
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    return name


def _name(path: Path) -> str:
    return f"{_package(path.parent)}.{path.stem.replace('.', ',')}"  # a dot would make a package of it


def _path(source: str) -> Path:
    return Path(source).expanduser().resolve()


def _imports_of(file: Path, folder: Path) -> dict[str, Path]:
    """The file, and whatever it imports, directly or not, that lies in the folder; by the name from there."""
    seen: dict[str, Path] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name not in seen:
            seen[name] = path
            for parts in _imported_names(path, folder):
                waiting += _modules(folder, parts)
    return seen


def _imported_names(path: Path, folder: Path) -> Iterator[list[str]]:
    """What the imports of a file name, wherever in it they stand, as parts from the folder."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # its loading says what is wrong with it
        return
    package = path.relative_to(folder).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield base
            yield from ([*base, alias.name] for alias in node.names)


def _modules(folder: Path, parts: list[str]) -> Iterator[Path]:
    """The files of a module of the folder and of the packages it is in, those that there are."""
    if parts[:1] != [__package__]:
        for count in range(1, len(parts) + 1):
            place = folder.joinpath(*parts[:count])
            for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if path.is_file():
                    yield path


def _files_of(top: str) -> dict[str, Path]:
    """The files that make a package, or a module that is in none, that Python finds by itself."""
    known: Any = sys.modules.get(top)
    spec = None if known else importlib.util.find_spec(top)
    roots = getattr(known, "__path__", None) or getattr(spec, "submodule_search_locations", None)
    if roots:
        return {str(path.relative_to(root)): path for root in roots for path in sorted(Path(root).rglob("*.py"))}
    origin = getattr(known, "__file__", None) or getattr(spec, "origin", None) or ""
    if not origin.endswith(".py"):
        return {}
    path = Path(origin)
    return {path.name: path} if _in_library(path) else _imports_of(path, path.parent)


def _installed(module: ModuleType) -> bool:
    return _in_library(Path(getattr(module, "__file__", None) or os.__file__))


def _in_library(path: Path) -> bool:
    """Is it Python's own, or did an installer put it there?"""
    return Path(os.__file__).parent in path.parents or bool({"site-packages", "dist-packages"} & {*path.parts})


def _digest(files: Mapping[str, Path]) -> str:
    """Of the names and contents of files; one that is gone counts as none."""
    digest = hashlib.blake2b(digest_size=8)
    for name, path in sorted(files.items()):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def library_fingerprint(*sections: str) -> str:
    """A digest of the code that makes values: the instrument, the rooms it stands on, and the sections named."""
    root = Path(__file__).parent
    modules = [root / f"{name}.py" for name in INSTRUMENT]
    rooms = [root / name for name in (*ROOMS, *(f"sections/{section}" for section in sections))]
    files = [path for room in rooms for ending in ("*.py", "*.txt") for path in room.rglob(ending)]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted([*modules, *files]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
