"""The file in which a node's operator lists its parties: read anew for every message.

It may be written while the SuperNode runs. Whoever starts a run may name one of those that are
listed, by a word, and can say nothing else: no path of the server's is ever opened.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tomllib

from veilsum import arguments
from veilsum.durable import open_file
from veilsum.errors import InvalidArgumentError, MalformedDataError

__all__ = ["ListedParty", "listed_party", "party_file"]

_MAX_BYTES = 1 << 16
_KEYS = {"folder", "passphrase-file"}
_EXAMPLE = '[parties.trial-7], folder = "/...", passphrase-file = "/..."'


class ListedParty(NamedTuple):
    """What the operator says of a party: its word, its folder, and the file that opens it."""

    name: str
    folder: str
    passphrase_file: str


def party_file() -> Path:
    """Where the file is, if there is one: ``~/.config/veilsum/party.toml`` of the node's user.

    ``XDG_CONFIG_HOME`` stands for ``~/.config``, as elsewhere; one that is not absolute is passed
    over, as its specification has it.
    """
    home = os.environ.get("XDG_CONFIG_HOME")
    base = Path(home) if home and os.path.isabs(home) else Path.home() / ".config"
    return base / "veilsum" / "party.toml"


def listed_party(file: Path, asked: str | None) -> ListedParty | None:
    """The party of a node whose operator lists some; None where there is no file.

    Args:
        file: the operator's.
        asked: the word by which whoever starts the run names one of them; None if no word is given,
            which will do where one alone is listed. From outside: it is compared, and no more.

    Raises:
        InvalidArgumentError: the word is none of those listed; or several are listed and no word is
            given; or others than this user and root may write the file.
        MalformedDataError: the file is no list of parties.
        OSError: it cannot be read.
    """
    try:
        parties = _read(file)
    except FileNotFoundError:
        return None
    if asked is None:
        if len(parties) > 1:
            raise InvalidArgumentError(
                "this node's operator lists several parties, and the run names none of them: name "
                "one in the run's configuration, veilsum-party"
            )
        [name] = parties
    elif asked in parties:
        name = asked
    else:
        raise InvalidArgumentError(
            f"the run asks for the party {arguments.text_of(asked)}, and this node's operator "
            "lists none of that name in its party.toml"
        )
    return parties[name]


def _read(file: Path) -> dict[str, ListedParty]:
    with open_file(file, what="a list of parties") as opened:
        found = os.fstat(opened.fileno())
        if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & 0o022:
            raise InvalidArgumentError(
                f"{file} may be written by others than this user, so it is not believed: make it "
                "this user's own (chown), and chmod go-w it"
            )
        data = opened.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise MalformedDataError(f"{file} is too long to be a list of parties")
    try:
        return _parties(tomllib.loads(data.decode()))
    except (ValueError, RecursionError) as error:
        raise MalformedDataError(
            f"{file} is no list of parties: {error}. It has a table for each, such as {_EXAMPLE}"
        ) from None


def _parties(listed: Mapping[str, Any]) -> dict[str, ListedParty]:
    """ValueError for whatever is not as the example has it: nothing is passed over."""
    parties = listed.get("parties")
    if set(listed) != {"parties"} or not isinstance(parties, dict) or not parties:
        raise ValueError("it must hold [parties.NAME] tables and nothing else")
    return {name: _party(name, about) for name, about in parties.items()}


def _party(name: str, about: object) -> ListedParty:
    if not isinstance(about, dict) or set(about) != _KEYS:
        raise ValueError(f"the party {name!r} must have {' and '.join(sorted(_KEYS))}, no more")
    for key, path in about.items():
        if not isinstance(path, str) or not os.path.isabs(path) or "\0" in path:
            raise ValueError(f"{key} of the party {name!r} must be an absolute path")
    return ListedParty(name, about["folder"], about["passphrase-file"])
