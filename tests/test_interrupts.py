"""Ctrl-C stops every long call soon, and leaves everything as it was."""

import signal
import textwrap
from contextlib import suppress

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from test_concurrency import run_python
from veilsum import _core, hazmat

# What a call may take to stop while other processes use the machine; about 0.1 when idle.
MOST_SECONDS = 2.5

INTERRUPT = """
    import os, signal, threading, time
    import numpy as np
    import veilsum as vs
    from veilsum import _core, hazmat
    from known_keys import known_key
    # A shell starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    key = known_key(2048)
    pk = key.public
    few = pk.encrypt(np.arange(1000))
    def many(count):
        return few[np.arange(count) % 1000]
    {prepare}
    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    sent = []
    threading.Timer({delay}, interrupt).start()
    try:
        while True:
            {operation}
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0])
"""

# What is prepared, what runs again and again, and when it is interrupted. Each takes some seconds.
OPERATIONS = {
    "encrypt": ("", "pk.encrypt(range(10**6))", 0.5),
    "encrypt a list": ("values = list(range(3 * 10**6))", "pk.encrypt(values)", 0.3),
    "encrypt large integers": ("values = [2**1000] * 10**6", "pk.encrypt(values)", 0.3),
    "encrypt an object array": (
        "values = np.arange(3 * 10**6).astype(object)",
        "pk.encrypt(values)",
        0.3,
    ),
    "encrypt an array": ("values = np.arange(3 * 10**6)", "pk.encrypt(values)", 0.3),
    "owner encrypt": ("", "key.secret.encrypt(np.arange(10**6))", 0.5),
    "classic encrypt": ("", "key.classic.encrypt(range(10**5), num_threads=1)", 0.5),
    "progress": ("", "key.classic.encrypt(range(10**5), progress=lambda *call: None)", 0.5),
    "precompute": ("", "pk.precompute(10**6)", 0.5),
    "hazmat.encrypt": ("r = [3] * 10**6", "hazmat.encrypt(pk, range(10**6), r)", 1.5),
    "prove": ("", "pk.encrypt_and_prove(np.arange(10**6), context=b'')", 2),
    "prove in one chunk": (
        "proved, proof = pk.encrypt_and_prove(np.arange(30_000), context=b'', chunk=2**20)",
        "proof.verify(proved, context=b'')",
        0.5,
    ),
    "decrypt": ("c = many(10**6)", "key.secret.decrypt(c)", 0.5),
    "lists of plaintexts": (
        "p = _core.plaintexts_from_list([2**1000] * 10**6)",
        "_core.plaintexts_to_list(p)",
        0.2,
    ),
    "to_ints": ("c = many(600_000)", "c.to_ints()", 0.5),
    "from_ints": ("i = few.to_ints() * 600", "vs.Ciphertexts.from_ints(i, pk)", 0.5),
    "to_bytes": ("c = many(10**6)", "c.to_bytes()", 0.2),
    "concatenate": ("c = many(10**6)", "vs.Ciphertexts.concatenate([c] * 4)", 0.3),
    "take": ("c = many(10**6)", "c[::-1]", 0.2),
    "negate": ("c = many(10**6)", "-c", 0.3),
    "multiply": ("c = many(10**5)", "c * (2**1000)", 0.5),
    "add plaintexts": ("c = many(10**6)", "c + 1", 0.3),
    "sum of a column": ("c = many(10**6)[:, None]", "c.sum(axis=0)", 0.5),
    "sum of a vector": ("c = many(10**6)", "c.sum()", 0.3),
    "group_sum": (
        "c = many(10**6); g = np.random.default_rng(1).integers(0, 97, (10**6, 2))",
        "c.group_sum(g, 97)",
        0.5,
    ),
    "group_sum of nothing": ("g = np.zeros(1000, int)", "few.group_sum(g, 2**20)", 0.5),
    "pack": ("c = many(3 * 10**5)", "c.pack(32)", 0.5),
    "rerandomise": ("c = many(10**6)", "c.rerandomise()", 0.5),
    "matrix product": ("c = many(10**5)", "[[2**1000] * 10**5] @ c", 0.5),
    "product of few with many": ("c = many(10**6)[None, :]", "[[1], [2]] @ c", 6),
    "accumulate": (
        "c = many(10**6); s = _core.CiphertextSum(c._native, 1)",
        "s.add(c._native, 1); s.total()",
        0.5,
    ),
    "generate": ("", "vs.generate_key(8192, safe_primes=True)", 0.5),
    "keystream": ("", "hazmat.keystream('chacha20-portable', bytes(32), 2**30)", 0.3),
    "random bytes": ("out = np.empty(2**31, np.uint8)", "hazmat.random_bytes(out)", 0.3),
}
QUICK = {"encrypt", "progress", "to_ints", "from_ints", "concatenate", "sum of a column"}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OPERATIONS],
)
def test_interrupt_stops_a_long_operation(name):
    prepare, operation, delay = OPERATIONS[name]
    code = textwrap.dedent(INTERRUPT)
    code = code.format(prepare=prepare, operation=operation, delay=delay)
    assert float(run_python(code)) < MOST_SECONDS


