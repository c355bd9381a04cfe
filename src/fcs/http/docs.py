"""The page of documentation: plain HTML made from the OpenAPI description, without a script."""

from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from fcs.http.problems import KINDS

STYLE = (files(__package__) / "static" / "docs.css").read_bytes()
POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_DEPTH_MAX = 4


def render(description: Mapping[str, Any]) -> bytes:
    """The page. Everything in it that is not ours is escaped."""
    schemas = description["components"]["schemas"]
    kinds = schemas["Definition"].get("discriminator", {}).get("mapping", {})
    parts = [
        _HEAD,
        "<h1>Free Churro Scheduler</h1>",
        f"<p>{escape(description['info']['description'])}</p>",
        '<p>This page as data: <a href="openapi.json">openapi.json</a>.</p>',
        '<h2 id="types">Task types</h2>',
        *(_kind(name, _resolve({"$ref": ref}, schemas), schemas) for name, ref in kinds.items()),
        "" if kinds else "<p>None is registered: load an application with <code>--app</code>.</p>",
        '<h2 id="requests">Requests</h2>',
        _table(("Request", "Does", "Takes", "Answers"), _operations(description["paths"], schemas)),
        '<h2 id="problems">Problems</h2>',
        "<p>Every error is a problem document (RFC 9457) with one of these codes.</p>",
        *(_problem(code) for code in KINDS),
        "</body></html>",
    ]
    return "\n".join(parts).encode("utf-8")


_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>Free Churro Scheduler: API</title>"
    '<link rel="stylesheet" href="docs/style.css"></head><body>'
)


def _kind(name: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    body = msgspec.json.encode({"def": example(schema, schemas)}).decode()
    rows = [
        (_code(field), _code(_type_of(part, schemas)), _remark(field, part, schema))
        for field, part in schema["properties"].items()
        if field != "ty"
    ]
    said = schema.get("description", "")
    return "\n".join(
        (
            f'<section id="type-{escape(name)}"><h3>{escape(name)}</h3>',
            f"<p>{escape(said)}</p>" if said else "",
            _table(("Argument", "Type", ""), rows) if rows else "<p>No arguments.</p>",
            f"<pre>POST /tasks\nContent-Type: application/json\n\n{escape(body)}</pre></section>",
        )
    )


def _operations(
    paths: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    for path, item in paths.items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                operation = item[method]
                answers = ", ".join(sorted(operation["responses"]))
                takes = ", ".join(map(_code, _takes(operation, schemas)))
                request = _code(f"{method.upper()} {path}")
                yield request, escape(operation["summary"]), takes, answers


def _takes(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """The names of parameters, headers and fields of the body."""
    own = operation.get("parameters", ())
    names = [parameter["name"] for parameter in own if parameter["in"] != "path"]
    if body := operation.get("requestBody"):
        names += _fields(body["content"]["application/json"]["schema"], schemas)
    return names


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    schema = _resolve(schema, schemas)
    if "anyOf" in schema:
        return _fields(schema["anyOf"][0], schemas)
    if schema.get("type") == "array":
        return _fields(schema["items"], schemas)
    return list(schema.get("properties", ()))


def _problem(code: str) -> str:
    kind = KINDS[code]
    return (
        f'<section id="{code}"><h3><code>{code}</code> {kind.status} {escape(kind.title)}</h3>'
        f"<p>{escape(kind.cure)}</p></section>"
    )


def _table(head: tuple[str, ...], rows: Any) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _type_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    resolved = _resolve(schema, schemas)
    if "enum" in resolved:
        return " | ".join(msgspec.json.encode(value).decode() for value in resolved["enum"])
    if "$ref" in schema:
        return str(resolved.get("title", "object"))
    if "anyOf" in schema:
        return " | ".join(_type_of(part, schemas) for part in schema["anyOf"])
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return f"array of {_type_of(schema['items'], schemas)}"
    return str(schema.get("format") or schema.get("type") or "any")


def _remark(field: str, part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if field in schema.get("required", ()):
        return "required"
    if "default" in part:
        return "default " + _code(msgspec.json.encode(part["default"]).decode())
    return "optional"


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits a schema, as small as it can be."""
    schema = _resolve(schema, schemas)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas, depth)
    match schema.get("type"):
        case "object" if depth < _DEPTH_MAX:
            required = schema.get("required", ())
            return {
                field: example(schema["properties"][field], schemas, depth + 1)
                for field in required
            }
        case "object":
            return {}
        case "array":
            return []
        case "string":
            return _EXAMPLES.get(schema.get("format", ""), "text")
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


_EXAMPLES = {
    "uuid": "205109a7-bcd4-4106-a960-ab45b4c42df8",
    "date-time": "2031-05-17T09:00:00Z",
    "date": "2031-05-17",
    "time": "09:00:00",
    "duration": "PT30S",
    "decimal": "1.50",
}


def _number(schema: Mapping[str, Any]) -> int:
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1
    return int(schema.get("minimum", 1))


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]] | rest
    return schema
