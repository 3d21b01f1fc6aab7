"""Which classes of a classifier a data set's classes are: class_maps/*.yaml, or a user's own file.

source: where the mapping is from
classes: {a class of the data set: [ids of the classifier's classes that are kinds of it]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segattr_lib.registry import UserError, unknown

CLASS_MAPS = {path.stem: path for path in sorted((Path(__file__).parent / "class_maps").glob("*.yaml"))}
FORM = "source: a text, classes: {name: [id, ...]}"


@dataclass(frozen=True)
class ClassMap:
    """The groups of a classifier's classes, disjoint, by the data set's class names; source says where from.

    A class of the data set that is not among `classes`, or without ids, is one the classifier does not know.
    """

    name: str
    source: str
    classes: dict[str, list[int]]


def load_class_map(name: str) -> ClassMap:
    """The class map of this name, or of a user's own YAML file.

    Raises UserError for an unknown name, a missing file, a file of another form, an id that is not a whole
    number from 0 on, and an id that two classes have.
    """
    path = CLASS_MAPS.get(name, Path(name).expanduser())
    if name not in CLASS_MAPS and path.suffix not in (".yaml", ".yml"):
        raise unknown("class map", name, [*CLASS_MAPS, "path/to/file.yaml"])
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Once)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"The class map {path} cannot be read ({error}); expected {FORM}.") from error
    source, classes = (content.get("source"), content.get("classes")) if isinstance(content, dict) else (None, None)
    if not (isinstance(source, str) and isinstance(classes, dict)):
        raise UserError(f"The class map {path} is not of the form {FORM}.")
    owner: dict[int, str] = {}
    for class_name, ids in classes.items():
        for number in _ids(path, class_name, ids):
            if number in owner:
                raise UserError(
                    f"The class map {path} gives the id {number} to {owner[number]!r} and to {class_name!r}; "
                    "groups must be disjoint."
                )
            owner[number] = class_name
    return ClassMap(name, source, classes)


def class_map_fingerprint(name: str) -> str:
    """A digest of the groups of a class map, by content; UserError as load_class_map."""
    groups = json.dumps(load_class_map(name).classes, sort_keys=True)
    return hashlib.blake2b(groups.encode(), digest_size=8).hexdigest()


def members(class_map: ClassMap, class_names: Sequence[str]) -> list[list[int]]:
    """The classifier's ids of each of a data set's classes, in its order; none for those it does not know.

    Raises UserError for a class of the map that the data set has not.
    """
    for class_name in class_map.classes:
        if class_name not in class_names:
            raise unknown(f"class in the class map {class_map.name}", class_name, class_names)
    return [list(class_map.classes.get(class_name, [])) for class_name in class_names]


class _Once(yaml.SafeLoader):
    """YAML as safe_load reads it, but a key that is given twice is an error; safe_load keeps the last alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a name is given twice", node.start_mark)
        return mapping


def _ids(path: Path, class_name: Any, ids: Any) -> list[int]:
    known = isinstance(class_name, str) and isinstance(ids, list)
    if known and all(type(number) is int and number >= 0 for number in ids):  # a bool is an int to Python
        return ids
    raise UserError(f"The class map {path} has {class_name!r}: {ids!r}; expected a name and a list of ids from 0 on.")
