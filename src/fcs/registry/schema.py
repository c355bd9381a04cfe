"""JSON Schema of task types: msgspec's own, with its gaps filled."""

from collections.abc import Iterable
from typing import Any

import msgspec

from fcs.registry import models
from fcs.registry.tasktype import TaskType

REF = "#/components/schemas/{name}"


def components(
    task_types: Iterable[TaskType], others: Iterable[Any] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Schemas of types (each with its `ty`), of other records, and the parts they refer to."""
    kinds, rest = list(task_types), list(others)
    schemas, parts = msgspec.json.schema_components(
        [*(kind.record for kind in kinds), *rest], schema_hook=models.schema, ref_template=REF
    )
    for kind, schema in zip(kinds, schemas, strict=False):
        _show_defaults(kind, parts[schema["$ref"].rpartition("/")[2]])
    for part in parts.values():
        _name_string_enums(part)
    return list(schemas[: len(kinds)]), list(schemas[len(kinds) :]), parts


def _show_defaults(kind: TaskType, schema: dict[str, Any]) -> None:
    for name, default in kind.defaults().items():
        schema["properties"][name] = {**schema["properties"][name], "default": default}


def _name_string_enums(schema: Any) -> None:
    if isinstance(schema, dict):
        values = schema.get("enum")
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            schema.setdefault("type", "string")
        for part in schema.values():
            _name_string_enums(part)
    elif isinstance(schema, list):
        for part in schema:
            _name_string_enums(part)
