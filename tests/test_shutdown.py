"""The interpreter ends while daemon threads are in native calls: quietly, with exit status 0."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 60

START = textwrap.dedent(
    """
    import threading, time
    import numpy as np
    import veilsum as vs
    from veilsum import hazmat
    from known_keys import known_key
    from shared_keys import shared_key
    key = known_key(2048)
    pk, sk = key.public, key.secret
    codec = vs.Codec(300_000, clip=1.0, value_bits=16, max_addends=2)
    values = np.ones(300_000)
    c = pk.encrypt(np.arange(3_000))
    data = c.to_bytes()
    ints = c.to_ints()
    vector = codec.encrypt(values, key=sk)
    shared = shared_key()
    batch = shared.key.public_key.encrypt([1] * 200)
    class Index:
        def __index__(self):
            time.sleep(0.001)
            return 1
    def slowly(done, total):
        time.sleep(0.01)
    def refused(call):
        try:
            call()
        except vs.InvalidArgumentError:
            pass
    {functions}
    def repeat(function):
        started.wait()
        while True:
            function()
    functions = [globals()[f"work_{{i}}"] for i in range({num_operations})] * 2
    started = threading.Barrier(len(functions) + 1)
    for function in functions:
        threading.Thread(target=repeat, args=(function,), daemon=True).start()
    started.wait()
    time.sleep(0.2)
    print("ended")
    """
)

OPERATIONS = {
    "encrypt": "pk.encrypt(values.astype(int))",
    "encrypt on one thread": "key.classic.encrypt([1] * 20_000, num_threads=1)",
    "many small calls": "pk.encrypt([1])",
    "progress": "key.classic.encrypt([1] * 20_000, progress=lambda done, total: None)",
    "progress that sleeps": "key.classic.encrypt([1] * 20_000, progress=slowly)",
    "owner encrypt": "sk.encrypt(values.astype(int))",
    "decrypt": "sk.decrypt(c)",
    "generate_key": "vs.generate_key(4096)",
    "precompute": "pk.precompute(1000)",
    "noise": "vs.noise.discrete_gaussian(100.0, 30_000_000)",
    "little noise": "vs.noise.discrete_gaussian(100.0, 10)",
    "quantise": "codec.quantise(values)",
    "encrypt a vector": "codec.encrypt(values, key=sk)",
    "open a vector": "codec.decrypt(vector, sk)",
    "accumulate": "a = vs.Accumulator(codec, key=pk); a.add(vector); a.total",
    "add": "c + c",
    "multiply": "c * 12345",
    "from_bytes": "vs.Ciphertexts.from_bytes(data, pk)",
    "to_bytes": "c.to_bytes()",
    "to_ints": "c.to_ints()",
    "from_ints": "vs.Ciphertexts.from_ints(ints, pk)",
    "lists of ints": "pk.encrypt([10**30] * 1000)",
    "Python code in a conversion": "pk.encrypt([Index()] * 100)",
    "refusals": "refused(lambda: pk.encrypt([2**4000]))",
    "holder": "shared.shares[0].decrypt(batch, context=b'')",
    "prove": "pk.encrypt_and_prove([1] * 100, context=b'')",
    "keystream": "hazmat.keystream('chacha20-portable', bytes(32), 2**26)",
    "random bytes": "hazmat.random_bytes(np.empty(2**26, np.uint8))",
}


def run_python(code):
    """Runs code in a new interpreter that knows the test keys; returns what it printed."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


QUICK = {
    "encrypt",
    "many small calls",
    "progress that sleeps",
    "generate_key",
    "noise",
    "quantise",
    "to_ints",
}


def end_during(operations):
    """Ends an interpreter in which two daemon threads run each of these lines again and again."""
    functions = "\n".join(f"def work_{i}(): {line}" for i, line in enumerate(operations))
    code = START.format(functions=functions, num_operations=len(operations))
    assert run_python(code) == "ended\n"


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OPERATIONS],
)
def test_daemon_thread_in_a_native_call_ends_with_the_interpreter(name):
    end_during([OPERATIONS[name]])


def test_daemon_threads_in_all_native_calls_end_with_the_interpreter():
    end_during(list(OPERATIONS.values()))


def test_thread_that_ends_the_interpreter_may_still_call():
    # Modules are torn down after CPython has begun to end all other threads.
    code = """
        import veilsum as vs
        from known_keys import known_key
        class Late:
            def __del__(self, key=known_key(2048), print=print, values=[1] * 2000):
                seen = []
                c = key.public.encrypt(values, progress=lambda *call: seen.append(call))
                print(len(c), seen[-1], key.secret.decrypt(c[:2]))
                try:
                    key.public.encrypt([2**4000])
                except ValueError as error:
                    print(type(error).__name__)
        late = Late()
    """
    assert run_python(textwrap.dedent(code)) == "2000 (2000, 2000) [1, 1]\nInvalidArgumentError\n"


def test_bindings_have_one_way_to_give_up_the_gil():
    sources = sorted((ROOT / "src").glob("*pp"))
    assert len(sources) > 10
    for path in sources:
        text = re.sub(r"//[^\n]*", "", path.read_text())
        assert "gil_scoped" not in text, path
        if path.stem != "gil":
            assert not re.search(r"PyEval_(Save|Restore)Thread|PyErr_CheckSignals", text) or (
                path.name == "execution.cpp"
            ), path
