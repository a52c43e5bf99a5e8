"""Where a site of a framework has its party's folder, and the passphrase to it."""

import os
from pathlib import Path

from veilsum import arguments
from veilsum.errors import InvalidArgumentError, PassphraseError
from veilsum.machine_key import MachineKey
from veilsum.passphrases import read_passphrase

__all__ = ["site_passphrase", "site_path"]


def site_path(pattern: str | os.PathLike[str], site: str) -> Path:
    """The path with ``{site}`` replaced by the site's name.

    Raises:
        TypeError: ``pattern`` is no path.
        InvalidArgumentError: it is an impossible one, or the name would lead to another folder.
    """
    pattern = arguments.path("the path of a site's files", pattern)
    if not site or site in (".", "..") or any(c in site for c in "/\\\0"):
        raise InvalidArgumentError(f"{site!r} cannot be a part of a path")
    return Path(pattern.replace("{site}", site))


def site_passphrase(file: str | os.PathLike[str] | None, site: str) -> bytes | MachineKey:
    """The passphrase, or machine key, of the file or that which ``VEILSUM_PASSPHRASE_FILE`` names.

    Raises:
        PassphraseError: neither is given, or the file is not one line. A pipe is none: the file is
            read again for every message.
        OSError: the file cannot be read.
    """
    pattern = file or os.environ.get("VEILSUM_PASSPHRASE_FILE")
    if not pattern:
        raise PassphraseError(
            "no passphrase: give passphrase_file, or set VEILSUM_PASSPHRASE_FILE to a file's name"
        )
    return read_passphrase(site_path(pattern, site))
