"""The JSON Schema of task types is what a caller may send, defaults and formats included."""

import enum
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import msgspec

from fcs.registry import TaskType
from fcs.registry.schema import components


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Crop:
    x: int


def resize(
    width: int,
    at: datetime,
    crop: Crop | None = None,
    times: list[time | None] = [],  # noqa: B006
    colour: Colour = Colour.RED,
    odd: Any = object(),  # noqa: B008
) -> None:
    """Resize it."""


def schema_of(task_type: TaskType) -> tuple[dict[str, Any], dict[str, Any]]:
    [ref], _, parts = components([task_type])
    return parts[ref["$ref"].rpartition("/")[2]], parts


def test_the_schema_says_what_may_be_sent() -> None:
    schema, parts = schema_of(TaskType(resize, name="photos.resize"))
    assert schema["description"] == "Resize it."
    assert schema["required"] == ["ty", "width", "at"]
    assert schema["additionalProperties"] is False
    fields = schema["properties"]
    assert fields["ty"] == {"enum": ["photos.resize"], "type": "string"}
    assert fields["width"] == {"type": "integer"}
    assert fields["at"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "time"} in fields["times"]["items"]["anyOf"]
    assert fields["colour"]["default"] == "red"
    assert fields["crop"]["default"] is None
    assert "default" not in fields["odd"]
    assert parts["Colour"]["type"] == "string"


def test_types_may_use_records_of_one_name() -> None:
    other = msgspec.defstruct("Crop", [("y", str)], module="elsewhere")

    def cut(crop: other) -> None: ...  # type: ignore[valid-type]

    cut.__annotations__["crop"] = other
    refs, _, parts = components([TaskType(resize), TaskType(cut)])
    assert len(refs) == 2
    named = [part for part in parts.values() if part.get("title") == "Crop"]
    assert len(named) == 2


class Model:
    """Looks to fcs as a model of pydantic does, one that is made of others."""

    model_validate_json = model_dump_json = None  # only have to be there

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"$defs": {"Inner": {}}, "properties": {"inner": {"$ref": "#/$defs/Inner"}}}


def test_no_reference_leads_nowhere() -> None:
    def take(model: Model) -> None: ...

    take.__annotations__["model"] = Model
    schema, _ = schema_of(TaskType(take))
    assert schema["properties"]["model"] == {"type": "object"}
