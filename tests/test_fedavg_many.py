"""Many small clients in one process: what they cost, and that the sums are still right."""

import fedavg_clients as fl
import numpy as np
import pytest
import veilsum as vs
from protocol_parties import TOY_PRIMES
from veilsum import hazmat
from veilsum.fedavg import local_federation
from veilsum.fedavg.clients import Selector, SelectorState
from veilsum.privacy import gaussian_dp
from veilsum.secure_sum import RoundLedger

TRUSTS = ["threshold", "authority", "contributors"]


class Small:
    """Moves the model of two values by a step that nobody else takes."""

    num_samples = 1

    def __init__(self, index):
        self._step = np.float32(index % 97 / 100 - 0.4)

    def train(self, model, epochs):
        return [model[0] + self._step * np.array([1, -1], np.float32)]


def many(num_clients, trust, **changes):
    key = None
    if trust != "clear":
        key = hazmat.secret_key(*TOY_PRIMES)
        key = hazmat.deal_shares(key, 5, 4) if trust == "threshold" else key
    settings = {"fraction": 1.0, "seed": 1, "key": key, "trust": trust} | changes
    codec = vs.Codec(2, clip=1.0, value_bits=12, max_addends=num_clients)
    clients = [Small(i) for i in range(num_clients)]
    return vs.FedAvg([np.zeros(2, np.float32)], clients, codec=codec, **settings)


@pytest.mark.parametrize("trust", TRUSTS)
def test_the_sums_of_three_hundred_clients_are_those_of_the_clear_run(trust):
    clear, encrypted = many(300, "clear"), many(300, trust)
    for run in (clear, encrypted):
        run.run(1)
        assert run.history[-1].num_contributors == 300
    assert fl.same(clear.model, encrypted.model)


@pytest.mark.slow  # Three minutes with an idle processor.
def test_the_sum_of_ten_thousand_clients_is_that_of_the_clear_run():
    clear, encrypted = many(10_000, "clear"), many(10_000, "authority")
    for run in (clear, encrypted):
        run.run(1)
        assert run.history[-1].num_contributors == 10_000
    assert fl.same(clear.model, encrypted.model)


@pytest.mark.parametrize("trust", TRUSTS)
def test_who_is_never_asked_is_never_made(trust, monkeypatch):
    made = []

    class Contributor(local_federation.Contributor):
        def __init__(self, federation, identity, **options):
            made.append(identity.name)
            super().__init__(federation, identity, **options)

    class KeyHolder(local_federation.KeyHolder):
        def __init__(self, federation, identity, **options):
            made.append(f"opener {identity.name}")
            super().__init__(federation, identity, **options)

    monkeypatch.setattr(local_federation, "Contributor", Contributor)
    monkeypatch.setattr(local_federation, "KeyHolder", KeyHolder)
    run = many(40, trust, fraction=0.1, selection="shuffled")
    assert made == []
    run.run(2)
    asked = [name for name in made if name.startswith("client")]
    assert len(asked) == len(set(asked)) == 8  # Nobody twice, and what they answered is kept.
    openers = {name for name in made if name.startswith("opener")}
    assert len(openers) == {"threshold": 4, "authority": 1, "contributors": 2}[trust]


def test_a_client_that_is_asked_again_remembers_what_it_answered():
    run = many(4, "authority")
    run.run(3)
    assert [record.failures for record in run.history] == [{}] * 3
    local = run._run.parties._local
    assert {local.contributor(f"client-{i}").seen.number for i in range(4)} == {2}


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.parametrize(
    "make",
    [
        RoundLedger.in_memory,
        lambda: vs.privacy.Ledger.in_memory(epsilon=1.0, delta=1e-5),
    ],
)
def test_a_record_in_memory_is_small(make):
    keep = [make() for _ in range(300)]
    before = resident_bytes()
    keep += [make() for _ in range(1000)]
    assert (resident_bytes() - before) / 1000 < 40_000


def test_many_ledgers_that_have_spent_alike_work_out_epsilon_once(monkeypatch):
    calls = []
    boundary = gaussian_dp._boundary
    monkeypatch.setattr(
        gaussian_dp, "_boundary", lambda *values: calls.append(1) or boundary(*values)
    )
    noise = vs.privacy.GaussianNoise(
        epsilon=49.0, delta=1e-5, rounds=2, norm_bound=1.0, weighted=False, honest_contributors=5
    )
    codec = noise.fit(vs.Codec(2, clip=1.0, value_bits=12, max_addends=100))
    for _ in range(50):
        ledger = vs.privacy.Ledger.in_memory(epsilon=49.0, delta=1e-5)
        ledger.charge(bytes(32), noise=noise, codec=codec)
    assert 0 < len(calls) < 50


def test_turns_of_ten_thousand_are_taken_without_looking_at_all_of_them_for_each():
    class Name(str):
        num_compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other):
            Name.num_compared += 1
            return str.__eq__(self, other)

    names = [Name(f"client {i}") for i in range(2000)]
    selector = Selector(names, fraction=0.5, selection="shuffled", seed=1)
    state = SelectorState(selector.start.generator, tuple(names[:500]))
    chosen, after = selector.choose(state)
    assert len(chosen) == len(set(chosen)) == 1000
    assert set(names[:500]) <= set(chosen)
    assert len(after.waiting) == 1500
    assert Name.num_compared < 20 * len(names)
