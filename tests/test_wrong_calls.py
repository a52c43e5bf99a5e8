"""Every parameter of keys, ciphertexts, proofs, shared keys and vectors, with every odd value."""

import inspect
import os

import numpy as np
import pytest
import test_threshold_made_together as together
import veilsum as vs
from known_keys import known_key
from odd_values import ALLOWED, ODD, message_mistake
from shared_keys import shared_key
from veilsum import hazmat, keyfile, system, vector, wire
from veilsum.paillier import ciphertexts, floats, proofs, public_key, secret_key, threshold

KEY = known_key(2048)
SHARED = shared_key()
PUBLIC, SECRET = KEY.public, KEY.secret
C = PUBLIC.encrypt([1, -2, 3])
X = PUBLIC.encrypt_floats([1.0, -2.0, 3.0], bound=8)
CODEC = vs.Codec(3, clip=1.0, value_bits=8, max_addends=2)
VECTOR = CODEC.encrypt(np.zeros(3), key=PUBLIC)
BATCH = SHARED.public.encrypt([1])
SHARE = SHARED.shares[0]
PARTIAL = SHARE.decrypt(BATCH, context=b"")
_, PROOF = PUBLIC.encrypt_and_prove([1, -2, 3], context=b"")
PASSPHRASE = "a passphrase of the tests"

MORE_ODD = [
    "\ud800" * 12,
    "a\0b",
    bytearray(b"\x01\x02"),
    10**400,
    1e400,
    np.ma.masked,
    np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
    np.array(5),
    np.int8(-3),
    lambda *_: None,
    C,
    X,
    VECTOR,
    PUBLIC,
    SECRET,
    PARTIAL,
    PROOF,
    CODEC,
    PUBLIC._native,
]
ODD_VALUES = [*ODD, *MORE_ODD]


