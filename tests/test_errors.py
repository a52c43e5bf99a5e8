"""Only documented errors: the C++ codes match the classes, and no wrong call gets another error."""

import re
from pathlib import Path

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from odd_values import assert_documented_errors
from shared_keys import shared_key
from veilsum import errors, hazmat

ROOT = Path(__file__).resolve().parent.parent

# The builtin that each class also is: STYLE for users who catch what Python would raise.
BUILTINS = {
    "BudgetExhaustedError": PermissionError,
    "CapacityError": OverflowError,
    "ConcurrentUseError": RuntimeError,
    "EntropyError": OSError,
    "InternalError": RuntimeError,
    "InvalidArgumentError": ValueError,
    "InvalidCiphertextError": ValueError,
    "InvalidKeyError": ValueError,
    "KeyMismatchError": ValueError,
    "LedgerError": OSError,
    "MalformedDataError": ValueError,
    "MissingExtraError": ImportError,
    "NoMeanError": ArithmeticError,
    "NotEnoughSharesError": RuntimeError,
    "PassphraseError": ValueError,
    "PolicyRefusedError": PermissionError,
    "PoolExhaustedError": RuntimeError,
    "ProofError": ValueError,
    "ProtocolError": ValueError,
    "RunEndedError": RuntimeError,
    "SignatureError": ValueError,
    "StoreInUseError": BlockingIOError,
}
ONLY_IN_PYTHON = {
    "BudgetExhaustedError",
    "ConcurrentUseError",
    "LedgerError",
    "MissingExtraError",
    "NoMeanError",
    "PassphraseError",
    "PolicyRefusedError",
    "ProtocolError",
    "RunEndedError",
    "SignatureError",
    "StoreInUseError",
}


def cpp_codes():
    header = (ROOT / "cpp/veilsum/base/error.hpp").read_text()
    body = re.search(r"enum class Errc \{(.*?)\};", header, re.DOTALL).group(1)
    return re.findall(r"^\s*(\w+),", body, re.MULTILINE)


def mapped_classes():
    source = (ROOT / "src/errors.cpp").read_text()
    return dict(re.findall(r'case veilsum::Errc::(\w+): return "(\w+)";', source))


def test_every_cpp_code_has_one_class():
    codes, classes = cpp_codes(), mapped_classes()
    # `cancelled` hands on the Python exception that stopped the call.
    assert set(codes) - set(classes) == {"cancelled"}
    assert set(classes) <= set(codes)
    assert len(set(classes.values())) == len(classes)
    assert set(classes.values()) | ONLY_IN_PYTHON == set(BUILTINS)


def test_every_class_is_also_the_builtin_a_user_would_guess():
    assert set(errors.__all__) == {*BUILTINS, "VeilsumError"}
    for name, builtin in BUILTINS.items():
        error = getattr(errors, name)
        assert issubclass(error, errors.VeilsumError)
        assert issubclass(error, builtin)
        assert getattr(vs, name) is error


def test_every_class_says_when_it_is_raised():
    for name in errors.__all__:
        assert len(getattr(errors, name).__doc__) > 20


# ---- a battery of wrong calls ----


