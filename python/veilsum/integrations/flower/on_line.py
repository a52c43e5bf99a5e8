"""Which nodes a SuperLink has on line, by Flower's own command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from veilsum.errors import ProtocolError
from veilsum.integrations.setup_check.verdict import Status, Verdict, judged
from veilsum.secure_sum import Federation

__all__ = ["check_on_line"]

_SECONDS = 60
_MOST_CHARACTERS = 400


def check_on_line(superlink: str, federation: Federation) -> Verdict:
    """How many SuperNodes are on line, against how many contributors a sum takes.

    Flower does not know which party is behind a node: a ``SecureStrategy`` asks them when it
    starts, and its log says who is missing.

    Args:
        superlink: a name in ``~/.flwr/config.toml``, as for ``flwr supernode list``.
        federation: the agreement.
    """
    return judged("on line", lambda: _verdict(_statuses(superlink), federation))


def _verdict(statuses: list[str], federation: Federation) -> Verdict:
    statuses = [status for status in statuses if status != "unregistered"]
    num_online = statuses.count("online")
    fewest, openers = federation.fewest, federation.bodies.num_answers
    needed = max(fewest, openers)
    facts = {"online": num_online, "known": len(statuses), "needed": needed}
    says = f"{num_online} of {len(statuses)} SuperNodes that the SuperLink knows"
    if num_online >= needed:
        says += "; which parties they are, the log of the ServerApp tells when it starts"
        return Verdict("on line", Status.OK, says, facts=facts)
    return Verdict(
        "on line",
        Status.WARNING,
        f"{says}; a round takes {fewest} contributors and {openers} holders of the key",
        "start the nodes that are missing, or wait: the strategy waits for them, too",
        facts,
    )


def _statuses(superlink: str) -> list[str]:
    # Beside the interpreter: another Flower may be first on the path.
    program = Path(sys.executable).with_name("flwr")
    command = [str(program), "supernode", "list", superlink, "--format", "json"]
    environment = os.environ | {"FLWR_DISABLE_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        raise ProtocolError(f"flwr supernode list has no answer within {_SECONDS} s") from None
    found = _object_in(done.stdout)
    nodes = found.get("nodes")
    if not isinstance(nodes, list):
        told = " ".join(str(found.get("error-message") or done.stderr or done.stdout).split())
        raise ProtocolError(f"flwr supernode list {superlink} fails: {told[:_MOST_CHARACTERS]}")
    return [str(node.get("status")) for node in nodes if isinstance(node, dict)]


def _object_in(text: str) -> dict[str, Any]:
    """What stands in a text as JSON; {} if nothing does. Flower may print lines before it."""
    start = text.find("{")
    try:
        found = json.loads(text[start:]) if start >= 0 else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
