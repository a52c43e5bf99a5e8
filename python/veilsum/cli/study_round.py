"""The folder of a study's round: which message is in which file, and what each party does with it.

All can write in it, and nobody is believed: what is read is checked as if it came from a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from veilsum.cli.files import file_name
from veilsum.cli.table_file import read_table
from veilsum.durable import new_folder, read_file, write_file
from veilsum.errors import InvalidArgumentError, MalformedDataError, VeilsumError
from veilsum.identity import Identity, Role
from veilsum.passphrases import Passphrase
from veilsum.privacy import RecordNoise
from veilsum.secure_sum import (
    Aggregator,
    Announcement,
    Federation,
    FolderStore,
    Invitations,
    PartyFolder,
    RoundDescriptor,
    RoundLink,
    RunChain,
)
from veilsum.stats import (
    Layout,
    Result,
    SiteReport,
    Study,
    Table,
    answer_study,
    load_study,
    result_of,
    save_study,
    study_hash,
)
from veilsum.wire import split_frames

__all__ = ["AggregatorSide", "StudyRound", "StudyState", "announce", "answer_round"]

_MAX_BYTES = 1 << 28


class StudyRound:
    """Where each message of a round is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study_file = path / "study.json"
        self.announcement_file = path / "announcement.veil"
        self.links_file = path / "links.veil"
        self.link_file = path / "link.veil"
        self.store = path / "aggregator"
        self.contributions = path / "contributions"
        self.requests = path / "requests"
        self.answers = path / "answers"

    @property
    def study(self) -> Study:
        """What is asked."""
        return load_study(self.study_file)

    @property
    def announcement(self) -> bytes:
        """The aggregator's, to everybody."""
        return _read(self.announcement_file, "an announcement")

    def asked_of(self, name: str) -> list[str]:
        """The requests to a holder that it has not answered, by their names."""
        ending = f".{file_name(name)}.veil"
        found = sorted(f.name for f in self.requests.glob("*.veil") if f.name.endswith(ending))
        return [each for each in found if not (self.answers / each).exists()]


def announce(
    study: Study, federation: Federation, server: Identity, *, out: Path, after: Path | None
) -> list[str]:
    """Make a round's folder; the names of the sites that are asked. All or nothing.

    Raises:
        FileExistsError: there is something at ``out``.
        InvalidArgumentError: the federation was not dealt for this study.
    """
    Layout(study).check(federation.codec, federation.noise)
    federation.check_day()
    chain = _chain(after)
    sites = [party.name for party in federation.contributors]
    invited = Invitations.of(sites)
    descriptor = RoundDescriptor.signed(
        server,
        federation_hash=federation.hash,
        round_number=chain.end.number + 1,
        model_hash=study_hash(study),
        invited=invited,
        after=chain.end,
        opener=sites[0] if federation.names_opener else None,
    )
    announcement = Announcement.of(descriptor, invited, chain).to_bytes()
    with new_folder(out) as folder:
        made = StudyRound(folder)
        for part in (made.contributions, made.requests, made.answers):
            part.mkdir()
        save_study(study, made.study_file)
        links = [link.to_bytes() for link in chain.after(0)]
        write_file(made.links_file, links, private=False)
        write_file(made.announcement_file, [announcement], private=False)
    return sites


def answer_round(
    asked: StudyRound,
    party: PartyFolder,
    *,
    passphrase: Passphrase,
    table: Path | None,
    ids: str | None,
    min_count: int | None = None,
) -> tuple[list[str], SiteReport | None]:
    """Send what a party is asked for.

    Args:
        asked: the round's folder.
        party: who answers.
        passphrase: of the party's folder.
        table: a site's records, as a CSV file.
        ids: the column that names each of them.
        min_count: a site's own floor, as ``stats.check_min_count``.

    Returns:
        The files that were written; and of a site what became of its records, if it read them.

    Raises:
        PolicyRefusedError: the party's agreement forbids it, or it would tell of few people.
        InvalidArgumentError: a site is asked, and ``table`` or ``ids`` is missing.
    """
    name, sent, report = party.enrolment.name, [], None
    target = asked.contributions / f"{file_name(name)}.veil"

    def records(study: Study) -> Table:
        if table is None or ids is None:
            raise InvalidArgumentError(
                "this party is asked for its sums: give --table, its records, and --id, the column "
                "that names each of them"
            )
        return read_table(table, study, ids)

    if Role.CONTRIBUTOR in party.roles and not target.exists():
        answer = answer_study(
            party,
            asked.study,
            asked.announcement,
            passphrase=passphrase,
            table=records,
            ids=ids,
            min_count=min_count,
        )
        write_file(target, answer.frames, private=False)
        report = answer.report
        sent.append(target.name)
    if Role.HOLDER in party.roles:
        for request in asked.asked_of(name):
            holder = party.key_holder(passphrase=passphrase)
            opening = holder.open(_read(asked.requests / request, "a request"))
            write_file(asked.answers / request, [opening], private=False)
            sent.append(request)
    return sent, report


