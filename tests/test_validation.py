"""One test for each rule of docs/validation.md, and none for a rule that is not there.

Each test also checks that the refusal changed nothing.
"""

import importlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import veilsum as vs
from reference import paillier as reference
from validation_rules import TESTED, rule
from veilsum import hazmat, keyfile

OTHER_MODULES = (
    "test_validation_floats",
    "test_validation_masks",
    "test_validation_messages",
    "test_validation_threshold",
    "test_key_forms",
    "test_record_noise",
    "test_threshold_made_together",
    "test_plaintext_proof",
    "test_privacy",
    "test_privacy_arguments",
    "test_record_noise",
    "test_ledger",
    "test_machine_key",
    "test_identity",
    "test_federation",
    "test_contributor",
    "test_secure_sum",
    "test_one_at_a_time",
    "test_openings",
    "test_locks",
    "test_lock_attacks",
    "test_mask_attacks",
    "test_mask_limits",
    "test_same_model",
    "test_protocol_attacks",
    "test_relay_attacks",
    "test_relay_requests",
    "test_relay_rosters",
    "test_key_holder",
    "test_related_contributions",
    "test_merkle",
    "test_frames",
    "test_round_ledger",
    "test_damaged_ledgers",
    "test_round_store",
    "test_outbox",
    "test_party_folder",
    "test_cli_setup",
    "test_restarts",
    "test_transcript",
    "test_chain",
    "test_invitations",
    "test_invitation_attacks",
    "test_renewals",
    "test_stats",
    "test_stats_refusals",
    "test_cli_stats",
)
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "validation.md"


def documented():
    """Id: (error classes, test, files) of every row; the test is a link to its file."""
    rows = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if named := re.match(r"\| (?:<.*>)?([A-Z]{2}\d+) \|", line):
            name = named[1]
            assert name not in rows, f"{name} is there twice"
            assert cells[0] == f'<a id="{name.lower()}"></a>{name}', f"{name} is no anchor"
            linked = re.fullmatch(r"\[`(test_\w+)`\]\((\.\./tests/\w+\.py)\)", cells[4])
            assert linked, f"the test of {name} is no link"
            code = (DOCUMENT.parent / linked[2]).read_text()
            assert f"def {linked[1]}(" in code, f"{name}: {linked[2]} has no {linked[1]}"
            rows[name] = (re.findall(r"\w+Error", cells[3]), linked[1], cells[2])
    return rows


# ---- PK: public keys ----


def key_message(n, *, form=0, bits=None):
    body = bytes([form]) + (n.bit_length() if bits is None else bits).to_bytes(4, "little")
    return reference.frame(1, body + reference.little_endian(n))


@rule("PK1")
@pytest.mark.parametrize("bits", [1, 64, 1024, 2046, 16385, 20000])
def test_modulus_has_an_allowed_size(bits):
    n = (1 << bits) - 1
    for read in (
        lambda: vs.PublicKey.from_modulus(n),
        lambda: vs.PublicKey.from_bytes(key_message(n)),
    ):
        with pytest.raises(vs.InvalidKeyError, match="PK1"):
            read()
    assert vs.PublicKey.from_modulus((1 << 2047) - 1).key_bits == 2047
    with pytest.raises(vs.InvalidKeyError, match="PK1"):
        vs.PublicKey.from_modulus(-n)


@rule("PK2")
def test_modulus_is_odd():
    for read in (vs.PublicKey.from_modulus, lambda n: vs.PublicKey.from_bytes(key_message(n))):
        with pytest.raises(vs.InvalidKeyError, match="PK2"):
            read(1 << 2047)


@rule("PK3")
def test_modulus_has_the_announced_bits(key):
    for bits in (key.n.bit_length() - 1, key.n.bit_length() - 7):
        with pytest.raises(vs.InvalidKeyError, match="PK3"):
            vs.PublicKey.from_bytes(key_message(key.n, bits=bits))


@rule("PK4")
def test_djn_modulus_is_one_modulo_four(key):
    n = key.n + 2
    assert n % 4 == 3
    with pytest.raises(vs.InvalidKeyError, match="PK4"):
        vs.PublicKey.from_bytes(key_message(n, form=1))
    assert vs.PublicKey.from_bytes(key_message(n, form=0)).n == n


