"""One modulus is one key for ciphertexts, in whichever form each side knows it."""

import pickle

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from shared_keys import shared_key
from validation_rules import rule
from veilsum import _core


@pytest.fixture(params=["public", "classic"])
def forms(key, request):
    """The key in both forms, either first."""
    pair = (key.public, key.classic)
    return pair if request.param == "public" else pair[::-1]


def test_operands_of_either_form_go_together(key, forms):
    a, b = forms
    assert a != b
    c, d = a.encrypt([5, 6]), b.encrypt([1, -2])
    for result, opened in (
        (c + d, [6, 4]),
        (c - d, [4, 8]),
        (sum([d, c]), [6, 4]),
        (vs.Ciphertexts.concatenate([c, d]), [5, 6, 1, -2]),
        (vs.Ciphertexts.concatenate([c * 2, d + d]), [10, 12, 2, -4]),
    ):
        assert key.secret.decrypt(result) == opened
    for result in (c + d, c - d, vs.Ciphertexts.concatenate([c, d])):
        assert result.public_key == a
        assert result.rerandomise().to_bytes()[16:48] == a.fingerprint
        assert pickle.loads(pickle.dumps(result)) == result


def test_result_keeps_the_key_of_its_left_side_after_many_additions(key):
    # So many that the powers of R in them are brought back to 0.
    c = key.public.encrypt([1])
    big = key.classic.encrypt([1])
    for _ in range(31):
        big = big + big
    assert (c + big).to_bytes()[16:48] == key.public.fingerprint
    assert key.secret.decrypt(c + big) == [2**31 + 1]


def test_bytes_are_read_with_either_form(key, forms):
    a, b = forms
    c = a.encrypt([3, 4])
    read = vs.Ciphertexts.from_bytes(c.to_bytes(), b)
    assert read.public_key == b
    assert read == c
    assert key.secret.decrypt(read) == [3, 4]


def test_vectors_of_either_form_add_up_and_open(key, forms):
    a, b = forms
    codec = vs.Codec(3, clip=1.0, value_bits=16, max_addends=4)
    ours, theirs = codec.encrypt(np.ones(3), key=a), codec.encrypt(np.ones(3), key=b)
    read = vs.EncryptedVector.from_bytes(theirs.to_bytes(), a)
    accumulator = vs.Accumulator(codec, key=a)
    accumulator.add(ours)
    accumulator.add(theirs)
    for total in (ours + theirs, accumulator.total, ours + read):
        assert total.public_key == a
        opened = codec.decrypt(total, key.secret)
        assert np.allclose(opened.values, 2)
        assert pickle.loads(pickle.dumps(total)).num_addends == 2
    assert read == theirs


def test_pools_serve_the_other_form_where_they_are_as_good(key):
    classic, djn = key.classic.precompute(2), key.public.precompute(2)
    c = key.public.encrypt([7], pool=classic)
    assert c.public_key == key.public
    assert c.to_bytes()[16:48] == key.public.fingerprint
    assert key.secret.decrypt(c) == [7]
    with pytest.raises(vs.KeyMismatchError, match=r"same modulus.*precompute"):
        key.classic.encrypt([7], pool=djn)
    assert len(djn) == 2


def test_proofs_take_pools_of_their_own_form_only(key, forms):
    a, b = forms
    pool = a.precompute(2, for_proofs=True)
    with pytest.raises(vs.KeyMismatchError, match="same modulus"):
        b.encrypt_and_prove([1], context=b"", pool=pool)
    assert len(pool) == 2


def test_key_holders_open_ciphertexts_of_either_form():
    shared = shared_key()
    classic = vs.PublicKey.from_modulus(shared.n)
    c = classic.encrypt([8, -9])
    partials = [share.decrypt(c, context=b"x") for share in shared.shares[:4]]
    same = vs.Ciphertexts.from_bytes(c.to_bytes(), shared.public)
    assert shared.key.combine(same, partials, context=b"x") == [8, -9]
    assert shared.key.combine(c, partials, context=b"x") == [8, -9]


def test_other_moduli_are_told_apart(key, other_key):
    c, d = key.classic.encrypt([1]), other_key.classic.encrypt([1])
    running = _core.CiphertextSum(c._native, 1)
    for wrong in (
        lambda: c + d,
        lambda: key.secret.decrypt(d),
        lambda: vs.Ciphertexts.from_bytes(d.to_bytes(), key.public),
        lambda: vs.Ciphertexts.concatenate([c, d]),
        lambda: running.add(d._native, 1),
        lambda: vs.threshold.Combination(shared_key().key, d, context=b""),
        lambda: shared_key().shares[0].decrypt(d, context=b""),
    ):
        with pytest.raises(vs.KeyMismatchError, match=r"modulus|moduli"):
            wrong()
    assert c != d


