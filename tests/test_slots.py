"""Packing slots into plaintexts and back, against the reference."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_keys import known_key
from reference import codec as reference
from veilsum import _core
from veilsum.errors import CapacityError, InvalidArgumentError, MalformedDataError

N2048 = 2**2047 + 2**2000 + 1
N3072 = 2**3071 + 1
INT64 = np.iinfo(np.int64)


def layout(num_slots, max_slot, n):
    return _core.SlotLayout(num_slots, max_slot, n.to_bytes((n.bit_length() + 7) // 8, "little"))


def wide_layout(num_plaintexts, num_limbs):
    """32-bit slots that fill whole limbs: a window on plaintexts as integers."""
    return layout(2 * num_limbs * num_plaintexts, 2**31 - 1, 2 ** (64 * num_limbs) - 1)


def integers(plaintexts, num_limbs):
    slots = _core.unpack(plaintexts, wide_layout(len(plaintexts), num_limbs))
    rows = slots.reshape(len(plaintexts), 2 * num_limbs).tolist()
    return [sum(slot << (32 * i) for i, slot in enumerate(row)) for row in rows]


def plaintexts_of(values, num_limbs):
    digits = [v % 2 ** (64 * num_limbs) >> 32 * i & 0xFFFFFFFF for v in values
              for i in range(2 * num_limbs)]  # fmt: skip
    return _core.pack(np.array(digits, np.int64), wide_layout(len(values), num_limbs))


def test_reference_workload_has_the_documented_slots():
    max_slot = _core.max_slot_of(16, 0, 100)
    for n, slots in [(N3072, 133), (2**3072 - 1, 133), (N2048, 89), (2**2048 - 1, 89)]:
        assert layout(1, max_slot, n).slot_bits == 23
        assert layout(1, max_slot, n).slots_per_plaintext == slots
    assert layout(1_000_001, max_slot, N3072).num_plaintexts == 7519


@given(st.integers(1, 2**61 - 1), st.integers(1, 2**300))
def test_slots_per_plaintext_is_the_exact_bound(max_slot, n):
    wanted = reference.slots_per_plaintext(max_slot, n)
    if wanted == 0:
        with pytest.raises(InvalidArgumentError, match="larger key"):
            layout(1, max_slot, n)
    else:
        found = layout(1, max_slot, n)
        assert found.slots_per_plaintext == wanted
        assert found.slot_bits == reference.slot_bits(max_slot)
        assert found.limbs_per_value == -(-n.bit_length() // 64)


@given(st.integers(1, 2**61 - 1), st.integers(1, 40), st.integers(-3, 3))
def test_slots_per_plaintext_is_exact_at_its_edge(max_slot, count, nudge):
    width = reference.slot_bits(max_slot)
    n = 2 * max_slot * (2 ** (width * count) - 1) // (2**width - 1) + nudge
    if n > 0 and reference.slots_per_plaintext(max_slot, n) > 0:
        found = layout(1, max_slot, n).slots_per_plaintext
        assert found == reference.slots_per_plaintext(max_slot, n)


def test_all_combinations_of_extreme_slots_stay_inside_the_modulus():
    for n in (N2048, N3072, 2**2048 - 1):
        for max_slot in (1, 3_276_700, 2**31 - 1, 2**31, 2**61 - 1):
            found = layout(1, max_slot, n)
            count, width = found.slots_per_plaintext, found.slot_bits
            largest = sum(max_slot << (width * i) for i in range(count))
            assert 2 * largest < n <= 2 * (largest + (max_slot << (width * count)))
            assert max_slot < 2 ** (width - 1) <= 2 * max_slot


def test_too_wide_slots_name_the_parameters_to_lower():
    with pytest.raises(
        InvalidArgumentError, match="value_bits, weight_bits, max_addends or noise_bound"
    ):
        _core.max_slot_of(40, 0, 2**22 + 1)
    assert _core.max_slot_of(40, 0, 2**22) == 2**22 * (2**39 - 1)


@st.composite
def packed_cases(draw):
    n = draw(st.integers(2**100, 2**400))
    max_slot = draw(st.integers(1, 2**61 - 1))
    count = reference.slots_per_plaintext(max_slot, n)
    size = draw(st.sampled_from([1, max(1, count - 1), count, count + 1, 3 * count + 1]))
    edge = st.sampled_from([-max_slot, max_slot, 0, -1, 1])
    slots = draw(st.lists(edge | st.integers(-max_slot, max_slot), min_size=size, max_size=size))
    return n, max_slot, slots


@given(packed_cases())
def test_pack_and_unpack_match_the_reference(case):
    n, max_slot, slots = case
    where = layout(len(slots), max_slot, n)
    packed = _core.pack(np.array(slots, np.int64), where)
    expected = reference.pack(slots, max_slot, n)
    assert integers(packed, where.limbs_per_value) == expected
    assert _core.unpack(packed, where).tolist() == slots
    assert reference.unpack(expected, len(slots), max_slot, n) == slots


@pytest.mark.parametrize("pattern", ["high", "low", "alternating", "random"])
@pytest.mark.parametrize("offset", [None, -1, 0, 1])
def test_extreme_slots_round_trip(pattern, offset):
    max_slot = _core.max_slot_of(16, 0, 100)
    size = 1 if offset is None else layout(1, max_slot, N3072).slots_per_plaintext + offset
    sign = {
        "high": np.ones(size),
        "low": -np.ones(size),
        "alternating": 1 - 2 * (np.arange(size) % 2),
    }
    slots = np.random.default_rng(size).integers(-max_slot, max_slot, size, endpoint=True)
    if pattern != "random":
        slots = (sign[pattern] * max_slot).astype(np.int64)
    where = layout(size, max_slot, N3072)
    packed = _core.pack(slots, where)
    assert integers(packed, 48) == reference.pack(slots.tolist(), max_slot, N3072)
    assert all(2 * abs(value) < N3072 for value in integers(packed, 48))
    assert np.array_equal(_core.unpack(packed, where), slots)


EXTREMES = st.sampled_from([INT64.min, INT64.max])


@given(
    st.lists(st.integers(INT64.min, INT64.max) | EXTREMES, min_size=1, max_size=14),
    st.sampled_from([1, 1000, 2**14, 2**30]),  # 2, 11, 16 and 32 bits a slot
)
def test_any_int64_slot_is_packed_as_an_integer(slots, max_slot):
    n = 2**640 - 1
    packed = _core.pack(np.array(slots, np.int64), layout(len(slots), max_slot, n))
    assert integers(packed, 10) == reference.pack(slots, max_slot, n)


def test_a_plaintext_beyond_its_limbs_wraps_in_twos_complement():
    n = 2**128 - 1
    where = layout(2, 2**61 - 1, n)
    assert (where.slot_bits, where.slots_per_plaintext) == (62, 2)
    for slot in (INT64.min, INT64.max):
        packed = _core.pack(np.array([slot, slot], np.int64), where)
        exact = slot + (slot << 62)
        wrapped = (exact + 2**127) % 2**128 - 2**127
        assert integers(packed, 2) == [wrapped]


@given(st.integers(1, 45), st.integers(-(2**490), 2**490))
def test_unpack_refuses_exactly_what_does_not_fit(num_slots, value):
    n, max_slot = 2**512 - 1, 1000
    where = layout(num_slots, max_slot, n)
    expected = reference.unpack([value], num_slots, max_slot, n)
    value_fits = expected is not None
    if value_fits:
        assert _core.unpack(plaintexts_of([value], 8), where).tolist() == expected
    else:
        with pytest.raises(CapacityError, match="does not fit its slots"):
            _core.unpack(plaintexts_of([value], 8), where)


def test_unpack_refuses_values_just_outside():
    where = layout(3, 1000, 2**512 - 1)
    offset = sum(2**10 << (11 * i) for i in range(3))
    for value in (2**33 - 1 - offset, -offset):
        assert len(_core.unpack(plaintexts_of([value], 8), where)) == 3
    for value in (2**33 - offset, -offset - 1, 2**500, -(2**500), 2**63, 2**64):
        with pytest.raises(CapacityError):
            _core.unpack(plaintexts_of([value], 8), where)


def test_unpack_refuses_a_carry_out_of_slots_that_fill_their_limbs():
    where = wide_layout(1, 2)
    assert where.slots_per_plaintext * where.slot_bits == 128
    offset = sum(2**31 << (32 * i) for i in range(4))
    largest = 2**128 - 1 - offset
    assert _core.unpack(plaintexts_of([largest], 2), where).tolist() == [2**31 - 1] * 4
    for value in (largest + 1, 2**127 - 1):
        with pytest.raises(CapacityError):
            _core.unpack(plaintexts_of([value], 2), where)


def test_a_million_slots_round_trip_on_any_number_of_threads():
    max_slot = _core.max_slot_of(16, 0, 100)
    slots = np.random.default_rng(1).integers(-max_slot, max_slot, 1_000_001, endpoint=True)
    where = layout(len(slots), max_slot, N3072)
    for num_threads in (1, 2, 3):
        packed = _core.pack(slots, where, num_threads)
        assert np.array_equal(_core.unpack(packed, where, num_threads), slots)


def test_pack_and_unpack_refuse_wrong_shapes_and_types():
    where = layout(10, 1000, N2048)
    with pytest.raises(InvalidArgumentError):
        _core.pack(np.zeros(9, np.int64), where)
    with pytest.raises(InvalidArgumentError, match="1-D"):
        _core.pack(np.zeros((2, 5), np.int64), where)
    for dtype in (np.int32, np.uint64, np.float64):
        with pytest.raises(TypeError):
            _core.pack(np.zeros(10, dtype), where)
    packed = _core.pack(np.zeros(10, np.int64), where)
    for other in (layout(1000, 1000, N2048), layout(10, 1000, N3072)):
        with pytest.raises(InvalidArgumentError):
            _core.unpack(packed, other)


def test_plaintexts_show_nothing_and_cannot_be_copied():
    packed = _core.pack(np.full(10, 77, np.int64), layout(10, 1000, N2048))
    assert len(packed) == 1
    assert repr(packed) == "<Plaintexts: 1 values>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, bytes, list, memoryview):
        with pytest.raises(TypeError):
            leak(packed)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        _core.Plaintexts()


def test_opened_plaintexts_are_read_as_they_were_written():
    key = known_key(2048).public
    size, half = 256, key.n // 2
    values = [0, 1, -1, half, -half, 2**1000, -(2**1000)]
    data = b"".join(value.to_bytes(size, "little", signed=True) for value in values)
    plaintexts = _core.plaintexts_from_bytes(data, key._native)
    assert _core.plaintexts_to_list(plaintexts) == values
    assert _core.plaintexts_to_bytes(plaintexts, size) == data
    assert len(_core.plaintexts_from_bytes(b"", key._native)) == 0


@pytest.mark.parametrize("beyond", [1, -1])
@pytest.mark.parametrize("place", [0, 2])
def test_an_opened_plaintext_lies_in_the_range_of_the_key(beyond, place):
    key = known_key(2048).public
    values = [5, -5, 7]
    values[place] = beyond * (key.n // 2 + 1)
    data = b"".join(value.to_bytes(256, "little", signed=True) for value in values)
    with pytest.raises(MalformedDataError, match="outside"):
        _core.plaintexts_from_bytes(data, key._native)


@pytest.mark.parametrize("num_bytes", [1, 255, 257, 511])
def test_opened_plaintexts_are_whole(num_bytes):
    with pytest.raises(MalformedDataError, match="256 bytes each"):
        _core.plaintexts_from_bytes(bytes(num_bytes), known_key(2048).public._native)
