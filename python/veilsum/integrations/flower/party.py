"""Which party a node is."""

import logging
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from flwr.app import Context

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.flower.party_file import listed_party, party_file
from veilsum.integrations.site_party import site_passphrase
from veilsum.passphrases import Passphrase

__all__ = ["NamedParty", "Party", "PartyOf", "configured_party", "is_named_at_start", "named_party"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

_FOLDER_KEY = "veilsum-party"
_PASSPHRASE_KEY = "veilsum-passphrase-file"


class Party(NamedTuple):
    """A party's folder, as ``veilsum join`` made it, and the passphrase or machine key to it."""

    folder: str | os.PathLike[str]
    passphrase: Passphrase


PartyOf = Callable[[Context], Party]


class NamedParty(NamedTuple):
    """Where a party's files are, and who says so; None for a file that nothing names."""

    folder: str
    passphrase_file: str | None
    source: str


def configured_party(context: Context) -> Party:
    """The party that the node's own operator names. The node's log says where.

    The first of these that names a folder:

    1. ``veilsum-party`` in ``--node-config``;
    2. the environment's ``VEILSUM_PARTY``;
    3. ``~/.config/veilsum/party.toml``, which may be written while the node runs.

    To 1 and 2 the passphrase is in the file ``veilsum-passphrase-file`` of ``--node-config``, else
    ``VEILSUM_PASSPHRASE_FILE``; party.toml names its own. ``{key}`` in all of them stands for a
    value of the node's configuration, as in ``parties/{partition-id}``: for simulations, where all
    nodes share one environment and one user.

    Of the run's configuration, which comes from the server, one word is read, ``veilsum-party``: it
    chooses among the names in party.toml. It never names a path, and where the folder is named by
    1 or 2 there is nothing to choose.

    Raises:
        TypeError: what names a folder, a file or a party is no str.
        InvalidArgumentError: no folder is named; a ``{key}`` is not in the configuration; the run
            asks for a party that party.toml does not list; or as ``listed_party``.
        PassphraseError: no passphrase is named.
        MalformedDataError, OSError: as ``listed_party``.
    """
    named = named_party(context)
    passphrase = site_passphrase(named.passphrase_file, str(context.node_id))
    _log.info("this node is the party of %s, by %s", named.folder, named.source)
    return Party(named.folder, passphrase)


def named_party(context: Context) -> NamedParty:
    """What ``configured_party`` opens. Errors as there, but for those of the passphrase."""
    asked = arguments.instance(
        f"{_FOLDER_KEY} of the run", context.run_config.get(_FOLDER_KEY, ""), str
    )
    source, folder = _named_at_start(context)
    if folder:
        if asked:
            raise InvalidArgumentError(
                f"the run asks for the party {arguments.text_of(asked)}, and this node was started "
                f"for one folder: leave {_FOLDER_KEY} out of the run's configuration, or have the "
                "operator list parties in party.toml instead"
            )
        file = context.node_config.get(_PASSPHRASE_KEY) or os.environ.get("VEILSUM_PASSPHRASE_FILE")
        if file is not None:
            file = _filled(arguments.path(_PASSPHRASE_KEY, file), context)
        return NamedParty(_filled(arguments.path(_FOLDER_KEY, folder), context), file, source)
    listed = listed_party(party_file(), asked or None)
    if listed is None:
        raise InvalidArgumentError(
            "this node does not say which party it is: its operator names a folder of veilsum join "
            f"in ~/.config/veilsum/party.toml, or starts it with --node-config "
            f"'{_FOLDER_KEY}=\"...\"' or VEILSUM_PARTY. In a simulation, "
            "SecureStrategy(..., simulation=True) makes throw-away parties"
        )
    folder, file = (_filled(path, context) for path in (listed.folder, listed.passphrase_file))
    return NamedParty(folder, file, f"{listed.name} in party.toml")


def is_named_at_start(context: Context) -> bool:
    """Whether the node was started with a folder, by its configuration or environment."""
    return bool(_named_at_start(context)[1])


def _named_at_start(context: Context) -> tuple[str, Any]:
    """What names a folder, and that folder; a false one if nothing does."""
    if folder := context.node_config.get(_FOLDER_KEY):
        return "--node-config", folder
    return "VEILSUM_PARTY", os.environ.get("VEILSUM_PARTY")


def _filled(pattern: str, context: Context) -> str:
    """The pattern with the node's values in the place of each ``{key}``."""

    def value_of(found: re.Match[str]) -> str:
        value = context.node_config.get(found[1])
        if value is None or not re.fullmatch(r"[\w-]+", str(value)):
            raise InvalidArgumentError(
                f"{pattern} needs {found[1]} in the node's configuration, a word or a number"
            )
        return str(value)

    return re.sub(r"\{([\w-]+)\}", value_of, pattern)
