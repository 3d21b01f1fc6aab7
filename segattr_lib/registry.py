"""Names to things: registered ones by name, a user's own by "file.py:name" or "package.module:name"."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from segattr_lib import own_code

T = TypeVar("T")
PART = (
    r"""(?:[^,()[\]{}'"]|\([^()]*\)|\[[^[\]]*\]|\{[^{}]*\}|'[^']*'|"[^"]*")"""  # of an option: no comma but in brackets
)


class UserError(Exception):
    """Something the user asked for that cannot be had; the message is one clear sentence."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """The error of a name that is not known: what it was, what it may have meant, what there is."""
    valid = sorted(valid)
    near = get_close_matches(name, valid, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return UserError(f"Unknown {kind} {name!r}{hint}; valid are: {', '.join(valid)}.")


def lookup(kind: str, name: str, registry: Mapping[str, T]) -> T | Any:
    """The registered thing of this name, or the user's own a "file.py:name" points to: a function, or of its kind.

    Raises UserError where there is neither, listing the valid names.
    """
    if name in registry:
        return registry[name]
    if ":" in name:
        own = user_object(kind, name)
        if not callable(own) and not isinstance(own, tuple({type(value) for value in registry.values()})):
            raise UserError(f"The {kind} {name!r} is a {type(own).__name__}; expected a function.")
        return own
    raise unknown(kind, name, [*registry, "path/to/file.py:name", "package.module:name"])


def user_object(kind: str, place: str) -> Any:
    """The object at "path/to/file.py:name" or "package.module:name"; its code runs once a process, see `own_code`.

    Raises UserError that says what is missing, or what its code raises while it is loaded.
    """
    source, _, name = place.rpartition(":")
    try:
        module = own_code.load(source)
    except (Exception, SystemExit) as error:  # a user's own code may raise anything
        if isinstance(error, FileNotFoundError) and isinstance(error.args[0], Path):
            text = f"The {kind} {place!r} names the file {error.args[0]}, which does not exist."
        else:
            verb = "loaded" if source.endswith(".py") else "imported"
            text = f"The {kind} {place!r} cannot be {verb}: {cause_of(error)}."
        raise UserError(text) from error
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"The {kind} {place!r}: {source} has no {name!r}; it has {', '.join(public) or 'nothing'}.")
    return getattr(module, name)


def own_fingerprint(kind: str, place: str) -> str:
    """A digest of the code behind a user's "path/to/file.py:name" as it is loaded; UserError as user_object."""
    user_object(kind, place)
    return own_code.loaded_fingerprint(place.rpartition(":")[0])


def cause_of(error: BaseException) -> str:
    """What an error is, on one line and without a full stop."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": .")


def variant(text: str) -> tuple[str, dict[str, Any]]:
    """Split "ria(grid=7, fill=blur)" into its name and the options it pins.

    Values are Python literals, lists and texts with commas among them; a bare word is a string. The folders of a
    user's "path/to/file.py:name" may have parentheses of their own. Raises UserError when the text is not of that
    form.
    """
    parts = re.fullmatch(rf"\s*(.+?\.py:\w+|[^()]+?)\s*(?:\(((?:{PART}|,)*)\))?\s*", text)
    if not parts:
        raise UserError(f"{text!r} is not a name or a name with options, such as 'ria(grid=7)'.")
    options: dict[str, Any] = {}
    for pair in filter(str.strip, re.findall(rf"{PART}+", parts[2] or "")):
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
