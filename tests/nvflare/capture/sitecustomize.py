"""Writes down the keys of all that NVFlare's processes send, where a variable names a file.

Another variable switches off that sites look where their logs go, to show what that is good for.
Python imports this by itself in each process whose PYTHONPATH has this folder; for tests only.
"""

import importlib.abc
import json
import os
import sys

VARIABLE = "VEILSUM_TEST_CAPTURE"
UNDEFENDED = "VEILSUM_TEST_UNDEFENDED"
# Of a site's process in the simulator. A trainer that runs in it changes sys.argv.
ARGUMENTS = sys.orig_argv
SITE = ARGUMENTS[ARGUMENTS.index("--client") + 1] if "--client" in ARGUMENTS else None


def keys(value, path=""):
    """The paths of the values in nested dicts and lists."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from keys(entry, f"{path}/{name}")
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from keys(entry, f"{path}[]")
    else:
        yield path


def context_names(payload):
    """The names in the sender's context."""
    context = (payload.get("__headers__") or {}).get("__peer_ctx__")
    return [] if context is None else list(context.get_all_public_props())


def record(utils):
    encode = utils.encode_payload

    def recorded(message, *arguments, **options):
        if isinstance(message.payload, dict):
            line = {
                "site": SITE,
                "kind": type(message.payload).__name__,
                "keys": sorted(set(keys(message.payload))),
                "context": sorted(context_names(message.payload)),
            }
            with open(os.environ[VARIABLE], "a") as file:
                file.write(json.dumps(line) + "\n")
        return encode(message, *arguments, **options)

    utils.encode_payload = recorded


class Finder(importlib.abc.MetaPathFinder):
    """Notices when the module is imported that takes ``encode_payload`` from its place."""

    def __init__(self):
        self.seen = set()

    def find_spec(self, name, path, target=None):
        if name == "nvflare.fuel.f3.cellnet.core_cell" and name not in self.seen:
            self.seen.add(name)
            from nvflare.fuel.f3.cellnet import utils

            record(utils)
        if name == "veilsum.integrations.nvflare.site_filter" and os.environ.get(UNDEFENDED):
            from veilsum.integrations.nvflare import site_logs

            site_logs.log_stream = lambda fl_ctx: None


if os.environ.get(VARIABLE):
    sys.meta_path.insert(0, Finder())
if any(name.startswith("VEILSUM_TEST_HALT_") for name in os.environ):
    import halt

    halt.watch()
