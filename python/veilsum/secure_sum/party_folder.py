"""A party's folder: all that one party needs for the rounds of one federation, in files."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from veilsum import arguments, keyfile
from veilsum.durable import lock_file, new_folder, read_file, write_file
from veilsum.errors import (
    InvalidArgumentError,
    LedgerError,
    MalformedDataError,
    PolicyRefusedError,
)
from veilsum.identity import Enrolment, Identity, Role
from veilsum.passphrases import Passphrase, check_passphrase
from veilsum.privacy import Ledger
from veilsum.schemes import AnySecret, check_secret
from veilsum.secure_sum.contributor import Contributor
from veilsum.secure_sum.federation import Federation
from veilsum.secure_sum.fields import HASH_BYTES
from veilsum.secure_sum.kept_sums import KeptSums
from veilsum.secure_sum.key_holder import KeyHolder
from veilsum.secure_sum.outbox import Outbox
from veilsum.secure_sum.round_ledger import RoundLedger, RunName
from veilsum.wire import BytesLike, WireKind, as_bytes

__all__ = ["PartyFolder"]

_ABOUT = "party.json"
_FEDERATION = "federation.veil"
_FEDERATIONS = re.compile(r"federation(-[0-9]{1,19})?\.veil")  # With a number, a renewal's.
_RENEWAL = "renewal.lock"
_IDENTITY = "party.identity"
_PRIVACY = "privacy.sqlite"
_OUTBOX = "outbox"
_SUMS = "sums"  # Of the set that a holder has locked.
_ROUNDS = {Role.CONTRIBUTOR: "contributor-rounds.sqlite", Role.HOLDER: "holder-rounds.sqlite"}
_VERSION = 2
_MAX_ABOUT_BYTES = 1 << 16
_MAX_FEDERATION_BYTES = 1 << 28


class PartyFolder:
    """The pinned federation, a party's secrets under one passphrase or key, and its ledgers.

    A process that starts anew for each message makes its party from it:

        party = PartyFolder("hospital-a").contributor(passphrase=...)

    Never copy or restore its ledgers (docs/operations.md): an older copy has forgotten what was
    answered and spent, and does not know.

    Args:
        path: a folder that ``create`` made.

    Attributes:
        path: as given.
        federation: the agreement.
        dealer: who dealt it, if the party has pinned the dealer: whose renewals it accepts. Else
            None.
        enrolment: the party's name and public key.
        roles: in which parts the federation knows the party.

    Raises:
        MalformedDataError: the folder is not a party's.
        PolicyRefusedError: its federation is another one than was pinned.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(arguments.path("path", path))
        self._folder = Path(os.path.abspath(path))  # Of the working directory as it is now.
        self._about = about = _read_about(self._folder / _ABOUT)
        self.dealer = about.dealer
        file = self._folder / about.file
        with _named(file):
            signed = read_file(file, max_bytes=_MAX_FEDERATION_BYTES, what="a federation")
            self.federation = Federation.from_signed(
                signed, expected_hash=about.federation, dealer=about.dealer
            )
        file = self._folder / _IDENTITY
        with _named(file):
            sealed = keyfile.read(file, WireKind.IDENTITY_FILE)
            public = keyfile.public_part(sealed, WireKind.IDENTITY_FILE)
            self.enrolment = Enrolment.from_bytes(public)
        self.roles = _roles(self.federation, self.enrolment)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        signed_federation: BytesLike,
        *,
        identity: Identity,
        passphrase: Passphrase,
        expected_hash: bytes | None = None,
        dealer: Enrolment | None = None,
        key: AnySecret | None = None,
        privacy_ledger: str | os.PathLike[str] | None = None,
    ) -> "PartyFolder":
        """Check what the dealer sent, and set up a party: once for each federation and party.

        Args:
            path: where; nothing may be there yet. The folder appears whole or not at all.
            signed_federation: the dealer's file.
            identity: the party's, which is saved again under ``passphrase``.
            passphrase: opens the folder's secrets; a ``MachineKey`` does it at once, without
                anybody who types.
            expected_hash: pins the federation, as for ``Federation.from_signed``.
            dealer: pins it by its dealer, instead or as well. The party then accepts renewals by
                this dealer (``renew``).
            key: what this party holds of the key: a share, the whole key, or nothing.
            privacy_ledger: the ledger to go on with, of a contributor whose data contributed
                before. None for a new one with the federation's budget.

        Raises:
            FileExistsError: there is something at ``path``: what was answered is never forgotten.
            PolicyRefusedError: the federation is another one than was pinned, or does not know the
                identity.
            SignatureError, MalformedDataError, InvalidKeyError: as ``Federation.from_signed``.
            InvalidArgumentError, KeyMismatchError: the key is missing, or is not this party's.
            LedgerError: the privacy ledger to go on with cannot be read, or is for the other kind
                of noise.
        """
        path = arguments.path("path", path)
        signed = as_bytes(signed_federation, "signed_federation")
        arguments.instance("identity", identity, Identity)
        check_passphrase(passphrase)
        check_secret("key", key)
        if privacy_ledger is not None:
            privacy_ledger = arguments.path("privacy_ledger", privacy_ledger)
        federation = Federation.from_signed(signed, expected_hash=expected_hash, dealer=dealer)
        roles = _roles(federation, identity.enrol())
        _check_given(federation, roles, key, privacy_ledger)
        with new_folder(path) as staged:
            (staged / _FEDERATION).write_bytes(signed)
            identity.save(staged / _IDENTITY, passphrase=passphrase)
            if key is not None:
                key.save(staged / _key_file(federation), passphrase=passphrase)
            for role in roles:
                ledger_of_role = RoundLedger.create(staged / _ROUNDS[role], role=role)
                ledger_of_role.pin(RunName.of(federation))
            ledger = _PRIVACY if privacy_ledger is None else os.path.abspath(privacy_ledger)
            noise = federation.noise
            if Role.CONTRIBUTOR in roles and noise is not None and privacy_ledger is None:
                Ledger.create(
                    staged / _PRIVACY, epsilon=noise.epsilon, delta=noise.delta, unit=noise.unit
                )
            about = _About(_FEDERATION, federation.hash, dealer, ledger)
            (staged / _ABOUT).write_bytes(about.to_json())
            # The parties are made once for their own checks, before the folder is there.
            party = cls(staged)
            if Role.HOLDER in roles and key is not None:
                party._key_holder(identity, key)
            if Role.CONTRIBUTOR in roles:
                party._contributor(identity)
        return cls(path)

    def renew(self, signed_federation: BytesLike) -> "PartyFolder":
        """Go on with a renewal: the same agreement with a higher serial number, for another run.

        Nobody need be asked: the party has pinned the dealer. It keeps its key and its ledgers, of
        what it has answered and of the privacy that it has spent. The same renewal again changes
        nothing.

        Args:
            signed_federation: what the dealer's ``veilsum deal --renew`` made.

        Returns:
            The party as it is now; this object stays as it was.

        Raises:
            PolicyRefusedError: the party was joined by the hash alone; the file is by another
                dealer, is older than what was pinned, or changes more than serial number, run, last
                day and aggregator.
            SignatureError, MalformedDataError, InvalidKeyError: as ``Federation.from_signed``.
            LedgerError: a ledger is missing or damaged.
            StoreInUseError: the folder is renewed by another process.
        """
        signed = as_bytes(signed_federation, "signed_federation")
        busy = f"{self._folder} is being renewed by another process; try again when it is done"
        lock = lock_file(self._folder / _RENEWAL, busy=busy)
        try:
            PartyFolder(self._folder)._renew(signed)
        finally:
            os.close(lock)
        return PartyFolder(self.path)

    def _renew(self, signed: bytes) -> None:
        if self.dealer is None:
            raise PolicyRefusedError(
                f"the party of {self.path} has pinned one federation by its hash, and no dealer "
                "whose renewals it could accept; join with the dealer's enrolment as well "
                "(veilsum join --hash ... --dealer ...)"
            )
        before = self.federation
        new = Federation.from_signed(signed, dealer=self.dealer, pinned_serial=before.serial)
        if new == before:
            return
        if not new.is_renewal_of(before) or new.serial == before.serial:
            raise PolicyRefusedError(
                "this is no renewal of the federation that was joined: it changes more than serial "
                "number, run, last day and aggregator. Join it with a new folder"
            )
        ledgers = [RoundLedger.open(self._folder / _ROUNDS[role]) for role in self.roles]
        name = f"federation-{new.serial}.veil"
        write_file(self._folder / name, [signed], overwrite=True)
        about = self._about._replace(file=name, federation=new.hash)
        # From here on the party goes by the new one: one rename, so never half.
        write_file(self._folder / _ABOUT, [about.to_json()], overwrite=True)
        for ledger in ledgers:
            ledger.pin(RunName.of(new))
        for path in self._folder.iterdir():
            if _FEDERATIONS.fullmatch(path.name) and path.name != name:
                with suppress(OSError):
                    path.unlink()

    def identity(self, *, passphrase: Passphrase) -> Identity:
        """The party's name and signing key; errors as ``Identity.load``."""
        return Identity.load(self._folder / _IDENTITY, passphrase=passphrase)

    def contributor(self, *, passphrase: Passphrase) -> Contributor:
        """The party as a contributor, which keeps its last contribution to hand it out again.

        Raises:
            PassphraseError: the passphrase is another one, or a file was changed.
            LedgerError: a ledger is missing or damaged. It is never made anew.
            InvalidArgumentError: the federation does not have the party in this part.
        """
        self._check_role(Role.CONTRIBUTOR)
        return self._contributor(self.identity(passphrase=passphrase))

    def key_holder(self, *, passphrase: Passphrase) -> KeyHolder:
        """The party as a holder of the key or of a share; errors as ``contributor``."""
        self._check_role(Role.HOLDER)
        key = self._key(passphrase)
        return self._key_holder(self.identity(passphrase=passphrase), key)

    def rounds(self, role: Role) -> RoundLedger | None:
        """What the party has answered in this part; None if the federation does not know it there.

        Raises:
            LedgerError: the ledger is missing or damaged.
        """
        arguments.instance("role", role, Role)
        return RoundLedger.open(self._folder / _ROUNDS[role]) if role in self.roles else None

    @property
    def privacy_ledger(self) -> Ledger | None:
        """What a contributor has spent; None where nobody adds noise.

        Raises:
            LedgerError: the ledger is missing or damaged.
        """
        if self.federation.noise is None or Role.CONTRIBUTOR not in self.roles:
            return None
        return Ledger.open(self._folder / self._about.privacy_ledger)

    def __repr__(self) -> str:
        return f"<PartyFolder: {self.path}, federation {self.federation.hash[:8].hex()}>"

    def _check_role(self, role: Role) -> None:
        if role not in self.roles:
            what = "contributor" if role is Role.CONTRIBUTOR else "holder of the key"
            raise InvalidArgumentError(
                f"{self.enrolment.name} is no {what} in the federation of {self.path}"
            )

    def _key(self, passphrase: Passphrase) -> AnySecret:
        file = self._folder / _key_file(self.federation)
        return self.federation.bodies.secret_type.load(file, passphrase=passphrase)

    def _contributor(self, identity: Identity) -> Contributor:
        return Contributor(
            self.federation,
            identity,
            rounds=RoundLedger.open(self._folder / _ROUNDS[Role.CONTRIBUTOR]),
            ledger=self.privacy_ledger,
            outbox=Outbox(self._folder / _OUTBOX),
        )

    def _key_holder(self, identity: Identity, key: AnySecret) -> KeyHolder:
        rounds = RoundLedger.open(self._folder / _ROUNDS[Role.HOLDER])
        sums = KeptSums(self._folder / _SUMS)
        return KeyHolder(self.federation, identity, key=key, rounds=rounds, sums=sums)


