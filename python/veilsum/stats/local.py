"""A whole study in this process: every site's side, the round, the opening and the result."""

import secrets
from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal, TypeAlias, get_args

from veilsum import arguments
from veilsum.errors import InvalidArgumentError
from veilsum.paillier.secret_key import SecretKey
from veilsum.privacy import Ledger, RecordNoise
from veilsum.schemes import DealtKey, Policy, check_key_or_dealt, dealt_key
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Contributor,
    Federation,
    Identity,
    Invitations,
    KeptSums,
    KeyHolder,
    RoundDescriptor,
    RoundLedger,
    SumResult,
)
from veilsum.stats.columns import Table
from veilsum.stats.layout import Layout
from veilsum.stats.result import Result, result_of
from veilsum.stats.site import SiteReport, site_vector
from veilsum.stats.study import Study
from veilsum.stats.study_file import study_hash
from veilsum.vector import Codec

__all__ = ["Trust", "run"]

Trust: TypeAlias = Literal["authority", "threshold"]

_POLICIES: Mapping[Trust, Policy | None] = {"authority": None, "threshold": Policy.least(3)}


def run(
    study: Study,
    tables: Mapping[str, Table],
    *,
    epsilon: float | None = None,
    delta: float = 1e-6,
    honest_sites: int | None = None,
    studies: int = 1,
    noise: RecordNoise | None = None,
    ledger_for: Callable[[str], Ledger] | None = None,
    trust: Trust = "authority",
    key: SecretKey | DealtKey | None = None,
    key_bits: int = 3072,
    level: float = 0.95,
    num_threads: int | None = None,
) -> Result:
    """Play a study with every site's table in this process, with real messages: for a first try.

    All sites' tables are here, so nothing is hidden from this process. What would be refused
    between real sites is refused here too: groups that are too small, a budget that is spent.

    Args:
        study: what is asked.
        tables: of each site, by its name; at least two.
        epsilon: of a record after all ``studies``; None for no noise.
        delta: beside it.
        honest_sites: how many sites add their noise and keep it to themselves; all if left out.
        studies: how many studies of this form the epsilon is for.
        noise: in the place of the four above.
        ledger_for: gives a site's ledger by its name, of records (``unit="record"``); if left out,
            each has a new one in memory with the noise's own budget.
        trust: who opens: one authority, or two of three holders of a shared key.
        key: to use again, as making one takes seconds: a ``SecretKey``, or a dealt one.
        key_bits: of a new key.
        level: of the intervals, in (0, 1).
        num_threads: default: all processors, or ``VEILSUM_NUM_THREADS``.

    Raises:
        InvalidArgumentError: a table does not have what the study declares, or there are too few
            sites.
        PolicyRefusedError: too few records of a site are in a group, a cell or a difference.
        BudgetExhaustedError: a site's ledger has too little left. No table was looked at.
    """
    layout = Layout(study)
    arguments.choice("trust", trust, get_args(Trust))
    check_key_or_dealt("key", key)
    if not isinstance(tables, Mapping):
        raise TypeError(f"tables must be a dict of tables by site, not {type(tables).__name__}")
    sites = sorted(tables)
    if len(sites) < 2:
        raise InvalidArgumentError(
            f"there are {len(sites)} sites; a sum needs at least two to hide anything"
        )
    if noise is None and epsilon is not None:
        noise = layout.noise(
            epsilon=epsilon,
            delta=delta,
            honest_sites=len(sites) if honest_sites is None else honest_sites,
            studies=studies,
        )
    codec = layout.codec(len(sites), noise)
    layout.check(codec, noise)
    ledgers = _ledgers(sites, noise, codec, ledger_for)
    parties = _Parties(sites, codec, noise, trust, key, key_bits)
    return parties.play(layout, tables, ledgers, level=level, num_threads=num_threads)


