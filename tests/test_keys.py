"""Keys: how they are made, shown, copied and kept in files."""

import copy
import pickle
import stat
from math import gcd

import gmpy2
import pytest
import veilsum as vs
from known_keys import known_key
from reference import paillier as reference
from veilsum import hazmat, keyfile

PASSPHRASE = "a passphrase of the tests"


@pytest.fixture
def key_path(key, tmp_path, cheap_key_files):
    path = tmp_path / "secret.key"
    key.secret.save(path, passphrase=PASSPHRASE)
    return path


def primes_of(secret):
    data = bytes(secret._native.to_secret_bytes())
    half = len(data) // 2
    return int.from_bytes(data[:half], "little"), int.from_bytes(data[half:], "little")


def assert_promised_form(secret, bits):
    p, q = primes_of(secret)
    assert gmpy2.is_prime(p, 40)
    assert gmpy2.is_prime(q, 40)
    assert p.bit_length() == q.bit_length() == bits // 2
    assert secret.public_key.n == p * q
    assert secret.public_key.key_bits == (p * q).bit_length() == bits
    assert reference.is_djn_form(p, q)
    assert gcd(p * q, (p - 1) * (q - 1)) == 1
    assert abs(p - q).bit_length() > bits // 2 - 100


# ---- making ----


def test_generated_keys_have_the_promised_form_and_differ():
    keys = [vs.generate_key(2048) for _ in range(2)]
    for secret in keys:
        assert_promised_form(secret, 2048)
        assert secret.decrypt(secret.public_key.encrypt([5, -6])) == [5, -6]
    assert keys[0].public_key != keys[1].public_key


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2050, 3072, 4096])
def test_generated_keys_of_other_sizes_have_the_promised_form(bits):
    assert_promised_form(vs.generate_key(bits), bits)


