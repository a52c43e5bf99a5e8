"""The node's part of a study: the sums of its records, encrypted; and openings, as in training."""

import logging
from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from veilsum import arguments
from veilsum.errors import BudgetExhaustedError, PolicyRefusedError, ProtocolError
from veilsum.integrations.flower.client import AppCall, SecureMod
from veilsum.integrations.flower.party import PartyOf
from veilsum.integrations.flower.records import ENROL, OPEN, STUDY, pack, spent, study_in
from veilsum.integrations.flower.simulation import usual_party
from veilsum.secure_sum import PartyFolder
from veilsum.stats import SiteReport, Table, answer_study, study_from_bytes

__all__ = ["StudyClientApp"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own

ColumnsOf = Callable[[Context], Table]


class StudyClientApp(ClientApp):
    """A ``ClientApp`` that answers studies of one table, and nothing else.

    The server decides which statistics; the site's own software clips, compares with what it has
    answered, and refuses (docs/statistics.md). A refusal reaches the server with its reason, and
    what became of the site's records stays in the node's log.

    Args:
        columns: gives the node's table: whatever has a column by its name, such as a dict of arrays
            or a data frame. It is asked when everything else is found to be right.
        ids: the column that names each record; needed without noise. Keyed hashes of it stay in
            the party's folder.
        min_count: the site's own floor: a study without noise that has a smaller ``min_count`` or
            ``min_cell`` is refused.
        party: tells which party a node is, as of ``SecureClientApp``.
        num_threads: of encryption and opening; default as everywhere in veilsum.
    """

    def __init__(
        self,
        columns: ColumnsOf,
        *,
        ids: str | None = None,
        min_count: int | None = None,
        party: PartyOf = usual_party,
        num_threads: int | None = None,
    ) -> None:
        mod = _StudyMod(columns, ids=ids, min_count=min_count, party=party, num_threads=num_threads)
        super().__init__(mods=[mod])
        for action in (ENROL, OPEN, STUDY):
            self.query(action)(_answered_by_the_mod)


class _StudyMod(SecureMod):
    """Answers studies too, and trains nothing."""

    def __init__(
        self,
        columns: ColumnsOf,
        *,
        ids: str | None,
        min_count: int | None,
        party: PartyOf,
        num_threads: int | None,
    ) -> None:
        super().__init__(party=party, num_threads=num_threads)
        if not callable(columns):
            raise TypeError(f"columns must be a function, not {type(columns).__name__}")
        self._columns = columns
        self._ids = None if ids is None else arguments.instance("ids", ids, str)
        if min_count is not None:
            min_count = arguments.count("min_count", min_count, at_least=1)
        self._min_count = min_count

    def _answer(self, message: Message, context: Context, call_next: AppCall) -> Message:
        kind = message.metadata.message_type
        if kind == f"query.{STUDY}":
            return self._answer_study(message, context)
        if not kind.startswith("query."):
            raise PolicyRefusedError(f"{kind} is refused: this node answers studies, and no more")
        return super()._answer(message, context, call_next)

    def _answer_study(self, message: Message, context: Context) -> Message:
        announcement, data = study_in(message.content)
        party = self._party_of(context)
        try:
            answer = answer_study(
                PartyFolder(party.folder),
                study_from_bytes(data),
                announcement,
                passphrase=party.passphrase,
                table=lambda _: self._columns(context),
                ids=self._ids,
                min_count=self._min_count,
                num_threads=self._num_threads,
            )
        except BudgetExhaustedError as error:
            _log.error("this node answers no more: %s", error)
            return Message(spent(), reply_to=message)
        if answer.report is not None:
            _tell(answer.report)
        return Message(pack(answer.frames), reply_to=message)


def _tell(report: SiteReport) -> None:
    _log.info(
        "%d of %d records are in the study, for this node alone to know; %d lacked a value",
        report.num_used,
        report.num_records,
        report.num_incomplete,
    )


def _answered_by_the_mod(message: Message, context: Context) -> Message:
    raise ProtocolError("no mod of veilsum's is among the mods of this app")