def calls():
    """Name and function of one argument, for every public function and parameter."""
    known = known_key(2048)
    pk, sk = known.public, known.secret
    c = pk.encrypt([1, -2, 3])
    matrix = vs.Ciphertexts.from_ints([c.to_ints(), c.to_ints()], pk)
    codec = vs.Codec(3, clip=1.0, value_bits=8, max_addends=2)
    floats = np.zeros(3)
    vector = codec.encrypt(floats, key=pk)
    plaintexts = sk.decrypt_plaintexts(vector.ciphertexts)
    yield "generate_key", vs.generate_key
    yield "generate_key threads", lambda x: vs.generate_key(2049, num_threads=x)
    yield "PublicKey.from_bytes", vs.PublicKey.from_bytes
    yield "PublicKey.from_modulus", vs.PublicKey.from_modulus
    yield "encrypt", pk.encrypt
    yield "encrypt pool", lambda x: pk.encrypt([1], pool=x)
    yield "encrypt threads", lambda x: pk.encrypt([1], num_threads=x)
    yield "encrypt progress", lambda x: pk.encrypt([1], progress=None if callable(x) else x)
    yield "precompute", pk.precompute
    yield "precompute threads", lambda x: pk.precompute(1, num_threads=x)
    yield "owner encrypt", sk.encrypt
    yield "owner encrypt threads", lambda x: sk.encrypt([1], num_threads=x)
    yield "decrypt", sk.decrypt
    yield "decrypt_int64", sk.decrypt_int64
    yield "decrypt_plaintexts", sk.decrypt_plaintexts
    yield "decrypt threads", lambda x: sk.decrypt(c, num_threads=x)
    yield "load passphrase", lambda x: vs.SecretKey.load(__file__, passphrase=x)
    yield "Ciphertexts.from_bytes", lambda x: vs.Ciphertexts.from_bytes(x, pk)
    yield "Ciphertexts.from_bytes key", lambda x: vs.Ciphertexts.from_bytes(c.to_bytes(), x)
    yield "Ciphertexts.from_ints", lambda x: vs.Ciphertexts.from_ints(x, pk)
    yield "Ciphertexts.from_ints key", lambda x: vs.Ciphertexts.from_ints([1], x)
    for name, batch in (("vector", c), ("matrix", matrix)):
        yield f"{name} +", lambda x, b=batch: b + x
        yield f"+ {name}", lambda x, b=batch: x + b
        yield f"{name} -", lambda x, b=batch: b - x
        yield f"- {name}", lambda x, b=batch: x - b
        yield f"{name} *", lambda x, b=batch: b * x
        yield f"{name} multiply_vartime", lambda x, b=batch: b.multiply_vartime(x)
        yield f"{name} @", lambda x, b=batch: b @ x
        yield f"@ {name}", lambda x, b=batch: x @ b
        yield f"{name} matrix_product_vartime", lambda x, b=batch: b.matrix_product_vartime(x)
        yield f"{name} sum", lambda x, b=batch: b.sum(axis=x)
        yield f"{name} []", lambda x, b=batch: b[x]
        yield f"{name} ==", lambda x, b=batch: b == x
    yield "concatenate", vs.Ciphertexts.concatenate
    yield "concatenate part", lambda x: vs.Ciphertexts.concatenate([c, x])
    yield "hazmat.secret_key", lambda x: hazmat.secret_key(x, 7)
    yield "hazmat.encrypt m", lambda x: hazmat.encrypt(pk, x, [2])
    yield "hazmat.encrypt r", lambda x: hazmat.encrypt(pk, [1], x)
    yield "hazmat.encrypt key", lambda x: hazmat.encrypt(x, [1], [2])
    rng = vs.cpu()["rng"]
    yield "hazmat.keystream name", lambda x: hazmat.keystream(x, bytes(32), 0)
    yield "hazmat.keystream key", lambda x: hazmat.keystream(rng, x, 0)
    yield "hazmat.keystream size", lambda x: hazmat.keystream(rng, bytes(32), x)
    yield "hazmat.keystream start", lambda x: hazmat.keystream(rng, bytes(32), 0, start=x)
    yield "hazmat.random_bytes", hazmat.random_bytes
    options = {"clip": 1.0, "value_bits": 8, "max_addends": 2}
    yield "Codec dim", lambda x: vs.Codec(x, **options)
    for name in ("clip", "value_bits", "max_addends", "norm", "rounding", "noise_bound"):
        yield f"Codec {name}", lambda x, n=name: vs.Codec(3, **{**options, n: x})
    yield "Codec norm_bound", lambda x: vs.Codec(3, **options, norm="l2", norm_bound=x)
    yield "Codec.encrypt", lambda x: codec.encrypt(x, key=pk)
    for name in ("key", "weight", "noise", "pool", "num_threads", "scheme", "context"):
        yield f"Codec.encrypt {name}", lambda x, n=name: codec.encrypt(floats, **{"key": pk, n: x})
    yield "Codec.decrypt", lambda x: codec.decrypt(x, sk)
    yield "Codec.decrypt key", lambda x: codec.decrypt(vector, x)
    yield "Codec.decode", lambda x: codec.decode(x, key=pk, num_addends=1)
    yield "Codec.decode addends", lambda x: codec.decode(plaintexts, key=pk, num_addends=x)
    yield "slots_per_ciphertext", codec.slots_per_ciphertext
    yield "EncryptedVector +", lambda x: vector + x
    yield "EncryptedVector.from_bytes", lambda x: vs.EncryptedVector.from_bytes(x, pk)
    yield "Accumulator codec", lambda x: vs.Accumulator(x, key=pk)
    yield "Accumulator key", lambda x: vs.Accumulator(codec, key=x)
    threshold_key = shared_key().key
    share = shared_key().shares[0]
    batch = threshold_key.public_key.encrypt([1])
    partial = share.decrypt(batch, context=b"")
    combination = vs.threshold.Combination(threshold_key, batch, context=b"")
    policy = {"num_holders": 5, "threshold": 4, "max_colluding_holders": 2}
    _, proof = pk.encrypt_and_prove([1, -2, 3], context=b"")
    yield "encrypt_and_prove", lambda x: pk.encrypt_and_prove(x, context=b"")
    for name in ("context", "first", "chunk", "pool", "num_threads"):
        yield (
            f"encrypt_and_prove {name}",
            lambda x, n=name: pk.encrypt_and_prove([1], **{"context": b"", n: x}),
        )
    yield "PlaintextProof.from_bytes", lambda x: vs.PlaintextProof.from_bytes(x, pk)
    yield "PlaintextProof key", lambda x: vs.PlaintextProof.from_bytes(proof.to_bytes(), x)
    yield "PlaintextProof.verify", lambda x: proof.verify(x, context=b"")
    for name in ("context", "num_threads"):
        yield (
            f"PlaintextProof.verify {name}",
            lambda x, n=name: proof.verify(c, **{"context": b"", n: x}),
        )
    yield "deal_shares", lambda x: vs.threshold.deal_shares(x, **policy)
    for name in policy:
        yield (
            f"deal_shares {name}",
            lambda x, n=name: vs.threshold.deal_shares(sk, **{**policy, n: x}),
        )
    yield "ThresholdKey.from_bytes", vs.threshold.ThresholdKey.from_bytes
    yield "ThresholdKey ==", lambda x: threshold_key == x
    yield "combine", lambda x: threshold_key.combine(x, [partial], context=b"")
    yield "combine partials", lambda x: threshold_key.combine(batch, x, context=b"")
    yield "combine context", lambda x: threshold_key.combine(batch, [partial], context=x)
    yield "KeyShare.decrypt", lambda x: share.decrypt(x, context=b"")
    for name in ("context", "first", "num_threads", "progress"):
        options = {"context": b"", "progress": None}
        yield (
            f"KeyShare.decrypt {name}",
            lambda x, n=name, o=options: share.decrypt(
                batch, **{**o, n: None if n == "progress" and callable(x) else x}
            ),
        )
    yield "KeyShare.load passphrase", lambda x: vs.threshold.KeyShare.load(__file__, passphrase=x)
    read_partial = vs.threshold.PartialDecryption.from_bytes
    yield "PartialDecryption.from_bytes", lambda x: read_partial(x, threshold_key)
    yield "PartialDecryption.from_bytes key", lambda x: read_partial(partial.to_bytes(), x)
    yield "Combination key", lambda x: vs.threshold.Combination(x, batch, context=b"")
    yield "Combination.add", combination.add
    yield "Combination.open threads", lambda x: combination.open(num_threads=x)
    yield "Accumulator.add", vs.Accumulator(codec, key=pk).add