def test_primes_that_no_key_can_have_are_refused_before_they_are_tested():
    # Testing one of them takes minutes.
    with pytest.raises(vs.InvalidKeyError, match="PK1"):
        hazmat.secret_key(2**44497 - 1, 2**86243 - 1)


# ---- the same results in pieces ----


def trivial(values, key):
    """Ciphertexts (1 + n)**m, in no time under any key."""
    return vs.Ciphertexts.from_ints([1 + m * key.n for m in values], key)


@pytest.fixture(scope="module")
def toy():
    return hazmat.secret_key(1000003, 1000039)


def test_sums_of_many_terms_are_right(toy):
    few = toy.public_key.encrypt(range(100))
    column = few[np.arange(20_001) % 100]
    total = sum(i % 100 for i in range(20_001))
    assert toy.decrypt(column.sum()) == [total]
    assert toy.decrypt(column[:, None].sum(axis=0)) == [total]
    assert toy.decrypt(column[None, :].sum(axis=1)) == [total]
    pairs = column[np.arange(20_001)[:, None] + np.zeros(3, int)]
    assert toy.decrypt(pairs.sum(axis=0)) == [total] * 3
    assert toy.decrypt(np.ones((2, 20_001), int) @ column) == [total] * 2


def test_progress_of_many_blocks_is_that_of_the_whole(toy):
    for key in (toy, toy.public_key):
        calls = []
        c = key.encrypt(np.arange(150_000) % 7, progress=lambda *call, to=calls: to.append(call))
        assert calls == sorted(calls)
        assert {total for _, total in calls} == {150_000}
        assert calls[-1] == (150_000, 150_000)
        places = [0, 65_536, 75_001, 149_999]
        assert toy.decrypt(c[places]) == [place % 7 for place in places]


def test_rerandomised_blocks_hold_the_same_plaintexts(toy):
    c = toy.public_key.encrypt(np.arange(1000))[np.arange(70_000) % 1000]
    fresh = c.rerandomise()
    assert np.array_equal(toy.decrypt_int64(fresh), np.arange(70_000) % 1000)
    assert not set(fresh[:2000].to_ints()) & set(c[:1000].to_ints())


def test_proof_of_a_large_chunk_holds(key):
    c, proof = key.public.encrypt_and_prove(np.arange(9000), context=b"x", chunk=2**20)
    proof.verify(c, context=b"x")
    assert len(proof.parts()) == 1
    with pytest.raises(vs.ProofError, match="PP5"):
        proof.verify(c + 1, context=b"x")
    classic = hazmat.secret_key(1000003, 1000033).public_key
    c, proof = classic.encrypt_and_prove(np.arange(9000), context=b"", chunk=9000)
    proof.verify(c, context=b"")


class StoppedError(Exception):
    pass


def test_interrupted_addition_leaves_the_accumulator_as_it_was():
    large = vs.PublicKey.from_modulus(2**16384 - 1)
    batch = trivial([3], large)[[0] * 20_000]
    total = _core.CiphertextSum(batch._native, 1)

    def add_for_ever():
        while True:
            total.add(batch._native, 1)

    def stop(*_):
        raise StoppedError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        with pytest.raises(StoppedError):
            add_for_ever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    found = vs.Ciphertexts(total.total(), large)
    assert found[[0, 19_999]] == trivial([3 * total.num_addends] * 2, large)


def test_a_running_sum_counts_what_it_holds_whenever_it_is_interrupted():
    secret = known_key(2048).secret
    codec = vs.Codec(1, clip=1.0, value_bits=8, max_addends=10**9)
    vector = codec.encrypt(np.array([0.0]), key=secret)
    total = vs.Accumulator(codec, key=secret)

    def stop(*_):
        raise StoppedError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for number in range(1000):
            with suppress(StoppedError):
                signal.setitimer(signal.ITIMER_REAL, 1e-4 + number * 1e-6)
                while True:
                    total.add(vector)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert total.num_addends > 1000
    assert codec.decrypt(total.total, secret).weight == total.num_addends
