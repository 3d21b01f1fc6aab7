"""Names to things: registered ones by name, a user's own by "file.py:name" or "package.module:name"."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class UserError(Exception):
    """Something the user asked for that cannot be had; the message is one clear sentence."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """The error of a name that is not known: what it was, what it may have meant, what there is."""
    valid = sorted(valid)
    near = get_close_matches(name, valid, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return UserError(f"Unknown {kind} {name!r}{hint}; valid are: {', '.join(valid)}.")


def lookup(kind: str, name: str, registry: Mapping[str, T]) -> T | Any:
    """The registered thing of this name, or the user's own object a "file.py:name" points to.

    Raises UserError where there is neither, listing the valid names.
    """
    if name in registry:
        return registry[name]
    if ":" in name:
        return user_object(kind, name)
    raise unknown(kind, name, [*registry, "path/to/file.py:name", "package.module:name"])


def user_object(kind: str, place: str) -> Any:
    """The object at "path/to/file.py:name" or "package.module:name"; UserError says what is missing."""
    source, _, name = place.rpartition(":")
    if source.endswith(".py"):
        path = Path(source).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"The {kind} {place!r} names the file {path}, which does not exist.")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look a class's module up there
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # a user's own file may raise anything
            raise UserError(f"The {kind} {place!r} cannot be loaded: {type(error).__name__}: {error}.") from error
    else:
        try:
            module = importlib.import_module(source)
        except (ModuleNotFoundError, TypeError, ValueError) as error:
            raise UserError(f"The {kind} {place!r} cannot be imported: {error}.") from error
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"The {kind} {place!r}: {source} has no {name!r}; it has {', '.join(public) or 'nothing'}.")
    return getattr(module, name)


def variant(text: str) -> tuple[str, dict[str, Any]]:
    """Split "ria(grid=7, fill=blur)" into its name and the options it pins.

    Values are Python literals; a bare word is a string. Raises UserError when the text is not of that form.
    """
    parts = re.fullmatch(r"\s*([^()]+?)\s*(?:\(([^()]*)\))?\s*", text)
    if not parts:
        raise UserError(f"{text!r} is not a name or a name with options, such as 'ria(grid=7)'.")
    options: dict[str, Any] = {}
    for pair in filter(str.strip, (parts[2] or "").split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value or not key.isidentifier():
            raise UserError(f"{pair.strip()!r} in {text!r} is not of the form option=value.")
        options[key] = _literal(value)
    return parts[1], options


def with_options(name: str, pinned: str) -> str:
    """A name with its options, as `variant` splits it."""
    return f"{name}({pinned})" if pinned else name


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only parameters of a method or metric, with their defaults (inspect's `empty` if none)."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that the function takes."""
    known = options_of(function)
    return {name: value for name, value in options.items() if name in known}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
