"""The example's ServerApp, which also writes down every message that reaches it.

A test puts it into a copy of the app. Messages are taken where they arrive from the SuperLink,
below any strategy.
"""

import json
from pathlib import Path

from encrypted_digits.server_app import app
from flwr.app import ArrayRecord
from flwr.superlink.grid.http_grid import HttpGrid

__all__ = ["app"]

_FOLDER = Path("captured")
_pull = HttpGrid.pull_messages


def _pull_and_write(grid, message_ids):
    messages = list(_pull(grid, message_ids))
    _FOLDER.mkdir(exist_ok=True)
    for message in messages:
        number = len(list(_FOLDER.glob("*.json")))
        records, blobs = {}, []
        if message.has_content():
            for name, record in message.content.items():
                entries = {}
                for key, value in record.items():
                    blob, entries[key] = _written(value, is_array=isinstance(record, ArrayRecord))
                    blobs.append(blob)
                records[name] = {"kind": type(record).__name__, "entries": entries}
        described = {
            "type": message.metadata.message_type,
            "from": message.metadata.src_node_id,
            "error": message.error.reason if message.has_error() else None,
            "records": records,
        }
        (_FOLDER / f"{number:04d}.bin").write_bytes(b"".join(blobs))
        (_FOLDER / f"{number:04d}.json").write_text(json.dumps(described))
    return messages


def _written(value, *, is_array):
    """A value's bytes, and what it is."""
    if is_array:
        return value.data, {"dtype": value.dtype, "shape": value.shape, "stype": value.stype}
    if isinstance(value, bytes):
        return value, {"bytes": len(value)}
    return b"", {"value": value}


HttpGrid.pull_messages = _pull_and_write