def _key_file(federation: Federation) -> str:
    return f"party.{federation.bodies.secret_type.SUFFIX}"


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors about what is in a file say in which; a missing one is an error of the folder."""
    try:
        yield
    except FileNotFoundError:
        raise MalformedDataError(
            f"{file.parent} is no whole party's folder: there is no {file.name} in it"
        ) from None
    except MalformedDataError as error:
        if str(file) in str(error):
            raise
        raise MalformedDataError(f"{file}: {error}") from error


class _About(NamedTuple):
    """What ``party.json`` says: which federation is pinned, by whom, and whose budget it is."""

    file: str
    federation: bytes
    dealer: Enrolment | None
    privacy_ledger: str

    def to_json(self) -> bytes:
        about = {
            "veilsum": "party",
            "version": _VERSION,
            "federation": self.federation.hex(),
            "federation_file": self.file,
            "dealer": None if self.dealer is None else self.dealer.to_bytes().hex(),
            "privacy_ledger": self.privacy_ledger,
        }
        return (json.dumps(about, indent=2) + "\n").encode()


def _read_about(path: Path) -> _About:
    try:
        about = json.loads(
            read_file(path, max_bytes=_MAX_ABOUT_BYTES, what="the description of a party's folder")
        )
        if (about["veilsum"], about["version"]) != ("party", _VERSION):
            raise ValueError
        dealer, ledger = about["dealer"], about["privacy_ledger"]
        if not isinstance(ledger, str) or "\0" in ledger:
            raise ValueError
        found = _About(
            file=about["federation_file"],
            federation=bytes.fromhex(about["federation"]),
            dealer=None if dealer is None else Enrolment.from_bytes(bytes.fromhex(dealer)),
            privacy_ledger=ledger,
        )
        if len(found.federation) != HASH_BYTES or not _FEDERATIONS.fullmatch(found.file):
            raise ValueError
    except (FileNotFoundError, NotADirectoryError):
        raise MalformedDataError(
            f"{path.parent} is no party's folder: there is no {path.name} in it"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MalformedDataError(
            f"{path} does not describe a party's folder of this version; a folder of an older one "
            "is joined anew, with a new federation"
        ) from None
    return found


def _roles(federation: Federation, party: Enrolment) -> tuple[Role, ...]:
    """In which parts the federation knows the party."""
    known = {
        Role.CONTRIBUTOR: federation.contributor(party.name),
        Role.HOLDER: federation.holder(party.name),
    }
    roles = tuple(role for role, enrolment in known.items() if enrolment == party)
    if roles:
        return roles
    if any(known.values()):
        raise PolicyRefusedError(
            f"the federation has {party.name} with another signing key: the dealer was given "
            "another enrolment than this identity's"
        )
    raise PolicyRefusedError(f"{party.name} is on no roster of the federation")


def _check_given(
    federation: Federation,
    roles: tuple[Role, ...],
    key: AnySecret | None,
    privacy_ledger: str | os.PathLike[str] | None,
) -> None:
    """That a holder has its key and nobody else has one; and that a ledger has a use."""
    if Role.HOLDER in roles and key is None:
        suffix = federation.bodies.secret_type.SUFFIX
        raise InvalidArgumentError(
            f"this party holds the key: the dealer's {suffix} file is missing"
        )
    if Role.HOLDER not in roles and key is not None:
        raise InvalidArgumentError(
            "in this federation others hold the key; a contributor must not have it"
        )
    if privacy_ledger is None:
        return
    if Role.CONTRIBUTOR not in roles or federation.noise is None:
        raise InvalidArgumentError("a privacy ledger is for contributors that add noise")
    ledger = Ledger.open(privacy_ledger)
    if (ledger.budget[1] > 0) != (federation.noise.delta > 0):
        raise LedgerError(
            f"the privacy ledger {os.fspath(privacy_ledger)} is for the other kind of noise: a "
            "ledger with a delta adds up Gaussian noise, and one without a delta Laplace noise"
        )
    if ledger.unit != federation.noise.unit:
        raise LedgerError(
            f"the privacy ledger {os.fspath(privacy_ledger)} counts what is spent of each "
            f"{ledger.unit}, and the federation's noise protects each {federation.noise.unit}; "
            "go on with a ledger of that, or leave it out for a new one"
        )
