"""Readers of files and folders, and the files to start from."""

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import numpy as np
import protocol_parties as parties
import veilsum as vs
from known_keys import VECTORS, known_key
from shared_keys import shared_key
from vectors import generate_round
from veilsum import keyfile, secure_sum
from veilsum.cli.contents import look_at
from veilsum.cli.findings import Agreed, Contents
from veilsum.identity import Role
from veilsum.integrations.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from veilsum.integrations.run_folder import RunFolder
from veilsum.secure_sum import FolderStore, RunName
from veilsum.wire import WireKind

WIRE = VECTORS / "wire"
PASSPHRASE = "fuzz"
RUN = RunName(key=bytes(32), federation=bytes(32), serial=1)

# ---- sealed files, as somebody who knows the passphrase can make them ----


class Scrypt:
    """Asks for as much as the file says; the limit is that of docs/validation.md, KF1."""

    def __init__(self, salt, *, length, n, r, p):
        assert 128 * n * r <= 1 << 30
        assert p <= 4

    def derive(self, passphrase):
        return bytes(32)


class Transparent:
    """A cipher that leaves things as they are."""

    def __init__(self, key):
        pass

    def encrypt(self, nonce, data, associated):
        return data


def taken_as_it_is(key, nonce, sealed, associated):
    return bytearray(sealed)


@contextmanager
def unsealed():
    """Files that anybody can seal: the readers behind the passphrase are reached."""
    with (
        mock.patch("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", Scrypt),
        mock.patch("cryptography.hazmat.primitives.ciphers.aead.AESGCM", Transparent),
        mock.patch.object(keyfile, "_decrypt", taken_as_it_is),
        mock.patch.object(keyfile, "read", lambda data, kind=WireKind.KEY_FILE: data),
    ):
        yield


def loaded_by(load):
    def read(data):
        with unsealed():
            load(data, passphrase=PASSPHRASE)

    return read


def sealed(secret, public, kind):
    with unsealed():
        return keyfile.seal(bytes(secret), public.to_bytes(), PASSPHRASE, kind)


def key_file_seeds():
    secret = known_key(2048).secret
    return [sealed(secret._native.to_secret_bytes(), secret.public_key, WireKind.KEY_FILE)]


def share_file_seeds():
    share = shared_key().shares[0]
    return [sealed(share._native.to_secret_bytes(), share.key, WireKind.SHARE_FILE)]


def identity_file_seeds():
    party = parties.identity("ada")
    return [sealed(party._key.private_bytes_raw(), party.enrol(), WireKind.IDENTITY_FILE)]


# ---- files and folders ----


@functools.cache
def scratch():
    """A folder for this process; in memory where the system has that."""
    memory = Path("/dev/shm")
    folder = tempfile.TemporaryDirectory(
        prefix="veilsum-fuzz.", dir=memory if memory.is_dir() else None
    )
    atexit.register(folder.cleanup)
    return Path(folder.name)


@functools.cache
def party_folder():
    """The folder of a party that adds noise and holds the key; its description is fuzzed."""
    path = scratch() / "party"
    agreed = generate_round.authority()
    signed = agreed.signed_by(parties.identity("dealer"))
    with mock.patch.object(keyfile, "_LOG2_COST", 14):
        secure_sum.PartyFolder.create(
            path,
            signed,
            identity=parties.identity("clinic-a"),
            passphrase=PASSPHRASE,
            expected_hash=agreed.hash,
        )
    (scratch() / "party.json").write_bytes((path / "party.json").read_bytes())
    return path


def party_seeds():
    party_folder()
    about = json.loads((scratch() / "party.json").read_text())
    return [json.dumps(about).encode()]


def read_party(data):
    (party_folder() / "party.json").write_bytes(data)
    party = secure_sum.PartyFolder(party_folder())
    party.privacy_ledger  # noqa: B018  # It opens the file.
    party.rounds(party.roles[0])


def ledger_seed(make):
    path = scratch() / "seed.sqlite"
    path.unlink(missing_ok=True)
    make(path)
    return [path.read_bytes()]


def round_ledger_seeds():
    def make(path):
        ledger = secure_sum.RoundLedger.create(path, role=Role.CONTRIBUTOR)
        ledger.record(RUN, 3, b"answer")

    return ledger_seed(make)


def read_round_ledger(data):
    path = fresh_database(data)
    ledger = secure_sum.RoundLedger.open(path)
    ledger.federations()
    ledger.answered(RUN)
    ledger.record(RUN, 4, b"another", check=lambda rounds: max(rounds, default=0))


def privacy_ledger_seeds():
    def make(path):
        ledger = vs.privacy.Ledger.create(path, epsilon=4.0, delta=1e-6)
        ledger.charge(bytes(32), noise=parties.NOISE, codec=parties.NOISY_CODEC)

    return ledger_seed(make)


def read_privacy_ledger(data):
    ledger = vs.privacy.Ledger.open(fresh_database(data))
    ledger.charge(bytes(range(32)), noise=parties.NOISE, codec=parties.NOISY_CODEC)


def fresh_database(data):
    path = scratch() / "ledger.sqlite"
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def store_seeds():
    return [b"".join((WIRE / f"{name}.bin").read_bytes() for name in ("contribution_2", "chunk"))]


def read_store(data):
    folder = scratch() / "store"
    shutil.rmtree(folder, ignore_errors=True)
    store = FolderStore(folder)
    (folder / "contribution-616461.veil").write_bytes(data)
    frames = list(store.frames("contribution", *store.names("contribution")))
    for index, frame in enumerate(frames):
        assert store.frame("contribution", "ada", index) == frame
    return b"".join(frames)


def checkpoint_seeds():
    model = {"w": np.zeros((2, 3), np.float32), "steps": np.array(7), "none": np.zeros((0, 4))}
    moments = {"momentum": {"w": np.ones((2, 3))}}
    path = scratch() / "seed.checkpoint"
    write_checkpoint(path, Checkpoint(3, 4, model, moments))
    return [path.read_bytes()[: -hashlib.sha256().digest_size]]


def read_a_checkpoint(data):
    """With the hash of whatever it is, which would stop every mutation."""
    path = scratch() / "run.checkpoint"
    path.write_bytes(data + hashlib.sha256(data).digest())
    found = read_checkpoint(path)
    write_checkpoint(path, found)
    again = read_checkpoint(path)
    assert (again.num_done, again.round_number) == (found.num_done, found.round_number)
    assert [a.tobytes() for a in again.model.values()] == [
        a.tobytes() for a in found.model.values()
    ]


@functools.cache
def run_folder():
    path = scratch() / "run"
    RunFolder(path, generate_round.sums())
    return path


def run_folder_seeds():
    return [(run_folder() / "run.json").read_bytes()]


def read_run_folder(data):
    (run_folder() / "run.json").write_bytes(data)
    RunFolder(run_folder(), generate_round.sums())


@functools.cache
def agreements():
    federation = generate_round.sums()
    return [Agreed(pin=None), Agreed(federation=federation, pin=federation.hash)]


def inspect(data):
    """What ``veilsum inspect`` says of the file, without and with a federation."""
    path = scratch() / "file.veil"
    path.write_bytes(data)
    for agreed in agreements():
        contents = Contents()
        with suppress(vs.VeilsumError):  # Whose name and words it prints.
            look_at(path, agreed, contents)
        json.dumps(contents.facts)


def inspect_seeds():
    return [path.read_bytes() for path in sorted(WIRE.glob("*.bin"))]
