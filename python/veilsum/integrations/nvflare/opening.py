"""How a round is opened through NVFlare: the server asks the holders of the key."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from veilsum.errors import NotEnoughSharesError, VeilsumError
from veilsum.integrations.nvflare.messages import OPEN_TOPIC, OPENING, REFUSAL, REQUEST
from veilsum.secure_sum import Aggregator, Federation, ShareHolder, SumResult

__all__ = ["Answers", "Opener", "aux_questions"]

_PING_SECONDS = 15.0
_PAUSE_SECONDS = 2.0

Ask = Callable[[Mapping[str, Shareable], float], Mapping[str, Shareable]]
"""Asks sites by their names, with a time limit in seconds; who does not answer is not in it."""

Log = Callable[[str], None]


class Answers:
    """A holder's side: answers the server's questions, one at a time.

    Args:
        holder: makes the holder; it is made for each question, so that an error is not kept.
        log: where refusals are explained.
        num_threads: as for ``ShareHolder.open``.
    """

    def __init__(
        self, holder: Callable[[], ShareHolder], *, log: Log, num_threads: int | None
    ) -> None:
        self._holder = holder
        self._log = log
        self._num_threads = num_threads
        self._lock = threading.Lock()

    def __call__(self, topic: str, request: Shareable, fl_ctx: FLContext) -> Shareable:
        """Answer one question; as NVFlare calls it."""
        reply = make_reply(ReturnCode.OK)
        try:
            holder = self._holder()
            if REQUEST in request:
                with self._lock:
                    reply[OPENING] = holder.open(request[REQUEST], num_threads=self._num_threads)
        # Whatever goes wrong here, no more than its name leaves the site.
        except Exception as error:
            self._log(f"did not open what the server asked: {type(error).__name__}: {error}")
            reply = make_reply(ReturnCode.ERROR)
            reply[REFUSAL] = type(error).__name__
        return reply


class Opener:
    """The server's side: asks until the sum of a round is open.

    Args:
        ask: sends questions to sites.
        federation: says who could answer.
        log: where holders that do not are named.
        max_request_bytes: about how long a question may be; at least one chunk of everyone.
        answer_seconds: how long a holder may take for one question.
        opening_seconds: how long to try, also to wait for holders that are away.
    """

    def __init__(
        self,
        ask: Ask,
        federation: Federation,
        *,
        log: Log,
        max_request_bytes: int,
        answer_seconds: float,
        opening_seconds: float,
    ) -> None:
        self._ask = ask
        self._names = [party.name for party in federation.holders or federation.contributors]
        self._one_is_enough = federation.trust != "threshold"
        self._chunks_within = federation.chunks_within
        self._log = log
        self._max_request_bytes = max_request_bytes
        self._answer_seconds = answer_seconds
        self._opening_seconds = opening_seconds

    def open(self, aggregator: Aggregator, *, stopped: Callable[[], bool]) -> SumResult:
        """Close the round and open its sum.

        Raises:
            ProtocolError: too few contributions.
            NotEnoughSharesError: too few holders answered in time, or it was ``stopped``.
            MalformedDataError: the opened integers are no sum.
        """
        deadline = time.monotonic() + self._opening_seconds
        refused: set[str] = set()
        max_chunks = self._chunks_within(
            self._max_request_bytes, num_contributors=len(aggregator.contributors)
        )
        while True:
            away = set(self._names) - self._present() - refused
            try:
                requests = aggregator.open_requests(missing=away | refused, max_chunks=max_chunks)
            except NotEnoughSharesError:
                if stopped() or time.monotonic() > deadline:
                    raise
                self._log(f"waits for holders of the key: {', '.join(sorted(away | refused))}")
                time.sleep(_PAUSE_SECONDS)
                continue
            if not requests:
                return aggregator.finish()
            names = list(requests)[: 1 if self._one_is_enough else None]
            questions = {name: _question(b"".join(requests[name])) for name in names}
            answers = self._ask(questions, self._answer_seconds)
            refused |= {
                name for name in questions if not self._take(aggregator, name, answers.get(name))
            }

    def _present(self) -> set[str]:
        """Who is there now."""
        answers = self._ask({name: Shareable() for name in self._names}, _PING_SECONDS)
        return {name for name, reply in answers.items() if _is_ok(reply)}

    def _take(self, aggregator: Aggregator, name: str, reply: Shareable | None) -> bool:
        """Whether a holder's answer was of use."""
        if reply is None or not _is_ok(reply):
            why = "no answer" if reply is None else reply.get(REFUSAL, reply.get_return_code())
            self._log(f"{name} did not open: {why}; the log of that site says more")
            return False
        try:
            aggregator.receive_opening(reply.get(OPENING, b""))
        except (VeilsumError, TypeError) as error:
            self._log(f"the answer of {name} is refused: {error}")
            return False
        return True


def aux_questions(fl_ctx: FLContext) -> Ask:
    """Asks through NVFlare's auxiliary messages, all sites at once."""
    engine = fl_ctx.get_engine()

    def ask_one(name: str, question: Shareable, seconds: float) -> Shareable | None:
        with engine.new_context() as context:
            replies = engine.send_aux_request(
                targets=[name], topic=OPEN_TOPIC, request=question, timeout=seconds, fl_ctx=context
            )
        return (replies or {}).get(name)

    def ask(questions: Mapping[str, Shareable], seconds: float) -> Mapping[str, Shareable]:
        known = {client.name for client in engine.get_clients()}
        there = {name: question for name, question in questions.items() if name in known}
        # One message each: NVFlare 2.9.0 has a call for several, which fails.
        with ThreadPoolExecutor(max(1, len(there))) as pool:
            waiting = {name: pool.submit(ask_one, name, q, seconds) for name, q in there.items()}
        replies = {name: future.result() for name, future in waiting.items()}
        return {name: reply for name, reply in replies.items() if reply is not None}

    return ask


def _question(request: bytes) -> Shareable:
    question = Shareable()
    question[REQUEST] = request
    return question


def _is_ok(reply: object) -> bool:
    return isinstance(reply, Shareable) and reply.get_return_code() == ReturnCode.OK
