"""Whether an answer is what a schema of `/openapi.json` says: the part of JSON Schema that is used there."""

import re
from collections.abc import Iterator
from typing import Any

KNOWN = {
    "$ref", "type", "properties", "required", "additionalProperties", "items", "anyOf", "const", "enum", "minItems",
    "maxItems", "pattern", "title", "description", "default",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], where: str = "answer") -> Iterator[str]:
    """What is wrong with a value, one sentence each. A key that an object's schema does not name is wrong, too."""
    assert schema.keys() <= KNOWN, f"{where}: {schema.keys() - KNOWN} is not understood here"
    if "$ref" in schema:
        named = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            named = named[part]
        yield from faults(value, named, document, where)
        return
    if "anyOf" in schema:
        found = [list(faults(value, each, document, where)) for each in schema["anyOf"]]
        if all(found):
            yield min(found, key=len)[0]
    if "type" in schema:
        fits = isinstance(value, TYPES[schema["type"]]) and not (
            isinstance(value, bool) and schema["type"] in ("integer", "number")
        )
        if not fits:
            yield f"{where} is {value!r:.60} and no {schema['type']}"
            return
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {value!r} and not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r} and none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where} is {value!r} and does not fit {schema['pattern']}"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where} has {len(value)} items"
        for number, each in enumerate(value):
            yield from faults(each, schema.get("items", {}), document, f"{where}[{number}]")
    if isinstance(value, dict) and schema.get("type") == "object":
        properties = schema.get("properties", {})
        for name in set(schema.get("required", ())) - value.keys():
            yield f"{where}.{name} is missing"
        more = schema.get("additionalProperties", not properties)
        for name, each in value.items():
            if name in properties:
                yield from faults(each, properties[name], document, f"{where}.{name}")
            elif more is False:
                yield f"{where}.{name} is not in the schema"
            elif isinstance(more, dict):
                yield from faults(each, more, document, f"{where}.{name}")
