"""A round of veilsum's secure sum with all its messages, each party timed alone on one core.

Of many contributors a few are played: what all parties do for each contributor is the same.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import veilsum as vs
from numpy.typing import NDArray
from veilsum.identity import Role
from veilsum.schemes import Chunks, packing
from veilsum.schemes.mask_shape import MaskShape
from veilsum.schemes.masking import Masking
from veilsum.schemes.shards import plan_shards
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Contributor,
    Federation,
    FolderStore,
    Identity,
    Invitations,
    KeptSums,
    KeyHolder,
    RoundDescriptor,
    RoundLedger,
    SignedRoot,
    hash_model,
)
from veilsum.secure_sum.outbox import Outbox
from veilsum.wire import WireKind, wire_kind

from bench import phases
from bench.clock import Account, Clock
from bench.parties import new_party, take
from bench.records import Record
from bench.workload import CLIP, VALUE_BITS, make_update

NUM_HOLDERS, THRESHOLD, MAX_COLLUDING = 5, 4, 2
CONTRIBUTOR, AGGREGATOR, HOLDER = "contributor", "aggregator", "holder"

Keys = tuple[vs.threshold.ThresholdKey | vs.PublicKey, list[Any]]


@dataclass(frozen=True)
class Size:
    """``num_contributors`` are reported, of whom ``num_measured`` are played."""

    dim: int
    num_contributors: int
    num_measured: int

    @property
    def times(self) -> float:
        """How many contributors each one played stands for."""
        return self.num_contributors / self.num_measured


def threshold_keys(secret: vs.SecretKey) -> Keys:
    """The usual five shares, of which four open."""
    return vs.threshold.deal_shares(
        secret,
        num_holders=NUM_HOLDERS,
        threshold=THRESHOLD,
        max_colluding_holders=MAX_COLLUDING,
    )


def authority_key(secret: vs.SecretKey) -> Keys:
    """The whole key in one hand."""
    return secret.public_key, [secret]


def measure(
    name: str,
    keys: Keys,
    size: Size,
    *,
    folder: Path,
    progress: Callable[[str], object],
    between: Callable[[], object] = lambda: None,
    scheme: str = "auto",
    chunk_size: int = 512,
) -> Record:
    """Play one round in this process, with records and messages on the disk.

    Args:
        name: of the method, in the tables.
        keys: what the federation encrypts under, and what each holder has.
        size: of the round.
        folder: an empty one, for ledgers and the aggregator's store.
        progress: told what is going on.
        between: called before each holder's turn.
        scheme: of the federation.
        chunk_size: ciphertexts a chunk.
    """
    round_ = _Round(name, keys, size, folder, scheme, chunk_size)
    with phases.watched(round_.clock):
        for index in range(size.num_measured):
            progress(f"{name}: contribution {index + 1} of {size.num_measured}")
            round_.contribute(index)
        while opening := round_.requests():
            for number, (holder, request) in enumerate(opening.items()):
                between()
                progress(f"{name}: holder {number + 1} of {len(opening)}")
                round_.open(holder, request)
        error = round_.finish()
    return round_.method(error)


class Parties:
    """Who takes part in one round, and what they agreed on; makes contributions, each in its turn.

    Attributes:
        clock: of all that is done in this process.
        federation: the agreement.
        descriptor: the round, of a model of zeros.
        aggregator: who announces it.
        held: what each holder has, by the holder's identity.
    """

    def __init__(
        self, name: str, keys: Keys, size: Size, folder: Path, scheme: str, chunk_size: int
    ) -> None:
        self.clock = Clock()
        self.name = name
        self.size = size
        self._folder = folder
        public, held = keys
        self._identities = [
            Identity.generate(f"{CONTRIBUTOR} {i + 1}") for i in range(size.num_contributors)
        ]
        holders = [Identity.generate(f"{HOLDER} {i + 1}") for i in range(len(held))]
        self.held = dict(zip(holders, held, strict=True))
        codec = vs.Codec(
            size.dim, clip=CLIP, value_bits=VALUE_BITS, max_addends=size.num_contributors
        )
        self.aggregator = Identity.generate(AGGREGATOR)
        self.federation = Federation(
            key=public,
            codec=codec,
            contributors=tuple(identity.enrol() for identity in self._identities),
            aggregator=self.aggregator.enrol(),
            run_id=secrets.token_bytes(16),
            last_day=date.max,
            colluding_contributors=0,
            holders=tuple(identity.enrol() for identity in holders),
            chunk_size=chunk_size,
            scheme=scheme,
        )
        self._model = [np.zeros(size.dim, np.float32)]
        self._model_hash = hash_model(self._model)
        self.invited = Invitations.of(identity.name for identity in self._identities)
        self.descriptor = RoundDescriptor.signed(
            self.aggregator,
            federation_hash=self.federation.hash,
            round_number=1,
            model_hash=self._model_hash,
            invited=self.invited,
        )

    def announcement(self, index: int) -> bytes:
        """What a contributor is sent beside the model."""
        to = self._identities[index].name
        return Announcement.of(self.descriptor, self.invited, to=to).to_bytes()

    def make_contribution(self, index: int, account: Account) -> list[bytes]:
        """A contributor's frames, made in its turn, with its records on the disk."""
        identity = self._identities[index]
        contributor = Contributor(
            self.federation,
            identity,
            rounds=self.ledger(identity.name, Role.CONTRIBUTOR),
            outbox=Outbox(self._folder / f"{identity.name}.outbox"),
        )
        announcement, update = self.announcement(index), self.update(index)
        with self.clock.turn(account, "hash, sign, record"):
            frames = self.frames(contributor, announcement, update)
        account.received = len(announcement) + self._model[0].nbytes
        account.sent = sum(map(len, frames))
        return frames

    def frames(
        self, contributor: Contributor, announcement: bytes, update: NDArray[np.float32]
    ) -> list[bytes]:
        """What a contributor sends."""
        frames = contributor.contribute_in_frames(
            announcement, update, model_hash=self._model_hash, num_threads=1
        )
        return list(frames)

    def update(self, index: int) -> NDArray[np.float32]:
        """What training gave a contributor; nobody has the same as another."""
        return np.roll(self._update, index)

    @cached_property
    def _update(self) -> NDArray[np.float32]:
        return make_update(self.size.dim)

    def ledger(self, name: str, role: Role) -> RoundLedger:
        """A new one on the disk."""
        return RoundLedger.create(self._folder / f"{name}.rounds", role=role)

    def check(
        self, values: NDArray[np.float64], expected: NDArray[np.float64], count: int
    ) -> float:
        """The largest error of the sum of so many; ValueError if rounding does not explain it."""
        error = float(np.abs(values - expected).max())
        if error > count / self.federation.codec.scale:
            raise ValueError(f"{self.name}: the sum is wrong by {error}")
        return error

    def record(self, parties: list[Record], max_error: float, **facts: Any) -> Record:
        """The method, as results have it."""
        return {
            "name": self.name,
            "key_bits": self.federation.public_key.key_bits,
            "parties": parties,
            "num_measured": self.size.num_measured,
            "max_error": max_error,
            "facts": {
                "scheme": self.federation.scheme,
                "strength": self._mask and self._mask.shape.strength(self.federation.codec),
                "num_ciphertexts": self._num_ciphertexts,
                "num_chunks": self.federation.num_chunks,
                "num_opened": self._num_opened(),
                "kernel": vs.cpu()["kernel"],
                **facts,
            },
            "versions": {},
        }

    def _num_opened(self) -> int:
        """Ciphertexts that a holder opens: where they differ, the holder in the middle."""
        federation = self.federation
        if federation.trust != "threshold":
            return self._num_ciphertexts
        shards = plan_shards(
            [holder.name for holder in federation.holders],
            threshold=THRESHOLD,
            answered=[set() for _ in range(federation.num_opened)],
            missing=frozenset(),
        )
        chunks = Chunks(self._num_ciphertexts, federation.chunk_size)
        counts = [sum(len(chunks.units(i)) for i in shard) for shard in shards.values()]
        return round(statistics.median(counts))

    @cached_property
    def _num_ciphertexts(self) -> int:
        """Of a contribution: of all of it, or of the key of its mask."""
        if self._mask is not None:
            return self._mask.num_key_units
        layout = packing.layout(self.federation.codec, self.federation.public_key.n)
        return layout.num_plaintexts

    @cached_property
    def _mask(self) -> Masking | None:
        federation = self.federation
        if federation.scheme != "masked":
            return None
        shape = MaskShape(*federation.scheme_parameters)
        return Masking(federation.codec, federation.public_key, shape)