def test_generated_safe_primes_are_safe():
    secret = vs.generate_key(2048, safe_primes=True)
    assert_promised_form(secret, 2048)
    assert all(gmpy2.is_prime((prime - 1) // 2, 40) for prime in primes_of(secret))


@pytest.mark.parametrize("bits", [-2048, 0, 1024, 2047, 2049, 16386, 2**40, 2**80])
def test_key_sizes_that_are_not_allowed_are_refused(bits):
    with pytest.raises(vs.InvalidArgumentError, match="3072"):
        vs.generate_key(bits)


def test_order_of_the_primes_makes_no_difference(key):
    swapped = hazmat.secret_key(key.q, key.p)
    assert swapped.public_key == key.public
    assert swapped.decrypt(key.public.encrypt([2**2000, -3])) == [2**2000, -3]


# ---- showing and copying ----


def test_public_keys_pickle_and_copy(key):
    for twin in (
        pickle.loads(pickle.dumps(key.public)),
        copy.copy(key.public),
        copy.deepcopy(key.public),
    ):
        assert twin == key.public
        assert hash(twin) == hash(key.public)
        assert key.secret.decrypt(twin.encrypt([9])) == [9]
    assert key.public != known_key("2048-other").public
    assert key.public != "something else"


def test_secrets_refuse_pickling_and_copying(key):
    pool = key.public.precompute(1)
    plaintexts = key.secret.decrypt_plaintexts(key.public.encrypt([1]))
    for secret in (key.secret, key.secret._native, pool, pool._native, plaintexts):
        for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                duplicate(secret)
    assert len(pool) == 1


def test_representations_show_no_secret(key):
    p, q = key.p, key.q
    pool = key.public.precompute(1)
    plaintexts = key.secret.decrypt_plaintexts(key.public.encrypt([987654321]))
    for secret in (key.secret, key.secret._native, pool, plaintexts):
        shown = repr(secret) + str(secret)
        for value in (p, q, key.n, 987654321):
            assert str(value) not in shown
            assert f"{value:x}" not in shown.lower()
        assert len(shown) < 200
    assert "2048" in repr(key.secret)
    assert not hasattr(key.secret, "__dict__")


# ---- key files ----


def test_key_file_round_trip(key, key_path):
    for passphrase in (PASSPHRASE, PASSPHRASE.encode()):
        loaded = vs.SecretKey.load(str(key_path), passphrase=passphrase)
        assert loaded.public_key == key.public
        assert loaded.decrypt(key.public.encrypt([-77])) == [-77]


def test_key_file_hides_the_primes(key, key_path):
    data = key_path.read_bytes()
    for prime in (key.p, key.q):
        for order in ("little", "big"):
            assert prime.to_bytes(128, order)[:16] not in data
    key.secret.save(key_path, passphrase=PASSPHRASE, overwrite=True)
    again = key_path.read_bytes()
    assert again[19:47] != data[19:47], "salt and nonce are fresh"


def test_key_file_is_for_its_owner_only(key_path):
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600


def test_key_file_is_overwritten_only_on_request(key, other_key, key_path):
    before = key_path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite"):
        other_key.secret.save(key_path, passphrase=PASSPHRASE)
    assert key_path.read_bytes() == before
    other_key.secret.save(key_path, passphrase=PASSPHRASE, overwrite=True)
    loaded = vs.SecretKey.load(key_path, passphrase=PASSPHRASE)
    assert loaded.public_key == other_key.public
    assert [path.name for path in key_path.parent.iterdir()] == [key_path.name]


def test_failed_save_leaves_nothing_behind(key, tmp_path, monkeypatch, cheap_key_files):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(keyfile.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        key.secret.save(tmp_path / "secret.key", passphrase=PASSPHRASE)
    assert list(tmp_path.iterdir()) == []


def test_new_key_files_ask_for_the_usual_scrypt_cost():
    assert keyfile._LOG2_COST >= 17


def test_wrong_passphrase_is_refused(key_path):
    for wrong in (PASSPHRASE + " ", PASSPHRASE.upper(), b"\0"):
        with pytest.raises(vs.PassphraseError, match="passphrase"):
            vs.SecretKey.load(key_path, passphrase=wrong)


@pytest.mark.parametrize("passphrase", ["", b""])
def test_empty_passphrase_is_refused(key, tmp_path, key_path, passphrase):
    with pytest.raises(vs.InvalidArgumentError, match="passphrase"):
        key.secret.save(tmp_path / "new.key", passphrase=passphrase)
    assert not (tmp_path / "new.key").exists()
    with pytest.raises(vs.InvalidArgumentError, match="passphrase"):
        vs.SecretKey.load(key_path, passphrase=passphrase)


def test_passphrase_that_is_no_text_is_refused(key, tmp_path, key_path):
    for passphrase in ("\ud800" * 12, "a passphrase\udcff"):
        with pytest.raises(vs.InvalidArgumentError, match="passphrase has lone surrogates"):
            key.secret.save(tmp_path / "new.key", passphrase=passphrase)
        with pytest.raises(vs.InvalidArgumentError, match="passphrase has lone surrogates"):
            vs.SecretKey.load(key_path, passphrase=passphrase)
    assert not (tmp_path / "new.key").exists()


@pytest.mark.parametrize("part", range(4))
def test_every_flipped_byte_is_refused(key_path, part):
    data = key_path.read_bytes()
    header = range(47)
    positions = [*header, *range(47, len(data), 23), len(data) - 1][part::4]
    for position in positions:
        damaged = bytearray(data)
        damaged[position] ^= 0x01
        key_path.write_bytes(damaged)
        with pytest.raises((vs.MalformedDataError, vs.PassphraseError, vs.InvalidKeyError)):
            vs.SecretKey.load(key_path, passphrase=PASSPHRASE)
        assert key_path.read_bytes() == damaged


def test_truncated_and_extended_files_are_refused(key_path):
    data = key_path.read_bytes()
    for size in [*range(0, 60), *range(60, len(data), 37), len(data) - 1]:
        key_path.write_bytes(data[:size])
        with pytest.raises(vs.MalformedDataError):
            vs.SecretKey.load(key_path, passphrase=PASSPHRASE)
    for tail in (b"\0", data):
        key_path.write_bytes(data + tail)
        with pytest.raises(vs.MalformedDataError):
            vs.SecretKey.load(key_path, passphrase=PASSPHRASE)


PARAMETERS = [(13, 8, 1), (21, 8, 1), (255, 8, 1), (0, 8, 1), (14, 0, 1), (14, 9, 1), (14, 8, 0)]


@pytest.mark.parametrize("parameters", [*PARAMETERS, (14, 8, 5), (14, 255, 255)])
def test_scrypt_parameters_are_refused_before_any_work(key_path, monkeypatch, parameters):
    def scrypt(*_, **__):
        raise AssertionError("the passphrase was hashed")

    data = bytearray(key_path.read_bytes())
    data[16:19] = bytes(parameters)
    key_path.write_bytes(data)
    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", scrypt)
    with pytest.raises(vs.MalformedDataError, match="scrypt"):
        vs.SecretKey.load(key_path, passphrase=PASSPHRASE)


def test_swapped_public_key_is_refused(key, other_key, tmp_path, key_path):
    # By someone who cannot open the file: the tag covers the public key.
    data = key_path.read_bytes()
    swapped = data.replace(key.public.to_bytes(), other_key.public.to_bytes())
    assert swapped != data
    key_path.write_bytes(swapped)
    with pytest.raises(vs.PassphraseError):
        vs.SecretKey.load(key_path, passphrase=PASSPHRASE)
    # By someone who can: the primes do not make the modulus.
    secret = bytes(key.secret._native.to_secret_bytes())
    key_path.write_bytes(keyfile.seal(secret, other_key.public.to_bytes(), PASSPHRASE))
    with pytest.raises(vs.InvalidKeyError, match="SK4"):
        vs.SecretKey.load(key_path, passphrase=PASSPHRASE)


def test_file_too_long_to_be_a_key_file_is_refused_unread(tmp_path):
    path = tmp_path / "endless.key"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(vs.MalformedDataError, match="too long"):
        vs.SecretKey.load(path, passphrase=PASSPHRASE)


def test_missing_file_is_the_builtin_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        vs.SecretKey.load(tmp_path / "none.key", passphrase=PASSPHRASE)


def test_toy_keys_are_not_saved(tmp_path):
    with pytest.raises(vs.InvalidArgumentError, match="is not saved"):
        hazmat.secret_key(7, 11).save(tmp_path / "key", passphrase="x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("build", [vs.PublicKey, vs.SecretKey, vs.RandomiserPool])
def test_keys_are_not_built_from_anything_else(build):
    with pytest.raises(TypeError, match="make a"):
        build(5)