@dataclass(frozen=True)
class StudyState:
    """How far a round is: its result, or whom it waits for, and what was refused of them."""

    result: Result | None
    waiting_for: tuple[str, ...]
    refused: tuple[str, ...]


class AggregatorSide:
    """The aggregator's side of a round's folder. It can be made anew for each step.

    Args:
        asked: the round's folder.
        federation: the agreement.
        server: the aggregator's identity.

    Raises:
        StoreInUseError: another process goes on with the round.
    """

    def __init__(self, asked: StudyRound, federation: Federation, server: Identity) -> None:
        self._asked = asked
        self._federation = federation
        self._study = asked.study
        announced = Announcement.from_bytes(asked.announcement)
        if announced.descriptor.model_hash != study_hash(self._study):
            raise MalformedDataError(f"{asked.study_file} is not the study that was announced")
        self._chain = _chain_in(asked.links_file)
        self._store = FolderStore(asked.store)
        self._refused: dict[str, str] = {}
        self._sites = [party.name for party in federation.contributors]
        self._aggregator = Aggregator(
            federation,
            server,
            announced.descriptor,
            invited=Invitations.of(self._sites),
            chain=self._chain,
            store=self._store,
        )

    def go_on(self, *, close: bool, level: float) -> StudyState:
        """Take in what is there, ask for what is next.

        Args:
            close: whether to open without sites that have not answered.
            level: of the result's intervals.
        """
        try:
            return self._go_on(close=close, level=level)
        finally:
            self._store.close()

    def _go_on(self, *, close: bool, level: float) -> StudyState:
        aggregator, asked = self._aggregator, self._asked
        if not self._store.names("closed"):
            self._take(asked.contributions, aggregator.receive)
            waiting = [name for name in self._sites if name not in aggregator.contributors]
            if waiting and not close:
                return self._waiting(waiting)
        else:
            self._take(asked.answers, aggregator.receive_opening)
        if requests := aggregator.open_requests():
            for name, frames in requests.items():
                request = b"".join(frames)
                # By its content: who asks twice for the same finds it there.
                file = f"{hashlib.sha256(request).hexdigest()[:16]}.{file_name(name)}.veil"
                if not (asked.requests / file).exists():
                    write_file(asked.requests / file, [request], private=False)
            return self._waiting(requests)
        opened = aggregator.finish()
        write_file(asked.link_file, [opened.link.to_bytes()], private=False, overwrite=True)
        noise = self._federation.noise
        assert noise is None or isinstance(noise, RecordNoise)  # Or the study had not been asked.
        result = result_of(
            Layout(self._study),
            opened.sum,
            codec=self._federation.codec,
            noise=noise,
            sites=opened.contributors,
            level=level,
        )
        return StudyState(result, (), ())

    def _take(self, folder: Path, receive: Callable[[bytes], str]) -> None:
        """All that is there; what was taken before, or is no such message, is passed over."""
        for file in sorted(folder.glob("*.veil")):
            try:
                receive(_read(file, "a message of the round"))
            except (VeilsumError, OSError) as error:
                self._refused[file.name] = str(error)

    def _waiting(self, names: Iterable[str]) -> StudyState:
        """For these; with what was refused of them."""
        waiting = tuple(names)
        endings = tuple(f"{file_name(name)}.veil" for name in waiting)
        told = [f"{n}: {why}" for n, why in self._refused.items() if n.endswith(endings)]
        return StudyState(None, waiting, tuple(told))


def _read(file: Path, what: str) -> bytes:
    return read_file(file, max_bytes=_MAX_BYTES, what=what)


def _chain(after: Path | None) -> RunChain:
    """The links of the rounds up to that in this folder."""
    if after is None:
        return RunChain()
    before = StudyRound(after)
    if not before.link_file.exists():
        raise InvalidArgumentError(f"the round in {after} is not open yet: it has no link")
    return _chain_in(before.links_file, before.link_file)


def _chain_in(*files: Path) -> RunChain:
    chain = RunChain()
    for file in files:
        data = _read(file, "the links of a run")
        for frame in split_frames(data, max_frame_bytes=len(data), name="links"):
            chain.add(RoundLink.from_bytes(frame))
    return chain
