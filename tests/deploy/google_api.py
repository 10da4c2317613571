"""Google's own descriptions of its interfaces, as `google-api-python-client` ships them, as rules for our files.

An object may have the fields of its schema and no others.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "object": dict,
    "array": list,
    "number": (int, float),
}


@cache
def schemas(api: str) -> dict[str, Any]:
    """Return the schemas of an interface, for example `logging.v2`."""
    documents = files("googleapiclient.discovery_cache.documents")
    found: dict[str, Any] = json.loads((documents / f"{api}.json").read_text("utf-8"))["schemas"]
    return found


def misfits(api: str, schema: str, value: Any, path: str = "") -> list[str]:
    """Return what in `value` is not of the form that `schema` describes: unknown fields, and wrong types."""
    return _misfits(api, {"$ref": schema}, value, path or schema)


def _misfits(api: str, rule: dict[str, Any], value: Any, path: str) -> list[str]:
    if "$ref" in rule:
        rule = {"type": "object", **schemas(api)[rule["$ref"]]}
    kind = rule.get("type", "any")
    if kind in _KINDS and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{path} is not of type {kind}"]
    if "enum" in rule and value not in rule["enum"]:
        return [f"{path} is none of {', '.join(rule['enum'])}"]
    if kind == "array":
        return [one for item in value for one in _misfits(api, rule["items"], item, f"{path}[]")]
    if kind != "object":
        return []
    known, more = rule.get("properties", {}), rule.get("additionalProperties")
    said = []
    for name, one in value.items():
        if name in known:
            said += _misfits(api, known[name], one, f"{path}.{name}")
        elif more is not None:
            said += _misfits(api, more, one, f"{path}.{name}")
        else:
            said.append(f"{path}.{name} is unknown")
    return said
