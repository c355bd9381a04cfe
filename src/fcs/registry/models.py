"""Pydantic models as arguments, recognised by their methods: fcs itself does without pydantic."""

from typing import Any

import msgspec


def is_model(cls: Any) -> bool:
    methods = ("model_validate_json", "model_dump_json", "model_json_schema")
    return isinstance(cls, type) and all(hasattr(cls, method) for method in methods)


def read(cls: type[Any], value: Any) -> Any:
    """Make a model of a JSON value (msgspec's `dec_hook`)."""
    if is_model(cls):
        return cls.model_validate_json(msgspec.json.encode(value))
    raise NotImplementedError


def write(value: Any) -> Any:
    """Make a JSON value of a model (msgspec's `enc_hook`)."""
    if is_model(type(value)):
        return msgspec.json.decode(value.model_dump_json())
    raise NotImplementedError(f"a {type(value).__qualname__} cannot be written as JSON")


def schema(cls: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a model (msgspec's `schema_hook`)."""
    if is_model(cls):
        described: dict[str, Any] = cls.model_json_schema()
        # References into `$defs` would lead nowhere once the schema stands in a larger one.
        return {"type": "object"} if "$defs" in described else described
    raise NotImplementedError