@rule("PK5")
@pytest.mark.parametrize("form", [2, 3, 255])
def test_form_of_a_key_is_known(key, form):
    with pytest.raises(vs.MalformedDataError, match="form"):
        vs.PublicKey.from_bytes(key_message(key.n, form=form))


# ---- SK: secret keys ----


@rule("SK1")
@pytest.mark.parametrize(("p", "q"), [(2, 7), (7, 2), (9, 7), (7, 15), (1, 7), (0, 7), (-5, 7)])
def test_primes_are_odd_primes(p, q):
    with pytest.raises(vs.InvalidKeyError, match="SK1"):
        hazmat.secret_key(p, q)


@rule("SK2")
def test_primes_differ(key):
    for p in (7, key.p):
        with pytest.raises(vs.InvalidKeyError, match="SK2"):
            hazmat.secret_key(p, p)


@rule("SK3")
@pytest.mark.parametrize(("p", "q"), [(3, 7), (7, 3), (5, 11), (11, 23)])
def test_modulus_shares_no_factor_with_its_totient(p, q):
    with pytest.raises(vs.InvalidKeyError, match="SK3"):
        hazmat.secret_key(p, q)


@rule("SK4")
def test_primes_of_a_key_file_make_its_public_key(key, other_key, tmp_path, cheap_key_files):
    path = tmp_path / "secret.key"
    secret = bytes(key.secret._native.to_secret_bytes())
    path.write_bytes(keyfile.seal(secret, other_key.public.to_bytes(), "tests"))
    with pytest.raises(vs.InvalidKeyError, match="SK4"):
        vs.SecretKey.load(path, passphrase="tests")


@rule("SK5")
@pytest.mark.parametrize("bits", [0, 1024, 2047, 2049, 16386, -2048])
def test_size_of_a_new_key_is_allowed(bits):
    with pytest.raises(vs.InvalidArgumentError, match="key_bits"):
        vs.generate_key(bits)


@rule("SK6")
def test_primes_of_another_library_are_of_equal_size_and_apart(key):
    mersenne = 2**1279 - 1
    for p, q in ((2**521 - 1, 2**2203 - 1), (key.p, mersenne), (mersenne, key.q)):
        with pytest.raises(vs.InvalidKeyError, match="SK6"):
            vs.SecretKey.from_primes(p, q)
    close = key.p + 2
    while not pow(2, close - 1, close) == 1:
        close += 2
    for p, q in ((key.p, close), (close, key.p)):
        with pytest.raises(vs.InvalidKeyError, match="SK6"):
            vs.SecretKey.from_primes(p, q)
        assert hazmat.secret_key(p, q).public_key.n == p * q
    assert vs.SecretKey.from_primes(key.q, key.p).public_key == key.public


# ---- CT: ciphertexts ----


def with_digits(key, c0, c1):
    """The wire bytes of one ciphertext with these digits, whatever they are."""
    good = reference.ciphertexts_wire([1], (1,), key.n, is_djn=True)
    return good[:-512] + c0.to_bytes(256, "little") + c1.to_bytes(256, "little")


@rule("CT1")
def test_digits_are_below_n(key):
    n = key.n
    for c0, c1 in ((n, 1), (n + 1, 0), (1, n), (1, 2**2048 - 1), (2**2048 - 1, 0)):
        with pytest.raises(vs.InvalidCiphertextError, match="CT1"):
            vs.Ciphertexts.from_bytes(with_digits(key, c0, c1), key.public)
    for c in (n * n, n * n + 1, 2**5000, -1):
        with pytest.raises(vs.InvalidCiphertextError, match="CT1"):
            vs.Ciphertexts.from_ints([1, c], key.public)
    edge = vs.Ciphertexts.from_bytes(with_digits(key, n - 1, n - 1), key.public)
    assert edge.to_ints() == [n * n - 1]


@rule("CT2")
def test_ciphertexts_are_units(key):
    for c0 in (0, key.p, key.q * 12345):
        with pytest.raises(vs.InvalidCiphertextError, match="CT2"):
            vs.Ciphertexts.from_bytes(with_digits(key, c0, 5), key.public)
        good = key.public.encrypt([1] * 9).to_ints()
        with pytest.raises(vs.InvalidCiphertextError, match="CT2"):
            vs.Ciphertexts.from_ints([*good, c0, *good], key.public)


