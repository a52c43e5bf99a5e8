"""Which party a node is."""

import os
from collections.abc import Callable
from typing import NamedTuple

from flwr.app import Context

from veilsum.errors import InvalidArgumentError
from veilsum.integrations.site_party import read_passphrase

__all__ = ["Party", "PartyOf", "configured_party"]

_FOLDER_KEY = "veilsum-party"
_PASSPHRASE_KEY = "veilsum-passphrase-file"
_FOLDER_VARIABLE = "VEILSUM_PARTY"


class Party(NamedTuple):
    """A party's folder, as ``veilsum join`` made it, and the passphrase to it."""

    folder: str | os.PathLike[str]
    passphrase: str | bytes


PartyOf = Callable[[Context], Party]


def configured_party(context: Context) -> Party:
    """The party that the node's own configuration or environment names.

    The folder: ``veilsum-party`` in ``--node-config``, else ``VEILSUM_PARTY``. The file with the
    passphrase: ``veilsum-passphrase-file``, else ``VEILSUM_PASSPHRASE_FILE``. Nothing of it comes
    from the server.

    Raises:
        InvalidArgumentError: no folder is named.
        PassphraseError: no passphrase is.
    """
    folder = context.node_config.get(_FOLDER_KEY) or os.environ.get(_FOLDER_VARIABLE)
    if not folder:
        raise InvalidArgumentError(
            f"this node does not say which party it is: start it with --node-config "
            f"'{_FOLDER_KEY}=\"...\"', or set {_FOLDER_VARIABLE}, to a folder of veilsum join"
        )
    file = context.node_config.get(_PASSPHRASE_KEY)
    passphrase = read_passphrase(str(file) if file else None, str(context.node_id))
    return Party(str(folder), passphrase)
