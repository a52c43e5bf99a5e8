"""The classes of the core: only constructors make objects, and dropped secrets are gone."""

import copy
import copyreg
import enum
import gc
import os
import pickle
import weakref
from functools import partial

import pytest
import veilsum as vs
from known_keys import known_key
from shared_keys import shared_key
from veilsum import _core

CLASSES = {
    name: thing
    for name, thing in sorted(vars(_core).items())
    if isinstance(thing, type) and not issubclass(thing, enum.Enum)
}


def end_of_child(calls):
    """How a process ended that made these calls, each of which may raise TypeError only."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for call in calls:
            try:
                call()
            except TypeError:
                continue
            except BaseException:
                os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def new_by(kind):
    """Ways to an object of a class that leave out its constructor."""

    class Heir(kind):  # type: ignore[valid-type, misc]
        pass

    class Careless(kind):  # type: ignore[valid-type, misc]
        def __init__(self):
            pass

    return [
        lambda: kind.__new__(kind),
        lambda: Heir.__new__(Heir),
        lambda: object.__new__(kind),
        lambda: kind.__base__.__new__(kind),
        lambda: kind.__base__(),
        lambda: kind.__base__.__new__(kind.__base__),
        lambda: copyreg.__newobj__(kind),  # type: ignore[attr-defined]
        Careless,
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_object_without_its_constructor_is_refused(name):
    kind = CLASSES[name]
    members = [m for m in dir(kind) if m not in dir(object)]
    assert members

    def uses(make):
        yield make
        for member in [*members, "__repr__", "__len__"]:
            yield lambda m=member: getattr(make(), m)
            yield lambda m=member: getattr(make(), m)()

    for make in new_by(kind):
        assert end_of_child(uses(make)) == 0
        with pytest.raises(TypeError):
            make()


def test_constructors_still_make_objects():
    writer = _core.Writer(_core.WireKind.CIPHERTEXTS, 1)
    reader = _core.Reader(writer.finish(), _core.WireKind.CIPHERTEXTS, 1)
    assert reader.remaining() == 0
    assert _core.Quantiser([(2, 1.0)], 8).dim == 2


def natives():
    """An object of the core for each way to get one."""
    keys = known_key(2048)
    public, ciphertexts = keys.public._native, keys.public.encrypt([1, 2])._native
    pool = keys.public.precompute(1)
    plaintexts = keys.secret.decrypt_plaintexts(keys.public.encrypt([1]))
    writer = _core.Writer(_core.WireKind.CIPHERTEXTS, 1)
    made = [public, keys.secret._native, ciphertexts, pool._native, plaintexts, writer]
    made += [shared_key().key._native, shared_key().shares[0]._native]
    return [*made, _core.Quantiser([(2, 1.0)], 8), _core.CiphertextSum(ciphertexts, 1)]


def copies_of(native):
    """Ways to a copy of an object, by pickle's protocols and by what they are made of."""
    kind = type(native)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield from (
            partial(pickle.dumps, native, protocol),
            partial(native.__reduce_ex__, protocol),
            partial(object.__reduce_ex__, native, protocol),
        )
    yield from (native.__reduce__, partial(object.__reduce__, native))
    yield from (partial(copy.copy, native), partial(copy.deepcopy, native))
    yield partial(kind.__base__, native)
    yield partial(copyreg._reconstructor, kind, object, None)  # type: ignore[attr-defined]
    yield partial(copyreg._reconstructor, kind, kind.__base__, native)  # type: ignore[attr-defined]


def test_objects_of_the_core_are_not_copied_by_any_protocol():
    for native in natives():
        assert end_of_child(copies_of(native)) == 0
        for make in copies_of(native):
            with pytest.raises(TypeError):
                make()


@pytest.mark.parametrize(
    ("owner", "attribute"),
    [
        (lambda: known_key(2048).secret._native, "public_key"),
        (lambda: shared_key().shares[0]._native, "key"),
    ],
)
def test_public_half_does_not_keep_the_secret_one_in_memory(owner, attribute):
    original = owner()
    if isinstance(original, _core.SecretKey):
        secret = _core.SecretKey.from_secret_bytes(bytes(original.to_secret_bytes()))
    else:
        secret = _core.KeyShare.from_secret_bytes(bytes(original.to_secret_bytes()), original.key)
    public = getattr(secret, attribute)
    seen = weakref.ref(secret)
    del secret
    gc.collect()
    assert seen() is None
    assert public.to_bytes() == getattr(original, attribute).to_bytes()


def test_dropped_secret_key_leaves_its_public_key():
    secret = vs.generate_key(2048)
    public = secret.public_key
    seen = weakref.ref(secret._native)
    del secret
    gc.collect()
    assert seen() is None
    assert len(public.encrypt([1, 2])) == 2
