"""The rules of docs/validation.md for encrypted floats."""

from types import SimpleNamespace

import numpy as np
import pytest
import veilsum as vs
from known_keys import known_key
from validation_rules import rule
from veilsum.paillier.float_message import ENCRYPTED_FLOATS
from veilsum.wire import WireKind, Writer

KEY = known_key(2048)
X = KEY.public.encrypt_floats([0.5, -2.0], bound=8)


def message(**changes):
    """X's bytes, with other fields."""
    return ENCRYPTED_FLOATS.write(SimpleNamespace(**ENCRYPTED_FLOATS.read(X.to_bytes()) | changes))


def refused(data, match):
    with pytest.raises(vs.MalformedDataError, match=match):
        vs.EncryptedFloats.from_bytes(data, KEY.public)


def test_an_unchanged_message_is_read():
    assert message() == X.to_bytes()
    assert vs.EncryptedFloats.from_bytes(message(), KEY.public) == X


@rule("EF1")
def test_the_exponent_of_a_unit_is_bounded():
    for exponent in (-(2**20) - 1, 2**20 + 1, 2**31 - 1, -(2**31)):
        refused(message(unit_exponent=exponent), "EF1")
    for exponent in (-(2**20), 2**20, 0):
        data = message(unit_exponent=exponent)
        assert vs.EncryptedFloats.from_bytes(data, KEY.public).unit_exponent == exponent


@rule("EF2")
def test_a_bound_has_one_form_and_fits_the_key():
    most = (KEY.n - 1) // 2
    for bound in (1, 255, 256, most):
        data = message(bound=bound)
        assert vs.EncryptedFloats.from_bytes(data, KEY.public)._scale.bound == bound
    refused(message(bound=most + 1), "EF2.*bits")
    refused(message(bound=2 ** (8 * 2048) - 1), "EF2.*bits")
    for data in (b"", bytes(1), b"\1\0", b"\1" * 2049):
        writer = Writer(WireKind.ENCRYPTED_FLOATS, 1)
        writer.u32(0)
        writer.u32(len(data))
        writer.bytes(data)
        refused(writer.finish(), "EF2")


@rule("EF3")
def test_an_error_has_one_form():
    for mantissa, exponent in ((2, 0), (0, 1), (2**63 + 1, 0), (2**63, 5), (1, 2**21 + 1)):
        refused(message(error_mantissa=mantissa, error_exponent=exponent), "EF3")
    refused(message(error_mantissa=1, error_exponent=-(2**21) - 1), "EF3")
    for mantissa, exponent in ((0, 0), (1, -(2**21)), (2**63 - 1, 2**21)):
        data = message(error_mantissa=mantissa, error_exponent=exponent)
        error = vs.EncryptedFloats.from_bytes(data, KEY.public)._scale.error
        assert (error.mantissa, error.exponent) == (mantissa, exponent)


@rule("EF4")
def test_floats_that_are_encrypted_are_finite_and_within_their_bound():
    pool = KEY.public.precompute(2)
    for values in ([1.0, np.nan], [np.inf, 1.0], [8.5, 0.0]):
        with pytest.raises(vs.InvalidArgumentError):
            KEY.public.encrypt_floats(values, bound=8, pool=pool)
    assert len(pool) == 2


@rule("EF5")
def test_results_are_refused_that_the_key_has_no_room_for():
    pool = KEY.public.precompute(1)
    with pytest.raises(vs.CapacityError, match="bound="):
        KEY.public.encrypt_floats([1.0], bound=2.0**1000, precision=2.0**-1047, pool=pool)
    assert len(pool) == 1
    x = KEY.public.encrypt_floats([1.0], bound=1, precision=1)
    for room, is_taken in ((2045, True), (2047, False)):
        if is_taken:
            _ = x * 2**room
        else:
            with pytest.raises(vs.CapacityError, match="precision="):
                _ = x * 2**room


@rule("EF6")
def test_an_opened_value_is_within_the_bound_that_was_stated():
    liar = vs.EncryptedFloats.from_bytes(message(bound=2 * 2**30 - 1), KEY.public)
    with pytest.raises(vs.InvalidCiphertextError, match="bound"):
        KEY.secret.decrypt_floats(liar)
    honest = vs.EncryptedFloats.from_bytes(message(bound=2 * 2**30), KEY.public)
    assert KEY.secret.decrypt_floats(honest).tolist() == [0.5, -2.0]
