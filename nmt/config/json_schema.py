"""The JSON schema of a config, by which editors complete and check its keys."""

from __future__ import annotations

import json
from typing import Any

from nmt.config.schema import Config

SCHEMA_FILE = "config.schema.json"
"""Name of the schema, in the folder of each config that nmt writes."""
HEAD_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
"""First line of each config that nmt writes."""


def json_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 7, which every editor knows).

    It covers keys, types, bounds and words, but not rules between keys.
    """
    dialect = "http://json-schema.org/draft-07/schema#"
    return {"$schema": dialect, **Config.model_json_schema(), "title": "Config of nmt"}


def schema_text() -> str:
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
