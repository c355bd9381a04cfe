"""What msgspec leaves to others: pydantic models, and subclasses of text and numbers.

Models are recognised by their methods: fcs itself does without pydantic.
"""

from typing import Any

import msgspec


class NotJson(TypeError):
    """A value cannot be written as JSON."""


def is_model(cls: Any) -> bool:
    methods = ("model_validate_json", "model_dump_json", "model_json_schema")
    return isinstance(cls, type) and all(hasattr(cls, method) for method in methods)


def read(cls: type[Any], value: Any) -> Any:
    """Make a model of a JSON value (msgspec's `dec_hook`)."""
    if is_model(cls):
        return cls.model_validate_json(msgspec.json.encode(value))
    raise NotImplementedError


def write(value: Any) -> Any:
    """Make a JSON value of a model, or of text or a number of a class of its own (`enc_hook`)."""
    if is_model(type(value)):
        # By alias, as it is read and as its schema has it.
        return msgspec.json.decode(value.model_dump_json(by_alias=True))
    # By the methods of the base: those of the subclass may give a subclass again.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise NotJson(f"there is no way to write `{type(value).__qualname__}`")


def schema(cls: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a model (msgspec's `schema_hook`)."""
    if is_model(cls):
        described: dict[str, Any] = cls.model_json_schema()
        # References into `$defs` would lead nowhere once the schema stands in a larger one.
        return {"type": "object"} if "$defs" in described else described
    raise NotImplementedError
