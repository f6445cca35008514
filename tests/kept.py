"""What a run's folder gives back of a value that was written into it."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from steepest.data.schema import Schema
from steepest.run_record import as_json, from_json


def kept(schema: Schema) -> Schema:
    """A schema that was written as JSON and read again."""
    adapter = TypeAdapter(Schema)
    return adapter.validate_python(from_json(json.loads(json.dumps(as_json(adapter.dump_python(schema))))))