CALL_NAMES = [name for name, _ in calls()]


@pytest.mark.parametrize("name", CALL_NAMES)
@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_wrong_calls_get_documented_errors_only(name):
    refused = assert_documented_errors(name, dict(calls())[name])
    assert refused or name.endswith("=="), "nothing was refused"


def test_bools_and_floats_are_never_integers(key):
    c = key.public.encrypt([1])
    for value in (True, False, 1.0, np.float64(2), [1.0], [True], np.array([1.0]), np.bool_(1)):
        for call in (key.public.encrypt, key.secret.encrypt, c.__add__, c.__mul__, c.__sub__):
            with pytest.raises(TypeError):
                call(value)


def test_floats_get_the_hint_to_a_codec(key):
    for value in (1.5, [1.5], np.array([1.5])):
        with pytest.raises(TypeError, match="Codec"):
            key.public.encrypt(value)


def test_shapes_that_do_not_fit_are_named(key):
    c = key.public.encrypt([[1, 2, 3], [4, 5, 6]])
    for wrong in (
        lambda: c + np.array([1, 2]),
        lambda: c * [[1]] * 2 + [1, 2, 3, 4],
        lambda: c + c[:, :2],
    ):
        with pytest.raises(vs.InvalidArgumentError, match=r"\(2, 3\)"):
            wrong()


def test_ciphertexts_are_no_plaintexts(key):
    c = key.public.encrypt([1, 2])
    for wrong in (lambda: c * c, lambda: c @ c, lambda: key.public.encrypt(c)):
        with pytest.raises(TypeError, match="Ciphertexts"):
            wrong()
