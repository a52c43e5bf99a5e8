"""What ``FedAvg`` claims of its random choice of clients, and when it claims nothing."""

import fedavg_clients as fl
import pytest
import veilsum as vs
from veilsum.fedavg.clients import Selector
from veilsum.privacy import FixedSizeSampling, pld_epsilon

ROUNDS = 4
ALPHA = 1e-9  # the chance that a statistical test fails although all is well


def noise(**changes):
    goal = {
        "epsilon": 50.0,
        "delta": 1e-5,
        "rounds": ROUNDS,
        "norm_bound": 1.0,
        "honest_contributors": 3,
        "weighted": False,
    }
    return vs.privacy.GaussianNoise(**(goal | changes))


def sampled_epsilons(members=None, *, rounds=ROUNDS, **changes):
    settings = {"fraction": 0.4, "seed": None, "noise": noise(), "weighting": "uniform"}
    run = fl.loop(members, **(settings | changes))
    return [r.epsilon_honest_server_sampled for r in run.run(rounds).rounds]


def test_a_secret_choice_of_clients_is_accounted_for():
    pytest.importorskip("dp_accounting")
    goal = noise(epsilon=1.0)
    expected = [
        pld_epsilon(
            goal,
            goal.fit(fl.CODEC),
            rounds=number,
            sampling=FixedSizeSampling(population=10, sample_size=4),
        )
        for number in range(1, ROUNDS + 1)
    ]
    assert sampled_epsilons(noise=goal) == expected
    whole = goal.epsilon_of(ROUNDS * goal.round_cost(goal.fit(fl.CODEC), honest_contributors=4))
    assert expected[-1] < 0.9 * whole


def test_laplace_noise_is_too():
    pytest.importorskip("dp_accounting")
    goal = vs.privacy.LaplaceNoise(epsilon=50.0, rounds=ROUNDS, norm_bound=1.0, weighted=False)
    first, *_, last = sampled_epsilons(noise=goal)
    assert 0 < first < last <= 50.0 * (1 + 1e-6)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"selection": "shuffled"}, {"fraction": 1.0}, {"noise": None}],
    ids=lambda changes: next(iter(changes)),
)
def test_nothing_is_claimed_where_the_choice_may_be_known(changes):
    assert sampled_epsilons(**changes, rounds=2) == [None, None]


def test_nothing_is_claimed_once_a_client_failed():
    pytest.importorskip("dp_accounting")
    members = fl.clients()
    members[0] = fl.FailingClient(0, fl.raise_timeout)
    run = fl.loop(members, fraction=0.9, seed=None, noise=noise(rounds=20), weighting="uniform")
    while not any(record.failures for record in run.history.rounds):
        run.run(1)
    *before, failed = run.history.rounds
    assert all(record.epsilon_honest_server_sampled is not None for record in before)
    assert failed.epsilon_honest_server_sampled is None
    run.run(1)
    assert run.history.rounds[-1].epsilon_honest_server_sampled is None
    assert failed.epsilon_honest_server is not None


def test_without_a_seed_all_sets_are_equally_likely():
    selector = Selector(list("abcd"), fraction=0.5, selection="random", seed=None)
    counts = {}
    for chosen in fl.choices(selector, 6000):
        counts[chosen] = counts.get(chosen, 0) + 1
    assert len(counts) == 6
    scipy_stats = pytest.importorskip("scipy.stats")
    assert scipy_stats.chisquare(list(counts.values())).pvalue > ALPHA


def test_a_seed_repeats_the_choice_and_no_seed_does_not():
    def choices(seed):
        selector = Selector(
            [f"{i:02}" for i in range(50)], fraction=0.5, selection="random", seed=seed
        )
        return fl.choices(selector, 3)

    assert choices(7) == choices(7)
    assert choices(None) != choices(None)
