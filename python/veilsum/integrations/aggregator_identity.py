"""The signing key of a framework's server, with which it announces rounds."""

import os

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.identity import Identity
from veilsum.integrations.site_party import site_passphrase
from veilsum.secure_sum import Federation

__all__ = ["aggregator_identity"]

_SITE = "server"


def aggregator_identity(
    identity: Identity | str | os.PathLike[str],
    passphrase_file: str | os.PathLike[str] | None,
    federation: Federation,
) -> Identity:
    """The federation's aggregator, which has the server's own identity file.

    Args:
        identity: the file, made by ``veilsum enrol``; or what is in it.
        passphrase_file: where its passphrase is, or None for the file that
            ``VEILSUM_PASSPHRASE_FILE`` names. ``{site}`` in either stands for ``server``.
        federation: whose aggregator it must be.

    Raises:
        TypeError: an argument of another type.
        PassphraseError: the passphrase is missing, or another one.
        InvalidArgumentError: the identity is somebody else's.
        OSError, MalformedDataError, InvalidKeyError: as ``Identity.load``.
    """
    if not isinstance(identity, Identity):
        path = arguments.path("identity", identity)
        if passphrase_file is not None:
            passphrase_file = arguments.path("passphrase_file", passphrase_file)
        identity = Identity.load(path, passphrase=site_passphrase(passphrase_file, _SITE))
    if identity.enrol() != federation.aggregator:
        raise InvalidArgumentError(
            f"identity is that of {identity.name}, and the federation's aggregator is "
            f"{federation.aggregator.name} with another name or key: give the identity whose "
            "enrolment the dealer was given (veilsum deal --aggregator)"
        )
    return identity
