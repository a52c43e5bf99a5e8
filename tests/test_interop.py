"""Ciphertexts travel to and from phe 1.5.0, another Paillier library, under the same key."""

import subprocess
import sys
from pathlib import Path

import pytest
import veilsum as vs
from known_keys import known_key
from phe import paillier as phe
from test_readme import python_blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "interop.md"
MESSAGES = [0, 1, -1, 123456789, -(2**200)]


class Both:
    """One key in both libraries."""

    def __init__(self, bits):
        known = known_key(bits)
        self.secret, self.public, self.n = known.secret, known.public, known.n
        self.phe_public = phe.PaillierPublicKey(known.n)
        self.phe_secret = phe.PaillierPrivateKey(self.phe_public, known.p, known.q)

    def phe_open(self, ciphertexts):
        """What phe decrypts our ciphertexts to; it counts residues from 0."""
        residues = [self.phe_secret.raw_decrypt(c) for c in ciphertexts.to_ints()]
        return [m - self.n if m > self.n // 2 else m for m in residues]

    def phe_encrypt(self, messages):
        """The integers of phe's ciphertexts."""
        return [self.phe_public.raw_encrypt(m % self.n) for m in messages]


@pytest.fixture(scope="module", params=[2048, 3072])
def both(request):
    return Both(request.param)


def test_phe_decrypts_our_ciphertexts(both):
    assert both.phe_open(both.public.encrypt(MESSAGES)) == MESSAGES
    assert both.phe_open(both.secret.encrypt(MESSAGES)) == MESSAGES


def test_phe_decrypts_our_sums_and_products(both):
    c = both.public.encrypt(MESSAGES)
    assert both.phe_open(c + c - 5) == [2 * m - 5 for m in MESSAGES]
    assert both.phe_open(c * [3, -3, 2**40, 0, 1]) == [0, -3, -(2**40), 0, -(2**200)]
    assert both.phe_open(c.sum()) == [sum(MESSAGES)]
    assert both.phe_open(-c.rerandomise()) == [-m for m in MESSAGES]


def test_we_decrypt_phe_ciphertexts(both):
    ciphertexts = vs.Ciphertexts.from_ints(both.phe_encrypt(MESSAGES), both.public)
    assert both.secret.decrypt(ciphertexts) == MESSAGES


def test_we_decrypt_phe_sums_and_products(both):
    a, b = (both.phe_public.encrypt(m) for m in (1000, -17))
    results = [a + b, a * 7, b * -3, a + 4]
    ints = [result.ciphertext(be_secure=False) for result in results]
    ciphertexts = vs.Ciphertexts.from_ints(ints, both.public)
    assert both.secret.decrypt(ciphertexts) == [983, 7000, 51, 1004]


def test_ciphertexts_of_both_add(both):
    theirs = vs.Ciphertexts.from_ints(both.phe_encrypt(MESSAGES), both.public)
    total = both.public.encrypt(MESSAGES) + theirs
    assert both.secret.decrypt(total) == both.phe_open(total) == [2 * m for m in MESSAGES]


def test_key_known_by_phe_modulus_encrypts_for_phe(both):
    public = vs.PublicKey.from_modulus(both.phe_public.n)
    assert public.n == both.n
    c = public.encrypt(MESSAGES)
    assert both.phe_open(c + 1) == [m + 1 for m in MESSAGES]
    assert both.phe_open(c.rerandomise()) == MESSAGES


def test_phe_secret_keys_are_taken_over(both):
    secret = vs.SecretKey.from_primes(both.phe_secret.p, both.phe_secret.q)
    assert secret.public_key == both.public
    theirs = vs.Ciphertexts.from_ints(both.phe_encrypt(MESSAGES), secret.public_key)
    assert secret.decrypt(theirs) == MESSAGES


def test_example_of_the_page_runs():
    blocks = list(python_blocks(PAGE.read_text()))
    assert blocks
    names = {"__name__": "interop"}
    for line, code in blocks:
        exec(compile("\n" * line + code, str(PAGE), "exec"), names)


def test_recipe_of_multiprocessing_runs_as_a_program(tmp_path):
    (code,) = (code for _, code in python_blocks(PAGE.read_text()) if "__main__" in code)
    (tmp_path / "program.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_what_cannot_be_found_out_decrypts_to_another_number(both):
    """An integer in Montgomery form, and one under another generator: what the page warns of."""
    n_squared = both.n**2
    (c,) = both.phe_encrypt([5])
    montgomery = c * pow(2, 4140, n_squared) % n_squared
    other_generator = pow(both.n + 1, 3 * 5, n_squared) * pow(7, both.n, n_squared) % n_squared
    for wrong in (montgomery, other_generator):
        read = vs.Ciphertexts.from_ints([wrong], both.public)
        assert both.secret.decrypt(read) != [5]
