"""Properties that hold for all inputs: hypothesis looks for a counterexample."""

import pickle

import numpy as np
import veilsum as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from known_keys import known_key
from reference.paillier import centre
from veilsum import hazmat

# Small enough that chains wrap around n often and hypothesis can run thousands of operations.
TOY = hazmat.secret_key(1000003, 999983)
TOY_N = TOY.public_key.n
KEY = known_key(2048)

toy_messages = st.integers(-(TOY_N // 2), TOY_N // 2)
scalars = st.one_of(st.integers(-5, 5), toy_messages)
big_messages = st.one_of(
    st.integers(-(2**65), 2**65),
    st.integers(-(KEY.n // 2), KEY.n // 2),
    st.sampled_from([0, 1, -1, KEY.n // 2, -(KEY.n // 2)]),
)

# (name, operand): applied to a batch of ciphertexts and to a list of integers.
operations = st.lists(
    st.one_of(
        st.tuples(st.just("add_fresh"), toy_messages),
        st.tuples(st.just("add_self"), st.none()),
        st.tuples(st.just("add_plain"), toy_messages),
        st.tuples(st.just("subtract_first"), st.none()),
        st.tuples(st.just("subtract_from"), toy_messages),
        st.tuples(st.just("negate"), st.none()),
        st.tuples(st.just("multiply"), scalars),
        st.tuples(st.just("multiply_vartime"), scalars),
        st.tuples(st.just("rerandomise"), st.none()),
        st.tuples(st.just("reverse"), st.none()),
        st.tuples(st.just("travel"), st.none()),
        st.tuples(st.just("as_ints"), st.none()),
        st.tuples(st.just("join_and_cut"), st.none()),
        st.tuples(st.just("add_sum"), st.none()),
    ),
    max_size=12,
)


def on_ciphertexts(c, name, x):
    match name:
        case "add_fresh":
            return c + TOY.encrypt([x])
        case "add_self":
            return c + c
        case "add_plain":
            return x + c
        case "subtract_first":
            return c - c[0]
        case "subtract_from":
            return x - c
        case "negate":
            return -c
        case "multiply":
            return c * x
        case "multiply_vartime":
            return c.multiply_vartime(x)
        case "rerandomise":
            return c.rerandomise()
        case "reverse":
            return c[::-1]
        case "travel":
            return vs.Ciphertexts.from_bytes(c.to_bytes(), c.public_key)
        case "as_ints":
            return vs.Ciphertexts.from_ints(c.to_ints(), c.public_key)
        case "join_and_cut":
            return vs.Ciphertexts.concatenate([c + c, c])[len(c) :]
        case "add_sum":
            return c + c.sum()


def on_integers(m, name, x):
    match name:
        case "add_fresh" | "add_plain":
            return [a + x for a in m]
        case "add_self":
            return [a + a for a in m]
        case "subtract_first":
            return [a - m[0] for a in m]
        case "subtract_from":
            return [x - a for a in m]
        case "negate":
            return [-a for a in m]
        case "multiply" | "multiply_vartime":
            return [a * x for a in m]
        case "reverse":
            return m[::-1]
        case "add_sum":
            return [a + sum(m) for a in m]
        case _:
            return m


@settings(max_examples=200)
@given(st.lists(toy_messages, min_size=1, max_size=10), operations)
def test_chains_of_operations_are_arithmetic_modulo_n(messages, chain):
    c = TOY.public_key.encrypt(messages)
    for name, operand in chain:
        c = on_ciphertexts(c, name, operand)
        messages = [centre(m, TOY_N) for m in on_integers(messages, name, operand)]
        assert TOY.decrypt(c) == messages, name


@settings(max_examples=50)
@given(st.lists(st.lists(toy_messages, min_size=3, max_size=3), min_size=1, max_size=40))
def test_sum_of_any_number_of_contributors_opens_to_the_sum(contributions):
    encrypted = [TOY.public_key.encrypt(row) for row in contributions]
    expected = [centre(sum(column), TOY_N) for column in zip(*contributions, strict=True)]
    assert TOY.decrypt(sum(encrypted)) == expected
    stacked = vs.Ciphertexts.concatenate(encrypted)
    matrix = vs.Ciphertexts.from_ints(
        np.array(stacked.to_ints(), dtype=object).reshape(-1, 3).tolist(), TOY.public_key
    )
    assert TOY.decrypt(matrix.sum(axis=0)) == expected


@settings(max_examples=25)
@given(st.lists(big_messages, min_size=1, max_size=4), st.data())
def test_messages_of_any_size_survive_a_real_key(messages, data):
    c = KEY.public.encrypt(messages)
    assert KEY.secret.decrypt(c) == messages
    others = data.draw(st.lists(big_messages, min_size=len(messages), max_size=len(messages)))
    expected = [centre(a - b, KEY.n) for a, b in zip(messages, others, strict=True)]
    assert KEY.secret.decrypt(c - others) == expected


@settings(max_examples=25)
@given(st.lists(big_messages, min_size=1, max_size=4))
def test_rerandomise_changes_bytes_and_not_value(messages):
    c = KEY.secret.encrypt(messages)
    fresh = c.rerandomise()
    assert not set(fresh.to_ints()) & set(c.to_ints())
    assert KEY.secret.decrypt(fresh) == messages


@settings(max_examples=50)
@given(st.integers(0, 3), st.integers(0, 5), st.data())
def test_public_objects_pickle(rows, columns, data):
    values = data.draw(
        st.lists(
            st.lists(toy_messages, min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
    c = KEY.secret.encrypt(np.array(values, dtype=object).reshape(rows, columns))
    twin = pickle.loads(pickle.dumps(c))
    assert twin == c
    assert twin.shape == c.shape
    assert twin.public_key == KEY.public
    assert twin.to_ints() == c.to_ints()


@settings(max_examples=100)
@given(st.integers(1, 8), st.data())
def test_matrix_product_is_the_matrix_product(length, data):
    messages = data.draw(st.lists(toy_messages, min_size=length, max_size=length))
    row = st.lists(scalars, min_size=length, max_size=length)
    matrix = data.draw(st.lists(row, min_size=1, max_size=4))
    c = TOY.public_key.encrypt(messages)
    expected = [sum(k * m for k, m in zip(line, messages, strict=True)) for line in matrix]
    result = np.array(matrix, dtype=object) @ c
    assert TOY.decrypt(result) == [centre(value, TOY_N) for value in expected]
    assert c.matrix_product_vartime(matrix) == result
    assert c @ np.array(matrix, dtype=object).T == result


@settings(max_examples=40)
@given(st.integers(1, 9000), st.integers(2, 40), st.integers(1, 2000), st.data())
def test_a_masked_sum_is_the_packed_sum(dim, value_bits, max_addends, data):
    codec = vs.Codec(dim, clip=1.0, value_bits=value_bits, max_addends=max_addends)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = rng.choice([-1.0, 1.0, rng.uniform(-1, 1)], (min(max_addends, 3), dim))
    opened = []
    for scheme in ("packed", "masked"):
        vectors = [codec.encrypt(each, key=KEY.secret, scheme=scheme, context=b"x") for each in x]
        total = vs.EncryptedVector.from_bytes(sum(vectors).to_bytes(), KEY.public)
        opened.append(codec.decrypt(total, KEY.secret))
    packed, masked = opened
    assert np.array_equal(packed.values, masked.values)
    assert (packed.weight, packed.num_addends) == (masked.weight, masked.num_addends)