def changed_fingerprint(wire):
    return wire[:16] + bytes([wire[16] ^ 1]) + wire[17:]


@rule("CT3")
def test_received_ciphertexts_name_the_expected_key(key, other_key):
    for public in (key.public, key.classic):
        c = public.encrypt([1])
        with pytest.raises(vs.KeyMismatchError, match="CT3"):
            vs.Ciphertexts.from_bytes(c.to_bytes(), other_key.public)
        for form in (key.public, key.classic):
            assert vs.Ciphertexts.from_bytes(c.to_bytes(), form) == c
    stranger = changed_fingerprint(key.public.encrypt([1]).to_bytes())
    with pytest.raises(vs.KeyMismatchError, match="CT3"):
        vs.Ciphertexts.from_bytes(stranger, key.public)


@rule("CT4")
@pytest.mark.parametrize("shape", [(), (1, 1, 1), (2,), (0,), (2**63,), (2**40, 0), (0, 2**63)])
def test_announced_shape_fits_the_bytes(key, shape):
    good = reference.ciphertexts_wire([1], (1,), key.n, is_djn=True)
    lengths = b"".join(length.to_bytes(8, "little") for length in shape)
    elements = b"" if shape and shape[-1] % 2**63 == 0 else good[-512:]
    body = good[16:48] + bytes([len(shape)]) + lengths + (elements or (b"x" * (shape == (0,))))
    with pytest.raises(vs.MalformedDataError, match="CT4"):
        vs.Ciphertexts.from_bytes(reference.frame(2, body), key.public)


@rule("CT5")
def test_operands_are_under_one_key(key, other_key):
    c, d = key.public.encrypt([1, 2]), other_key.public.encrypt([1, 2])
    wire = c.to_bytes()
    for wrong in (
        lambda: c + d,
        lambda: c - d,
        lambda: sum([c, d]),
        lambda: vs.Ciphertexts.concatenate([c, d]),
        lambda: other_key.secret.decrypt(c),
        lambda: other_key.secret.decrypt(key.classic.encrypt([1])),
        lambda: c + other_key.classic.encrypt([1, 2]),
    ):
        with pytest.raises(vs.KeyMismatchError, match=r"modulus|moduli"):
            wrong()
    assert c.to_bytes() == wire


@rule("CT6")
def test_shapes_of_operands_fit(key):
    c = key.public.encrypt([[1, 2, 3], [4, 5, 6]])
    wire = c.to_bytes()
    for wrong in (
        lambda: c + c[0],
        lambda: c + np.array([1, 2]),
        lambda: c * [[1], [2], [3]],
        lambda: [1, 2, 3] @ c,
        lambda: c[0] @ [1, 2],
        lambda: c.sum(axis=2),
        lambda: vs.Ciphertexts.concatenate([c, c[0]]),
        lambda: vs.Ciphertexts.concatenate([]),
        lambda: c[None],
    ):
        with pytest.raises(vs.InvalidArgumentError):
            wrong()
    assert c.to_bytes() == wire


# ---- PT: plaintexts ----


@rule("PT1")
def test_plaintexts_lie_within_half_of_n(key):
    half = key.n // 2
    pool = key.public.precompute(2)
    for m in (half + 1, -half - 1, key.n, 2**2048, -(2**2048), 2**9999):
        for encrypt in (
            lambda m: key.public.encrypt([0, m], pool=pool),
            key.public.encrypt,
            key.secret.encrypt,
            lambda m: hazmat.encrypt(key.public, m, 2),
            lambda m: key.public.encrypt([1]) + m,
        ):
            with pytest.raises(vs.InvalidArgumentError, match="n/2"):
                encrypt(m)
    assert len(pool) == 2
    assert key.secret.decrypt(key.public.encrypt([half, -half])) == [half, -half]