# ---- keys of other libraries ----


@rule("PK6")
def test_other_generators_are_refused_by_name(key):
    n = key.n
    assert vs.PublicKey.from_modulus(n, g=n + 1) == key.classic
    assert vs.PublicKey.from_modulus(n, None) == key.classic
    for g in (n, n + 2, 1, 0, -1, 2, (n + 1) ** 2 % n**2):
        with pytest.raises(vs.InvalidKeyError, match="PK6"):
            vs.PublicKey.from_modulus(n, g)
    for g in (True, 1.5, "2", 2.0):
        with pytest.raises(TypeError, match="g must be an int"):
            vs.PublicKey.from_modulus(n, g=g)


def test_secret_key_comes_from_its_primes(key):
    for p, q in ((key.p, key.q), (key.q, key.p)):
        secret = vs.SecretKey.from_primes(p, q)
        assert secret.public_key == key.public
        assert secret.decrypt(key.classic.encrypt([1, -2]) + key.public.encrypt([3, 4])) == [4, 2]


def test_primes_that_make_no_usable_key_are_refused_by_rule(key):
    for p, q, broken in (
        (3, 7, "PK1"),
        (key.p, 3, "PK1"),
        (key.p**9, key.q**9, "PK1"),
        (key.p, key.p, "SK2"),
        (key.p, key.q + 2, "SK1"),
        (key.p * 2, key.q, "SK1"),
        (-key.p, key.q, "SK1"),
    ):
        with pytest.raises(vs.InvalidKeyError, match=broken):
            vs.SecretKey.from_primes(p, q)
    for p in (1.5, "7", None, True):
        with pytest.raises(TypeError, match="p must be an int"):
            vs.SecretKey.from_primes(p, key.q)


# ---- files ----


def test_public_key_is_saved_for_everybody_and_loaded(key, tmp_path):
    path = tmp_path / "ours.public"
    for public in (key.public, key.classic):
        public.save(path, overwrite=True)
        assert path.read_bytes() == public.to_bytes()
        assert path.stat().st_mode & 0o777 == 0o644
        assert vs.PublicKey.load(path) == vs.PublicKey.load(str(path)) == public
    with pytest.raises(FileExistsError):
        key.public.save(path)
    assert vs.PublicKey.load(path) == key.classic
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_public_key_file_is_refused(key, tmp_path):
    with pytest.raises(FileNotFoundError):
        vs.PublicKey.load(tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "long").write_bytes(key.public.to_bytes() + bytes(10**6))
    (tmp_path / "ciphertexts").write_bytes(key.public.encrypt([1]).to_bytes())
    for name in ("empty", "long", "ciphertexts"):
        with pytest.raises(vs.MalformedDataError):
            vs.PublicKey.load(tmp_path / name)
    large = vs.PublicKey.from_modulus(2**16384 - 1)
    large.save(tmp_path / "large")
    assert vs.PublicKey.load(tmp_path / "large") == large
    for path in (1, True, None, b"x", 1.5):
        with pytest.raises(TypeError, match="path must be"):
            vs.PublicKey.load(path)
        with pytest.raises(TypeError, match="path must be"):
            key.public.save(path)
    with pytest.raises(TypeError, match="overwrite"):
        key.public.save(tmp_path / "new", overwrite="no")
    assert not (tmp_path / "new").exists()


def test_keygen_writes_what_load_reads(tmp_path, cheap_key_files):
    from typer.testing import CliRunner
    from veilsum.cli.app import app

    (tmp_path / "pass").write_text("a passphrase of the tests\n")
    (tmp_path / "pass").chmod(0o600)
    options = ["--bits", "2048", "--passphrase-file", str(tmp_path / "pass"), "--out"]
    result = CliRunner().invoke(app, ["keygen", "ours", *options, str(tmp_path)])
    assert result.exit_code == 0, result.output
    public = vs.PublicKey.load(tmp_path / "ours.public")
    secret = vs.SecretKey.load(tmp_path / "ours.key", passphrase="a passphrase of the tests")
    assert public == secret.public_key
    assert known_key(2048).public != public
