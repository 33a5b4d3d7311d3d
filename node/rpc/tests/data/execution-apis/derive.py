#!/usr/bin/env python3
"""Derives openrpc.json from a checkout of github.com/ethereum/execution-apis.

    python3 derive.py CHECKOUT > openrpc.json

Keeps what a machine can check: names of methods and parameters, which parameters must be given,
and schemas. Leaves out what is written for people (titles, summaries, descriptions, examples, links)
and error lists, which clients do not share. Needs PyYAML.
"""

import json
import sys
from pathlib import Path

import yaml

PROSE = {"title", "description", "summary", "example", "examples", "externalDocs"}
# Keys whose values map names to schemas: a property may be called "title".
NAMED = {"properties", "patternProperties"}
# Methods of consensus clients and test generators: only their names are kept.
NOT_FOR_CLIENTS = ("engine_", "testing_")


def facts(schema):
    """A schema without its prose."""
    if isinstance(schema, list):
        return [facts(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in NAMED:
            kept[key] = {name: facts(inner) for name, inner in value.items()}
        elif key not in PROSE:
            kept[key] = facts(value)
    # JSON Schema up to draft 7 ignores what stands beside a reference; nothing here may.
    if "$ref" in kept and len(kept) > 1:
        raise SystemExit(f"a reference with siblings: {kept}")
    return kept


def references(value, found):
    """Adds the names of all schemas that `value` refers to."""
    if isinstance(value, list):
        for item in value:
            references(item, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                found.add(inner.removeprefix("#/components/schemas/"))
            else:
                references(inner, found)


def main():
    source = Path(sys.argv[1]) / "src"
    read = lambda path: yaml.safe_load(path.read_text())
    schemas = {}
    for path in sorted(source.glob("schemas/*.yaml")):
        schemas.update({name: facts(schema) for name, schema in read(path).items()})
    methods = {}
    for path in sorted(source.rglob("*.yaml")):
        if path.parent.name in ("schemas", "error-groups"):
            continue
        for method in read(path):
            if method["name"].startswith(NOT_FOR_CLIENTS):
                methods[method["name"]] = None
                continue
            params = [
                {
                    "name": param["name"],
                    "required": param.get("required", False),
                    "schema": facts(param["schema"]),
                }
                for param in method["params"]
            ]
            methods[method["name"]] = {
                "params": params,
                "result": facts(method["result"]["schema"]),
            }

    used = set()
    references(list(methods.values()), used)
    while True:
        before = len(used)
        references([schemas[name] for name in used], used)
        if len(used) == before:
            break
    document = {
        "methods": dict(sorted(methods.items())),
        "schemas": {name: schemas[name] for name in sorted(used)},
    }
    lines = ["{"]
    for section, entries in document.items():
        lines.append(f' "{section}": {{')
        rows = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
        lines.append(",\n".join(rows))
        lines.append(" }," if section == "methods" else " }")
    lines.append("}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
