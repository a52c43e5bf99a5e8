"""What is in a file: of keys, secrets and agreements here, of messages in ``messages``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from veilsum import keyfile
from veilsum.cli.findings import Agreed, Contents
from veilsum.cli.messages import MESSAGES
from veilsum.cli.records import look_at_folder, look_at_ledger
from veilsum.cli.terms import roster_facts, terms_facts
from veilsum.durable import open_file
from veilsum.errors import MalformedDataError, PolicyRefusedError
from veilsum.identity import Enrolment
from veilsum.paillier.public_key import PublicKey
from veilsum.secure_sum import Federation, ThresholdKey
from veilsum.wire import FRAME_BYTES, WireKind, split_frames, wire_kind

__all__ = ["look_at"]

_PIECE_BYTES = 1 << 20
_MAX_FRAME_BYTES = 1 << 30
_SQLITE = b"SQLite format 3\0"
_AGREEMENTS = (WireKind.FEDERATION, WireKind.SIGNED_FEDERATION)
_UNPINNED = "the federation itself; give --hash, as the dealer told it"


def look_at(path: Path, agreed: Agreed, contents: Contents) -> None:
    """Fill ``contents``, as far as the file can be read; a VeilsumError says what is wrong.

    Raises:
        VeilsumError: the file is broken, or does not verify against ``agreed``.
    """
    if path.is_dir():
        look_at_folder(path, contents)
        return
    with open_file(path, what="a file of veilsum") as file:
        head = file.read(FRAME_BYTES)
    if head == _SQLITE:
        look_at_ledger(path, contents)
        return
    kind = _kind_of(head)
    contents.facts["kind"] = kind.name.lower().replace("_", " ")
    contents.facts["version"] = head[5]
    contents.facts["bytes"] = path.stat().st_size
    frames = _Frames(path)
    if kind in MESSAGES:
        MESSAGES[kind](frames, agreed, contents)
    else:
        _ALONE[kind](next(frames), agreed, contents)
    if agreed.federation is not None and agreed.pin is None and kind not in _AGREEMENTS:
        contents.unchecked.append(_UNPINNED)
    if next(frames, None) is not None:
        raise MalformedDataError("more messages follow, where one belongs")
    contents.facts["file_sha256"] = frames.digest.hexdigest()


def _kind_of(head: bytes) -> WireKind:
    try:
        return wire_kind(head)
    except MalformedDataError as error:
        raise MalformedDataError(
            f"this is not a file that this version of veilsum reads: {error}"
        ) from error


class _Frames(Iterator[bytes]):
    """The framed messages in a file, one at a time in memory, and the file's hash."""

    def __init__(self, path: Path) -> None:
        self.digest = hashlib.sha256()
        self._frames = split_frames(self._pieces(path), max_frame_bytes=_MAX_FRAME_BYTES)

    def __next__(self) -> bytes:
        return next(self._frames)

    def _pieces(self, path: Path) -> Iterator[bytes]:
        with open_file(path, what="a file of veilsum") as file:
            while piece := file.read(_PIECE_BYTES):
                self.digest.update(piece)
                yield piece


# ---- keys ----


def _public_key(data: bytes, agreed: Agreed, contents: Contents) -> None:
    key = PublicKey.from_bytes(data)
    form = "made by veilsum" if data[FRAME_BYTES] else "of another library, by its modulus"
    contents.facts |= {
        "key_bits": key.key_bits,
        "form": form,
        "fingerprint": key.fingerprint.hex(),
    }
    if agreed.federation is not None:
        _require(key == agreed.federation.public_key, "this is another key than the federation's")
        contents.checked.append("it is the federation's public key")


def _threshold_key(data: bytes, agreed: Agreed, contents: Contents) -> None:
    key = ThresholdKey.from_bytes(data)
    contents.facts |= {
        "key_bits": key.public_key.key_bits,
        "threshold": key.threshold,
        "num_holders": key.num_holders,
        "max_colluding_holders": key.max_colluding_holders,
        "fingerprint": key.fingerprint.hex(),
        "public_key_fingerprint": key.public_key.fingerprint.hex(),
    }
    if agreed.federation is not None:
        _require(key == agreed.federation.key, "this is another key than the federation's")
        contents.checked.append("it is the federation's shared key")


def _key_file(data: bytes, agreed: Agreed, contents: Contents) -> None:
    contents.facts["secret"] = "a Paillier secret key, under a passphrase"
    _public_key(keyfile.public_part(data), agreed, contents)


def _share_file(data: bytes, agreed: Agreed, contents: Contents) -> None:
    contents.facts["secret"] = "one holder's number and share, under a passphrase"
    _threshold_key(keyfile.public_part(data, WireKind.SHARE_FILE), agreed, contents)


# ---- parties ----


def _enrolment(data: bytes, agreed: Agreed, contents: Contents) -> None:
    party = Enrolment.from_bytes(data)
    contents.facts |= {"name": party.name, "fingerprint": party.fingerprint}
    if agreed.federation is not None:
        roles = {
            "contributor": agreed.federation.contributor(party.name),
            "holder": agreed.federation.holder(party.name),
            "aggregator": agreed.federation.aggregator,
        }
        found = [role for role, known in roles.items() if known == party]
        _require(bool(found), f"{party.name} is not on the federation's rosters with this key")
        contents.checked.append(f"{party.name} is {' and '.join(found)} in the federation")


def _identity_file(data: bytes, agreed: Agreed, contents: Contents) -> None:
    contents.facts["secret"] = "a signing key, under a passphrase"
    _enrolment(keyfile.public_part(data, WireKind.IDENTITY_FILE), agreed, contents)


# ---- agreements ----


def _signed_federation(data: bytes, agreed: Agreed, contents: Contents) -> None:
    dealer = Federation.dealer_named_in(data)
    contents.facts |= {"dealer": dealer.name, "dealer_fingerprint": dealer.fingerprint}
    federation = Federation.from_signed(data, dealer=dealer)
    contents.checked.append(f"the signature of {dealer.name}, if the fingerprint is the dealer's")
    _agreement(federation, agreed, contents)


def _federation(data: bytes, agreed: Agreed, contents: Contents) -> None:
    _agreement(Federation.from_bytes(data), agreed, contents)


def _agreement(federation: Federation, agreed: Agreed, contents: Contents) -> None:
    terms = federation.agreement
    contents.facts |= {
        "federation_hash": federation.hash.hex(),
        "key_fingerprint": federation.key.fingerprint.hex(),
        **terms_facts(terms),
        **roster_facts(terms),
    }
    if agreed.pin is None:
        contents.unchecked.append(_UNPINNED)
    else:
        _require(federation.hash == agreed.pin, "its hash is another one than was given")
        contents.checked.append("it has the hash that was given")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise PolicyRefusedError(otherwise)


_ALONE: dict[WireKind, Callable[[bytes, Agreed, Contents], None]] = {
    WireKind.PUBLIC_KEY: _public_key,
    WireKind.THRESHOLD_KEY: _threshold_key,
    WireKind.KEY_FILE: _key_file,
    WireKind.SHARE_FILE: _share_file,
    WireKind.ENROLMENT: _enrolment,
    WireKind.IDENTITY_FILE: _identity_file,
    WireKind.FEDERATION: _federation,
    WireKind.SIGNED_FEDERATION: _signed_federation,
}