class _Round(Parties):
    """Aggregator and holders are in this process too, and few contributors are played."""

    def __init__(
        self, name: str, keys: Keys, size: Size, folder: Path, scheme: str, chunk_size: int
    ) -> None:
        super().__init__(name, keys, size, folder, scheme, chunk_size)
        self._holders = {
            identity.name: KeyHolder(
                self.federation,
                identity,
                key=key,
                rounds=self.ledger(identity.name, Role.HOLDER),
                sums=KeptSums(folder / f"{identity.name}.sums"),
            )
            for identity, key in self.held.items()
        }
        self._aggregator = Aggregator(
            self.federation,
            self.aggregator,
            self.descriptor,
            invited=self.invited,
            store=FolderStore(folder / "store"),
            num_threads=1,
        )
        self._expected = np.zeros(size.dim)
        self._of_holder: dict[str, Account] = {}
        self._accounts: dict[str, list[Account]] = {
            part: [] for part in ("contribute", "receive", "request", "open", "answer")
        }

    def contribute(self, index: int) -> None:
        """One contributor makes its contribution, and the aggregator takes it."""
        self._expected += self.update(index)
        account, received = self._new("contribute"), self._new("receive")
        frames = self.make_contribution(index, account)
        with self.clock.turn(received, "hash, verify, store"):
            self._aggregator.receive(frames)
        received.received = account.sent

    def requests(self) -> dict[str, Any]:
        """What the aggregator asks next; the requests are made while they are read."""
        account = self._once("request")
        with self.clock.turn(account, phases.CLOSE):
            requests = self._aggregator.open_requests()
        return {
            name: self.clock.lend(account, frames, phases.MAKE_REQUESTS)
            for name, frames in requests.items()
        }

    def open(self, name: str, request: Any) -> None:
        """A holder answers, and the aggregator takes the answer."""
        account, asking = self._holder_account(name), self._once("request")

        def arriving() -> Any:
            for frame in request:
                size = self._counted_bytes(frame)
                account.received += size
                asking.sent += size
                yield frame

        with self.clock.turn(account, "read"):
            answer = list(self._holders[name].open_in_frames(arriving(), num_threads=1))
        sent = sum(map(len, answer))
        account.sent += sent
        answering = self._once("answer")
        with self.clock.turn(answering, "read openings"):
            self._aggregator.receive_opening(answer)
        answering.received += sent

    def _counted_bytes(self, frame: bytes) -> float:
        """Of a request's frame, so that ``method`` may multiply it by ``Size.times``.

        All of it grows with the contributions that are played, but announcement, list and locks.
        """
        if wire_kind(frame) is not WireKind.OPEN_REQUEST:
            return len(frame)
        growing = self.size.num_measured * SignedRoot.layout().least
        return growing + (len(frame) - growing) / self.size.times

    def finish(self) -> float:
        """Combine and decode; the largest error of the sum."""
        with self.clock.turn(self._accounts["answer"][0], "read openings"):
            opened = self._aggregator.finish().sum
        return self.check(opened.values, self._expected, self.size.num_measured)

    def method(self, max_error: float) -> Record:
        """All of it, for as many contributors as are reported."""
        size, accounts = self.size, self._accounts
        times = size.times  # Holders get of every contribution what they open.
        contributors = new_party(CONTRIBUTOR, size.num_contributors)
        take(contributors, accounts["contribute"])
        aggregator = new_party(AGGREGATOR, 1)
        take(aggregator, accounts["receive"], factor=size.num_contributors)
        take(aggregator, accounts["request"], factor=times, factors={phases.CLOSE: 1.0})
        take(aggregator, accounts["answer"])
        aggregator["sent"] += size.num_contributors * contributors["received"]
        requests = (phases.CHECK_REQUEST, phases.RECORD)
        openings = (phases.PARTIAL, phases.PROVE_PARTIAL, phases.DECRYPT)
        factors = dict.fromkeys((*requests, *openings), 1.0)  # However many contributed.
        factors[phases.MULTIPLY] = (size.num_contributors - 1) / (size.num_measured - 1)
        holders = new_party(HOLDER, len(accounts["open"]))
        take(holders, accounts["open"], factor=times, factors=factors)
        holders["sent"] /= times  # An answer does not grow.
        return self.record([contributors, aggregator, holders], max_error)

    def _once(self, part: str) -> Account:
        """One account for all that the aggregator does of a part."""
        return self._accounts[part][0] if self._accounts[part] else self._new(part)

    def _holder_account(self, name: str) -> Account:
        """Of all that a holder answers."""
        if name not in self._of_holder:
            self._of_holder[name] = self._new("open")
        return self._of_holder[name]

    def _new(self, part: str) -> Account:
        self._accounts[part].append(Account())
        return self._accounts[part][-1]
