"""The number theory and the commands of veilsum.compat.phe, with pheutil beside them."""

import json
import math
import subprocess
import sys

import phe_keys
import pytest
from veilsum.compat.phe import util

keys, small_allowed = phe_keys.keys, phe_keys.small_allowed


def test_primality_is_that_of_trial_division():
    for n in range(-5, 3000):
        expected = n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))
        assert util.is_prime(n) == expected
        if n > 3:
            assert util.miller_rabin(n, 30) == expected
    assert util.first_primes == [n for n in range(17864) if util.is_prime(n)]
    assert len(util.first_primes) == 2048


def test_commands_read_what_pheutil_writes(tmp_path, small_allowed):
    testing = pytest.importorskip("click.testing")
    from phe import command_line as other
    from veilsum.compat.phe import command_line as ours

    def run(program, *words):
        done = testing.CliRunner().invoke(program.cli, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    key, public, number, total = (tmp_path / name for name in ("k", "pub", "n", "sum"))
    for first, second in ((ours, other), (other, ours)):
        run(first, "genpkey", "--keysize", 256, key)
        run(second, "extract", key, public)
        run(first, "encrypt", public, "--output", number, "--", -1.5)
        run(second, "add", public, number, 3, "--output", total)
        run(first, "multiply", public, total, 2.5, "--output", number)
        run(second, "addenc", public, number, total, "--output", number)
        for program in (first, second):
            assert "5.25" in run(program, "decrypt", key, number)
    key.unlink()
    run(ours, "genpkey", "--keysize", 256, key)
    assert key.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize(
    "text",
    ["", "[]", "5", '{"v": 5, "e": 0}', '{"v": "x", "e": 0}', '{"v": "5"}', '{"v": "0", "e": 0}',
     '{"v": "5", "e": true}', '{"v": "-5", "e": 0}', "[" * 60000, '{"v": "' + "9" * 60000 + '"'],
)  # fmt: skip
def test_broken_files_end_in_a_line(tmp_path, keys, text):
    testing = pytest.importorskip("click.testing")
    from veilsum.compat.phe import command_line

    public, number = tmp_path / "pub", tmp_path / "number"
    jwk = {"kty": "DAJ", "alg": "PAI-GN1", "n": util.int_to_base64(keys[0].n)}
    public.write_text(json.dumps(jwk))
    number.write_text(text)
    for words in (["add", public, number, "3"], ["add", number, number, "3"]):
        done = testing.CliRunner().invoke(command_line.cli, [str(word) for word in words])
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")


def test_commands_without_click_name_the_extra():
    code = """
import sys
sys.modules["click"] = None
from veilsum.compat.phe import paillier
try: from veilsum.compat.phe import command_line
except ImportError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "veilsum[cli]" in done.stdout
