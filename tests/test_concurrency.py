"""Threads, signals, forks and the environment. What could hang runs in a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import veilsum as vs

TIMEOUT_SECONDS = 60


def run_python(code, **environment):
    """Runs code in a new interpreter that knows the test keys; returns what it printed."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def classic(key):
    """Its encryption is slow: a few milliseconds a value."""
    return key.classic


# ---- threads ----


def test_python_code_runs_during_an_encryption(classic):
    # In the middle of a call that kept the GIL nothing else would run. Around its ends the other
    # thread may, and a busy machine may starve it in one call, not in all of them.
    seen, most, stop = [], 0, threading.Event()

    def look():
        while not stop.is_set():
            seen.append(time.perf_counter())
            time.sleep(0)

    thread = threading.Thread(target=look)
    thread.start()
    end = time.monotonic() + TIMEOUT_SECONDS
    try:
        while most <= 100 and time.monotonic() < end:
            seen.clear()
            began = time.perf_counter()
            classic.encrypt(list(range(100)), num_threads=1)
            quarter = (time.perf_counter() - began) / 4
            most = max(most, sum(began + quarter < at < began + 3 * quarter for at in list(seen)))
    finally:
        stop.set()
        thread.join()
    assert most > 100


def values_for_one_second(key):
    """As many as a thread encrypts in about a second, whatever the kernel: ten progress calls."""
    start = time.perf_counter()
    key.encrypt(list(range(64)), num_threads=1)
    return list(range(int(64 / (time.perf_counter() - start))))


def test_two_threads_encrypt_at_the_same_time(classic):
    both = threading.Barrier(2, timeout=60)  # Each waits for the other, amid its encryption.
    values, met = values_for_one_second(classic), []

    def encrypt(name):
        def progress(done, total):
            if done < total and name not in met:
                both.wait()
                met.append(name)

        classic.encrypt(values, num_threads=1, progress=progress)

    threads = [threading.Thread(target=encrypt, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(met) == ["a", "b"]


@pytest.mark.parametrize("num_threads", [1, 4, 1024])
def test_any_number_of_threads_gives_the_same_plaintexts(key, num_threads):
    values = list(range(-20, 20))
    for encrypt in (key.public.encrypt, key.secret.encrypt):
        c = encrypt(values, num_threads=num_threads)
        assert key.secret.decrypt(c, num_threads=num_threads) == values
        assert len(set(c.to_ints())) == len(values)
    assert len(key.public.precompute(5, num_threads=num_threads)) == 5


def test_threads_share_a_pool_and_never_a_randomiser(key):
    pool = key.public.precompute(40)
    made, failures = [], []

    def drain():
        while True:
            try:
                made.extend(key.public.encrypt([0], pool=pool).to_ints())
            except vs.PoolExhaustedError:
                return
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(made) == len(set(made)) == 40
    assert len(pool) == 0


# ---- progress and Ctrl-C ----


def test_progress_counts_up_to_the_total(classic):
    calls = []
    classic.encrypt(list(range(100)), num_threads=1, progress=lambda *call: calls.append(call))
    assert calls[-1] == (100, 100)
    assert calls == sorted(calls)
    assert all(total == 100 for _, total in calls)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_exception_of_the_progress_callback_comes_through(classic, num_threads):
    class StoppedError(Exception):
        pass

    def stop(done, total):
        raise StoppedError(f"{done} of {total}")

    with pytest.raises(StoppedError):
        classic.encrypt(list(range(10**5)), num_threads=num_threads, progress=stop)
    assert classic.encrypt([1]).shape == (1,)


def test_signal_handler_that_does_not_raise_stops_nothing(classic):
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        assert len(classic.encrypt(list(range(100)), num_threads=1)) == 100
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [1]


# ---- fork ----

FORK = """
    import os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the test
    from known_keys import known_key
    import veilsum as vs
    key = known_key(2048)
    public = key.public
    def report(child):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, child())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            data = file.read()
        os.waitpid(pid, 0)
        return data
    {body}
"""


def run_fork(body):
    return run_python(textwrap.dedent(FORK).format(body=textwrap.dedent(body))).split()


def test_child_of_a_busy_parent_encrypts_and_decrypts():
    words = run_fork("""
stop = threading.Event()
def work():
    while not stop.is_set():
        key.classic.encrypt(list(range(20)), num_threads=2)
        known_key("2048-other").public.encrypt([1])
thread = threading.Thread(target=work)
thread.start()
def child():
    other = known_key("2048-other")
    values = key.secret.decrypt(public.encrypt([5, -6]) + key.secret.encrypt([1, 1]))
    return repr((values, other.secret.decrypt(other.public.encrypt([7])))).encode()
for _ in range(8):
    time.sleep(0.05)
    assert report(child) == b"([6, -5], [7])"
stop.set()
thread.join()
print("done")
""")
    assert words == ["done"]


def test_parent_and_children_never_make_the_same_ciphertext():
    words = run_fork("""
def make():
    made = [public.encrypt([0]), key.secret.encrypt([0]), key.classic.encrypt([0]),
            public.encrypt([1]).rerandomise()]
    return b"".join(c.to_bytes()[-512:] for c in made)
make()  # all generators and tables exist before the fork
parts = [report(make) for _ in range(4)] + [make()]
ciphertexts = [part[i : i + 512] for part in parts for i in range(0, len(part), 512)]
print(len(ciphertexts), len(set(ciphertexts)))
""")
    assert words == ["20", "20"]


def test_pool_is_empty_in_a_child_and_whole_in_its_parent():
    words = run_fork("""
pool = public.precompute(3)
def child():
    try:
        public.encrypt([1], pool=pool)
    except vs.PoolExhaustedError as error:
        assert "fork" in str(error)
        return repr(len(pool)).encode()
    return b"reused"
print(report(child).decode(), len(pool))
print(key.secret.decrypt(public.encrypt([4, 5, 6], pool=pool)), len(pool))
""")
    assert words == ["0", "3", "[4,", "5,", "6]", "0"]


# ---- the environment ----

READ_ENVIRONMENT = """
    import veilsum as vs
    {hold}
    try:
        {call}
    except vs.InvalidArgumentError as error:
        print(error)
"""


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1025", "2 3", "1e3"])
def test_wrong_thread_count_in_the_environment_is_named(value):
    code = READ_ENVIRONMENT.format(hold="", call="vs.cpu()")
    message = run_python(code, VEILSUM_NUM_THREADS=value)
    assert "VEILSUM_NUM_THREADS" in message
    assert value in message
    assert "1 to 1024" in message


def test_wrong_instruction_set_in_the_environment_is_named():
    for call in ("vs.cpu()", "vs.generate_key(2048)"):
        message = run_python(READ_ENVIRONMENT.format(hold="", call=call), VEILSUM_ISA="nonsense")
        assert "VEILSUM_ISA" in message
        assert "nonsense" in message
        assert "portable" in message


def test_environment_is_obeyed():
    shown = run_python(
        "import veilsum; print(veilsum.cpu())", VEILSUM_ISA="portable", VEILSUM_NUM_THREADS="3"
    )
    assert "'kernel': 'portable'" in shown
    assert "'num_threads': 3" in shown