class _Parties:
    """A throw-away federation and all in it."""

    def __init__(
        self,
        sites: list[str],
        codec: Codec,
        noise: RecordNoise | None,
        trust: Trust,
        key: SecretKey | DealtKey | None,
        key_bits: int,
    ) -> None:
        public, held = dealt_key(key, policy=_POLICIES[trust], key_bits=key_bits)
        self.server = Identity.generate("aggregator")
        self.sites = {name: Identity.generate(name) for name in sites}
        self.holders = [Identity.generate(f"holder {i + 1}") for i in range(len(held))]
        self.held = held
        counted_on = 1 if noise is None else noise.honest_contributors
        self.federation = Federation(
            key=public,
            codec=codec,
            aggregator=self.server.enrol(),
            run_id=secrets.token_bytes(16),
            last_day=date.max,  # It ends with this process.
            contributors=tuple(identity.enrol() for identity in self.sites.values()),
            holders=tuple(holder.enrol() for holder in self.holders),
            noise=noise,
            honest_contributors=max(2, counted_on),
            colluding_contributors=0,
            min_contributors=len(sites),
        )

    def play(
        self,
        layout: Layout,
        tables: Mapping[str, Table],
        ledgers: Mapping[str, Ledger],
        *,
        level: float,
        num_threads: int | None,
    ) -> Result:
        """One round of the study, of all sites."""
        federation, asked = self.federation, study_hash(layout.study)
        invited = Invitations.of(list(self.sites))
        descriptor = RoundDescriptor.signed(
            self.server,
            federation_hash=federation.hash,
            round_number=1,
            model_hash=asked,
            invited=invited,
        )
        contributors = {
            name: Contributor(
                federation, identity, rounds=RoundLedger.in_memory(), ledger=ledgers.get(name)
            )
            for name, identity in self.sites.items()
        }
        announcements = {
            name: Announcement.of(descriptor, invited, to=name).to_bytes() for name in self.sites
        }
        for name, contributor in contributors.items():  # Before anybody computes.
            contributor.before_training(announcements[name], model_hash=asked)
        aggregator = Aggregator(
            federation, self.server, descriptor, invited=invited, num_threads=num_threads
        )
        is_noisy = federation.noise is not None
        vectors = {
            name: site_vector(layout, tables[name], is_noisy=is_noisy) for name in self.sites
        }
        for name, contributor in contributors.items():
            message = contributor.contribute(
                announcements[name],
                vectors[name].values,
                model_hash=asked,
                num_threads=num_threads,
            )
            aggregator.receive(message)
        opened = self._opened(aggregator, num_threads)
        reports: dict[str, SiteReport] = {name: each.report for name, each in vectors.items()}
        noise = federation.noise
        assert noise is None or isinstance(noise, RecordNoise)  # As it was made with.
        return result_of(
            layout,
            opened.sum,
            codec=federation.codec,
            noise=noise,
            sites=opened.contributors,
            level=level,
            reports=reports,
        )

    def _opened(self, aggregator: Aggregator, num_threads: int | None) -> SumResult:
        holders = {
            identity.name: KeyHolder(
                self.federation,
                identity,
                key=held,
                rounds=RoundLedger.in_memory(),
                sums=KeptSums(),
            )
            for identity, held in zip(self.holders, self.held, strict=True)
        }
        while requests := aggregator.open_requests():
            for name, request in requests.items():
                answer = holders[name].open(request, num_threads=num_threads)
                aggregator.receive_opening(answer)
        return aggregator.finish()


def _ledgers(
    sites: list[str],
    noise: RecordNoise | None,
    codec: Codec,
    ledger_for: Callable[[str], Ledger] | None,
) -> dict[str, Ledger]:
    if noise is None:
        return {}
    if ledger_for is None:
        return {
            name: Ledger.in_memory(epsilon=noise.epsilon, delta=noise.delta, unit="record")
            for name in sites
        }
    return {
        name: arguments.instance("what ledger_for returns", ledger_for(name), Ledger)
        for name in sites
    }