def subjects():
    """By qualified name: what to call, and arguments that are right."""
    few = {"num_threads": 1}
    watched = {**few, "progress": None}
    yield "generate_key", vs.generate_key, {"key_bits": 2049, "safe_primes": False, **few}
    yield "PublicKey", vs.PublicKey, {"native": PUBLIC._native}
    yield "PublicKey.from_bytes", vs.PublicKey.from_bytes, {"data": PUBLIC.to_bytes()}
    yield "PublicKey.from_modulus", vs.PublicKey.from_modulus, {"n": KEY.n, "g": None}
    yield "PublicKey.load", vs.PublicKey.load, {"path": "public"}
    yield "PublicKey.save", PUBLIC.save, {"path": "new", "overwrite": True}
    yield "PublicKey.encrypt", PUBLIC.encrypt, {"values": [1], "pool": None, **watched}
    encoded = {"precision": 1e-9, "bound": 8.0, **watched}
    pooled = {"values": [1.0], "pool": None, **encoded}
    yield "PublicKey.encrypt_floats", PUBLIC.encrypt_floats, pooled
    proved = {"context": b"", "first": 0, "chunk": 1}
    yield (
        "PublicKey.encrypt_and_prove",
        PUBLIC.encrypt_and_prove,
        {"values": [1], "pool": None, **proved, **watched},
    )
    yield "PublicKey.precompute", PUBLIC.precompute, {"count": 1, "for_proofs": False, **watched}
    yield "RandomiserPool", vs.RandomiserPool, {"native": PUBLIC.precompute(1)._native}
    yield "SecretKey", vs.SecretKey, {"native": SECRET._native}
    yield "SecretKey.from_primes", vs.SecretKey.from_primes, {"p": KEY.p, "q": KEY.q}
    yield "SecretKey.encrypt", SECRET.encrypt, {"values": [1], **watched}
    yield "SecretKey.decrypt", SECRET.decrypt, {"ciphertexts": C, **watched}
    yield "SecretKey.decrypt_int64", SECRET.decrypt_int64, {"ciphertexts": C, **watched}
    yield "SecretKey.decrypt_plaintexts", SECRET.decrypt_plaintexts, {"ciphertexts": C, **watched}
    yield "SecretKey.encrypt_floats", SECRET.encrypt_floats, {"values": [1.0], **encoded}
    yield "SecretKey.decrypt_floats", SECRET.decrypt_floats, {"floats": X, **watched}
    opened = {"path": "secret", "passphrase": PASSPHRASE}
    yield "SecretKey.save", SECRET.save, {**opened, "path": "new", "overwrite": True}
    yield "SecretKey.load", vs.SecretKey.load, opened
    yield "Ciphertexts", vs.Ciphertexts, {"native": C._native, "public_key": PUBLIC}
    read = {"data": C.to_bytes(), "public_key": PUBLIC}
    yield "Ciphertexts.from_bytes", vs.Ciphertexts.from_bytes, read
    ints = {"values": C.to_ints(), "public_key": PUBLIC}
    yield "Ciphertexts.from_ints", vs.Ciphertexts.from_ints, ints
    yield "Ciphertexts.concatenate", vs.Ciphertexts.concatenate, {"parts": [C, C]}
    yield "Ciphertexts.multiply_vartime", C.multiply_vartime, {"scalars": [1, 2, 3]}
    yield "Ciphertexts.matrix_product_vartime", C.matrix_product_vartime, {"matrix": [[1, 2, 3]]}
    yield "Ciphertexts.sum", C.sum, {"axis": None}
    grouped = {"groups": [0, 1, 0], "num_groups": 2, "where": None}
    yield "Ciphertexts.group_sum", C.group_sum, grouped
    yield "Ciphertexts.pack", C.pack, {"bits": 16}
    packed = {"values": [1], "bits": 16, "shape": (1,)}
    yield "Ciphertexts.unpack", vs.Ciphertexts.unpack, packed
    yield "Ciphertexts.reshape", lambda shape: C.reshape(shape), {"shape": (3, 1)}
    yield "EncryptedFloats", vs.EncryptedFloats, {"ciphertexts": C, "scale": X._scale}
    read = {"data": X.to_bytes(), "public_key": PUBLIC}
    yield "EncryptedFloats.from_bytes", vs.EncryptedFloats.from_bytes, read
    taken = {"ciphertexts": C, "bound": 1.0, "unit_exponent": 0}
    yield "EncryptedFloats.from_ciphertexts", vs.EncryptedFloats.from_ciphertexts, taken
    yield "EncryptedFloats.concatenate", vs.EncryptedFloats.concatenate, {"parts": [X, X]}
    yield "EncryptedFloats.decode", X.decode, {"plaintexts": [1, 2, 3]}
    for name, call in (("multiply", X.multiply), ("multiply_vartime", X.multiply_vartime)):
        yield f"EncryptedFloats.{name}", call, {"scalars": [0.5, 1, 2], "precision": None}
    yield (
        "EncryptedFloats.matrix_product_vartime",
        X.matrix_product_vartime,
        {
            "matrix": [[0.5, 2, 3]],
            "precision": None,
        },
    )
    yield "EncryptedFloats.dot", X.dot, {"numbers": [0.5, 2, 3], "precision": None}
    for name, call in (("sum", X.sum), ("mean", X.mean)):
        yield f"EncryptedFloats.{name}", call, {"axis": None}
    yield "EncryptedFloats.group_sum", X.group_sum, grouped
    yield "EncryptedFloats.reshape", lambda shape: X.reshape(shape), {"shape": (3, 1)}
    yield "PlaintextProof", vs.PlaintextProof, {"native": PROOF._native}
    proof = {"data": PROOF.to_bytes(), "public_key": PUBLIC}
    yield "PlaintextProof.from_bytes", vs.PlaintextProof.from_bytes, proof
    yield "PlaintextProof.verify", PROOF.verify, {"ciphertexts": C, "context": b"", **few}
    proofs = vs.PlaintextProofBatch(PUBLIC)
    yield "PlaintextProofBatch", vs.PlaintextProofBatch, {"public_key": PUBLIC}
    given = {"proof": PROOF, "ciphertexts": C, "context": b""}
    yield "PlaintextProofBatch.add", proofs.add, given
    yield "PlaintextProofBatch.wrong", proofs.wrong, few
    policy = {"num_holders": 3, "threshold": 3, "max_colluding_holders": 1}
    yield "deal_shares", threshold.deal_shares, {"secret_key": SECRET, **policy}
    yield "ThresholdKey", threshold.ThresholdKey, {"native": SHARED.key._native}
    yield "ThresholdKey.from_bytes", threshold.ThresholdKey.from_bytes, {"data": b""}
    batch = {"ciphertexts": BATCH, "context": b""}
    yield "ThresholdKey.combine", SHARED.key.combine, {**batch, "partials": [PARTIAL]}
    n, exponents = together.P * together.Q, together.exponents_of(3, 3, 1)
    powers = {"verification_base": 4, "verification_keys": [pow(4, x, n) for x in exponents]}
    given = {"public_key": together.public_key(), **policy, **powers}
    yield "ThresholdKey.made_together", threshold.ThresholdKey.made_together, given
    key = threshold.ThresholdKey.made_together(**given)
    yield "KeyShare", threshold.KeyShare, {"native": SHARE._native}
    given = {"key": key, "holder": 1, "exponent": exponents[0]}
    yield "KeyShare.of_exponent", threshold.KeyShare.of_exponent, given
    yield "KeyShare.decrypt", SHARE.decrypt, {**batch, "first": 0, **watched}
    yield "KeyShare.save", SHARE.save, {**opened, "path": "new", "overwrite": True}
    yield "KeyShare.load", threshold.KeyShare.load, {**opened, "path": "share"}
    yield "PartialDecryption", threshold.PartialDecryption, {"native": PARTIAL._native}
    partial = {"data": PARTIAL.to_bytes(), "key": SHARED.key}
    yield "PartialDecryption.from_bytes", threshold.PartialDecryption.from_bytes, partial
    yield "Combination", threshold.Combination, {"key": SHARED.key, **batch}
    combination = threshold.Combination(SHARED.key, BATCH, context=b"")
    yield "Combination.add", combination.add, {"partial": PARTIAL, **few}
    yield "Combination.open", combination.open, few
    yield "Combination.open_plaintexts", combination.open_plaintexts, few
    whole = {"ciphertexts": VECTOR.ciphertexts, "codec": CODEC, "num_addends": 1, "report": None}
    yield "EncryptedVector", vs.EncryptedVector, {**whole, "masked": None}
    sent = {"data": VECTOR.to_bytes(), "key": PUBLIC}
    yield "EncryptedVector.from_bytes", vs.EncryptedVector.from_bytes, sent
    yield "Accumulator", vs.Accumulator, {"codec": CODEC, "key": PUBLIC}
    yield "Accumulator.add", vs.Accumulator(CODEC, key=PUBLIC).add, {"vector": VECTOR}
    yield "secret_key", hazmat.secret_key, {"p": 7, "q": 11}
    yield "encrypt", hazmat.encrypt, {"public_key": PUBLIC, "m": [1], "r": [2]}
    toy = hazmat.secret_key(23, 59)
    yield "hazmat.deal_shares", hazmat.deal_shares, {"key": toy, "num_holders": 2, "threshold": 1}
    parts = {"key": SHARED.key, "ciphertexts": BATCH, "partials": [PARTIAL]}
    yield "combine", hazmat.combine, parts
    stream = {"name": vs.cpu()["rng"], "key": bytes(32), "size": 1, "start": bytes(16)}
    yield "keystream", hazmat.keystream, stream
    yield "random_bytes", hazmat.random_bytes, {"out": np.zeros(3, np.uint8)}
    yield "thread_count", system.thread_count, {"num_threads": 1}
    yield "watcher", system.watcher, {"progress": None}


