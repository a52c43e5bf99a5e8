"""Which party a node is."""

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from flwr.app import Context

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.integrations.site_party import site_passphrase
from veilsum.passphrases import Passphrase

__all__ = ["Party", "PartyOf", "configured_party", "is_configured"]

_FOLDER_KEY = "veilsum-party"
_PASSPHRASE_KEY = "veilsum-passphrase-file"


class Party(NamedTuple):
    """A party's folder, as ``veilsum join`` made it, and the passphrase or machine key to it."""

    folder: str | os.PathLike[str]
    passphrase: Passphrase


PartyOf = Callable[[Context], Party]


def configured_party(context: Context) -> Party:
    """The party that the node's own configuration or environment names.

    The folder: ``veilsum-party`` in ``--node-config``, else ``VEILSUM_PARTY``. The file with the
    passphrase: ``veilsum-passphrase-file``, else ``VEILSUM_PASSPHRASE_FILE``. In both ``{key}``
    stands for a value of the node's configuration, as in ``parties/{partition-id}``: for
    simulations, where all nodes share one environment. Nothing of it comes from the server.

    Raises:
        TypeError: what names a folder or a file is no str.
        InvalidArgumentError: no folder is named, or a ``{key}`` is not in the configuration.
        PassphraseError: no passphrase is named.
    """
    config = context.node_config
    folder = _folder_named(context)
    if not folder:
        raise InvalidArgumentError(
            f"this node does not say which party it is: start it with --node-config "
            f"'{_FOLDER_KEY}=\"...\"', or set VEILSUM_PARTY, to a folder of veilsum join. In a "
            "simulation, SecureStrategy(..., simulation=True) makes throw-away parties"
        )
    file = config.get(_PASSPHRASE_KEY) or os.environ.get("VEILSUM_PASSPHRASE_FILE")
    if file is not None:
        file = _filled(arguments.path(_PASSPHRASE_KEY, file), context)
    passphrase = site_passphrase(file, str(context.node_id))
    return Party(_filled(arguments.path(_FOLDER_KEY, folder), context), passphrase)


def is_configured(context: Context) -> bool:
    """Whether the node's configuration or environment names a party."""
    return bool(_folder_named(context))


def _folder_named(context: Context) -> Any:
    return context.node_config.get(_FOLDER_KEY) or os.environ.get("VEILSUM_PARTY")


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
