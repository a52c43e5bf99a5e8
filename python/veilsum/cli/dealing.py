"""Making a federation: the secrets live in this module's calls, and end with them."""

from __future__ import annotations

import secrets
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from veilsum.cli.files import file_name
from veilsum.cli.keygen import make_key
from veilsum.cli.passphrases import make_passphrase
from veilsum.durable import new_folder, write_file
from veilsum.identity import Identity
from veilsum.schemes import AnyKey, AnySecret, deal
from veilsum.secure_sum import Federation
from veilsum.secure_sum.agreement import Agreement

__all__ = ["Dealt", "deal_federation", "new_run_id", "renew_federation"]

_FEDERATION = "federation.veil"


@dataclass(frozen=True)
class Dealt:
    """What was written: names of files in the folder, by party.

    ``passphrases`` are those of ``secret_files``; whoever has both has the secret.
    """

    federation: Federation
    federation_file: str
    secret_files: dict[str, str]
    passphrases: dict[str, str]

    def __repr__(self) -> str:
        return f"<Dealt: {self.federation.hash[:8].hex()}>"


def deal_federation(
    terms: Agreement, dealer: Identity, *, out: Path, passphrase_dir: Path | None
) -> Dealt:
    """Make the key, and write the signed federation and each party's secret. All or nothing.

    The key and the shares are wiped from memory when this returns: nothing else refers to them.

    Raises:
        FileExistsError: there is something at ``out`` or ``passphrase_dir``.
    """
    key, secrets = _make_secrets(terms)
    federation = Federation.of(terms, key)
    files = {name: f"{file_name(name)}.{secret.SUFFIX}" for name, secret in secrets.items()}
    passphrases = {name: make_passphrase() for name in secrets}
    with ExitStack() as undo:
        with new_folder(out) as folder:
            signed = federation.signed_by(dealer)
            write_file(folder / _FEDERATION, [signed], private=False)
            while secrets:
                name, secret = secrets.popitem()
                secret.save(folder / files[name], passphrase=passphrases[name])
                del secret
            if passphrase_dir is not None:
                with new_folder(passphrase_dir) as private:
                    for name, passphrase in passphrases.items():
                        path = private / f"{file_name(name)}.passphrase"
                        write_file(path, [f"{passphrase}\n".encode()])
                undo.callback(shutil.rmtree, passphrase_dir)
        undo.pop_all()
    return Dealt(federation, _FEDERATION, files, passphrases)


def new_run_id() -> bytes:
    """The name of a run that nobody has had yet."""
    return secrets.token_bytes(16)


def renew_federation(renewed: Federation, dealer: Identity, *, out: Path) -> str:
    """Write the signed renewal; the file's name in the folder. All or nothing.

    Raises:
        FileExistsError: there is something at ``out``.
    """
    with new_folder(out) as folder:
        write_file(folder / _FEDERATION, [renewed.signed_by(dealer)], private=False)
    return _FEDERATION


def _make_secrets(terms: Agreement) -> tuple[AnyKey, dict[str, AnySecret]]:
    """The public key, and what each party is to have."""
    secret_key = make_key(terms.key_bits, safe_primes=terms.policy is not None)
    key, secrets = deal(secret_key, terms.policy)
    # A key that is held whole is the same for each.
    return key, dict(zip((party.name for party in terms.openers), cycle(secrets), strict=False))