SUBJECTS = {name: (call, right) for name, call, right in subjects()}
CASES = [(name, parameter) for name, (_, right) in SUBJECTS.items() for parameter in right]

# What is no argument of a user: codecs have tests of their own, readers are called with names.
ELSEWHERE = {
    *("Codec", "ClipReport", "GridNoise", "Sum", "Reader", "Writer", "WireKind", "Cpu"),
    *(
        "split_frames",
        "wire_kind",
        "wire_size",
        "as_bytes",
        "to_native_key",
        "wrap_dealt",
        "Progress",
    ),
    *("FRAME_BYTES", "BytesLike"),
}


def public_parameters():
    """(qualified name, parameter) of everything that the modules offer."""
    paillier = (secret_key, public_key, ciphertexts, floats, proofs, threshold)
    for module in (*paillier, hazmat, system, wire, vector):
        for name in set(module.__all__) - ELSEWHERE:
            thing = getattr(module, name)
            if not isinstance(thing, type):
                known = (
                    f"hazmat.{name}" if f"hazmat.{name}" in SUBJECTS and module is hazmat else name
                )
                yield from ((known, parameter) for parameter in parameters_of(thing))
                continue
            yield from ((name, parameter) for parameter in parameters_of(thing))
            saved = vars(keyfile.SavedSecret) if issubclass(thing, keyfile.SavedSecret) else {}
            for method, member in {**saved, **vars(thing)}.items():
                if not method.startswith("_") and not isinstance(member, (property, str)):
                    for parameter in parameters_of(getattr(thing, method)):
                        yield f"{name}.{method}", parameter