@rule("PT2")
@pytest.mark.parametrize("wrong", [1.0, True, None, "1", 1 + 0j, np.float32(1), np.bool_(0)])
def test_plaintexts_are_integers(key, wrong):
    pool = key.public.precompute(1)
    for values in (wrong, [wrong], [1, [wrong]], np.array([wrong], dtype=object)):
        with pytest.raises((TypeError, vs.InvalidArgumentError)) as caught:
            key.public.encrypt(values, pool=pool)
        assert caught.type is TypeError or values == [1, [wrong]]
    assert len(pool) == 1


@rule("PT3")
def test_plaintexts_form_a_vector_or_a_matrix(key):
    for values in ([[[1]]], np.zeros((1, 1, 1), int)):
        with pytest.raises(vs.InvalidArgumentError, match="two dimensions"):
            key.public.encrypt(values)
    with pytest.raises(TypeError):
        key.public.encrypt([[1, 2], [3]])


# ---- RP: randomiser pools ----


@rule("RP1")
def test_pool_gives_each_randomiser_once(key):
    pool = key.public.precompute(3)
    key.public.encrypt([1], pool=pool)
    with pytest.raises(vs.PoolExhaustedError, match="precompute"):
        key.public.encrypt([1, 2, 3], pool=pool)
    assert len(pool) == 2
    made = key.public.encrypt([0, 0], pool=pool).to_ints()
    assert made[0] != made[1]
    with pytest.raises(vs.PoolExhaustedError):
        key.public.encrypt([1], pool=pool)


@rule("RP5")
def test_pool_is_for_proofs_or_not(key):
    pool = key.public.precompute(2)
    with pytest.raises(vs.InvalidArgumentError, match="for_proofs=True"):
        key.public.encrypt_and_prove([1], context=b"", pool=pool)
    assert len(pool) == 2
    pool = key.public.precompute(2, for_proofs=True)
    key.public.encrypt_and_prove([1], context=b"", pool=pool)
    key.public.encrypt([1], pool=pool)
    assert len(pool) == 0


@rule("RP2")
def test_pool_belongs_to_the_key(key, other_key):
    pool = key.public.precompute(1)
    for public in (other_key.public, key.classic):
        with pytest.raises(vs.KeyMismatchError, match="precompute"):
            public.encrypt([1], pool=pool)
    assert len(pool) == 1


@rule("RP3")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # other tests may have left threads
def test_pool_is_empty_in_a_forked_child(key):
    pool = key.public.precompute(2)
    child = os.fork()
    if child == 0:
        try:
            key.public.encrypt([1], pool=pool)
        except vs.PoolExhaustedError:
            os._exit(len(pool))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(pool) == 2


@rule("RP4")
@pytest.mark.parametrize("count", [0, -1, 2**40 + 1, 2**60, 2**64, 2**100])
def test_pool_size_is_bounded(key, count):
    with pytest.raises(vs.InvalidArgumentError, match="count is"):
        key.public.precompute(count)


# ---- every rule has its test ----


def test_rules_and_tests_match():
    for module in OTHER_MODULES:
        importlib.import_module(module)
    assert {name: test for name, (_, test, _) in documented().items()} == TESTED


def test_documented_errors_and_files_exist():
    for name, (errors, _, where) in documented().items():
        assert errors, name
        for error in errors:
            assert hasattr(vs, error) or error in ("TypeError", "FileExistsError"), name
        for path in re.findall(r"`([\w/]+\.(?:[ch]pp|py))`", where):
            assert list(DOCUMENT.parent.parent.glob(f"*/veilsum/{path}")), f"{name}: {path}"


def test_messages_of_key_and_ciphertext_rules_name_them():
    numbered = {
        name
        for name in documented()
        if re.fullmatch(r"PK[1-46]|SK[1-46]|CT[1-4]|KF[17]|MB1|(?:SH|PP)\d+", name)
    }
    root = DOCUMENT.parent.parent
    sources = [
        *root.glob("cpp/veilsum/paillier/*.cpp"),
        root / "cpp/veilsum/lattice/mask_sum.cpp",
        *(
            root / "python/veilsum" / name
            for name in ("keyfile.py", "paillier/public_key.py", "paillier/secret_key.py")
        ),
    ]
    text = "".join(path.read_text() for path in sources)
    named = set(re.findall(r'"([A-Z]{2}\d+): ', text))
    assert named == numbered
