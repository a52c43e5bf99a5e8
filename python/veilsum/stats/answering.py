"""A site answers a study with its party's folder: its rules, its record of answers, its ledgers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from veilsum.errors import LedgerError
from veilsum.identity import Role
from veilsum.passphrases import Passphrase
from veilsum.secure_sum import PartyFolder, RunName
from veilsum.stats.answered import Answered
from veilsum.stats.columns import Table
from veilsum.stats.layout import Layout
from veilsum.stats.site import SiteReport, check_min_count, site_vector
from veilsum.stats.study import Study
from veilsum.stats.study_file import study_hash

__all__ = ["SiteAnswer", "answer_study"]

_ANSWERED = "answered.sqlite"


@dataclass(frozen=True)
class SiteAnswer:
    """What a site sends for a study.

    Attributes:
        frames: the contribution, encrypted and signed.
        report: what became of the site's records; None if the same was sent before, and no record
            was read. Stays with the site.
    """

    frames: Iterable[bytes]
    report: SiteReport | None


def answer_study(
    party: PartyFolder,
    study: Study,
    announcement: bytes,
    *,
    passphrase: Passphrase,
    table: Callable[[Study], Table],
    ids: str | None,
    min_count: int | None = None,
    num_threads: int | None = None,
) -> SiteAnswer:
    """Answer a round that asks for a study, or send again what was sent for it before.

    Args:
        party: of the site, as ``veilsum join`` made it.
        study: what is asked.
        announcement: of the round, by the federation's aggregator.
        passphrase: of the party's folder.
        table: gives the site's records, when everything else is found to be right.
        ids: a column of the table that names each record; needed without noise. Keyed hashes of
            it stay in the party's folder.
        min_count: the site's own floor, as ``check_min_count``.
        num_threads: of encryption.

    Raises:
        InvalidArgumentError: the federation was not dealt for this study, or the table is not what
            the study declares.
        PolicyRefusedError: another study was announced; this one is below the site's floor; or the
            sums would tell of few people. Nothing is sent.
        BudgetExhaustedError: the ledger has too little left. The table was not asked for.
        LedgerError: a ledger, or the record of answers, is missing or damaged.
    """
    federation = party.federation
    is_noisy = federation.noise is not None
    check_min_count(study, min_count, is_noisy=is_noisy)
    layout = Layout(study)
    layout.check(federation.codec, federation.noise)
    contributor = party.contributor(passphrase=passphrase)
    name = study_hash(study)
    kept = contributor.before_training(announcement, model_hash=name)
    if kept is not None:
        return SiteAnswer(kept, None)
    vector = site_vector(
        layout,
        table(study),
        is_noisy=is_noisy,
        ids=ids,
        answered=None if is_noisy else _answered(party),
    )
    frames = contributor.contribute_in_frames(
        announcement, vector.values, model_hash=name, num_threads=num_threads
    )
    return SiteAnswer(frames, vector.report)


def _answered(party: PartyFolder) -> Answered:
    """What the party has answered; made for its first answer only."""
    file = party.path / _ANSWERED
    if file.exists():
        return Answered.open(file)
    rounds = party.rounds(Role.CONTRIBUTOR)
    if rounds is not None and rounds.answered(RunName.of(party.federation)):
        raise LedgerError(
            f"{file} is missing, and this party has answered studies: without it nothing tells "
            "what they were of, so no more are answered. Put it back, or join a federation with "
            "noise"
        )
    return Answered.create(file)