def parameters_of(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_battery_covers_every_public_parameter():
    assert set(public_parameters()) == set(CASES)


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory):
    """A folder to be wrong in, with a key file of each kind."""
    folder, before = tmp_path_factory.mktemp("wrong"), os.getcwd()
    os.chdir(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("veilsum.keyfile._LOG2_COST", 14)
        PUBLIC.save("public")
        SECRET.save("secret", passphrase=PASSPHRASE)
        SHARE.save("share", passphrase=PASSPHRASE)
        yield folder
    os.chdir(before)


# Values that a parameter of this name takes, among the odd ones, make no error; and a wrong integer
# is told by its position.
NAMES_OF_INTEGERS = {"values", "scalars", "matrix", "numbers", "plaintexts", "m", "r"}


@pytest.mark.parametrize(("name", "parameter"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_wrong_arguments_get_documented_errors_only(name, parameter):
    call, right = SUBJECTS[name]
    num_errors = 0
    for value in ODD_VALUES:
        if parameter == "progress" and callable(value):
            continue  # What it raises is its own.
        try:
            call(**{**right, parameter: value})
        except ALLOWED as error:
            num_errors += 1
            words = str(error)
            shown = f"{name}({parameter}={value!r:.60})"
            mistake = message_mistake(words)
            if type(error) is TypeError and parameter not in NAMES_OF_INTEGERS:
                if parameter.rstrip("s") not in words and not words.startswith("make "):
                    mistake = "does not name the parameter"
            if mistake:
                raise AssertionError(f"{shown}: {mistake}: {error!r}") from error
        except Exception as error:
            raise AssertionError(f"{name}({parameter}={value!r:.60}) raised {error!r}") from error
    assert num_errors > 10, "hardly anything was refused"


def test_memory_that_there_is_not_is_a_memory_error_with_words():
    for call in (
        lambda: PUBLIC.precompute(2**33),
        lambda: PUBLIC.precompute(2**40, for_proofs=True),
    ):
        with pytest.raises(MemoryError, match="memory for this call"):
            call()
    # One value too long for any key would make all others as long.
    with pytest.raises(vs.InvalidArgumentError, match="value 1 has 1000002 bits"):
        PUBLIC.encrypt([1, 2**10**6, *range(10**5)])
