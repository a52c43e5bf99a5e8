"""How holders are asked to open a round through NVFlare, and how they answer."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from veilsum.integrations.asking import Asking
from veilsum.integrations.nvflare.messages import OPEN_TOPIC, OPENING, REFUSAL, REQUEST
from veilsum.secure_sum import KeyHolder

__all__ = ["Answers", "SiteHolders", "aux_questions"]

_PING_SECONDS = 15.0
_STEP_SECONDS = 1.0  # So often it looks whether to tell who has not answered.

Ask = Callable[[Mapping[str, Shareable], float], Mapping[str, Shareable]]
"""Asks sites by their names, with a time limit in seconds; who does not answer is not in it."""

Log = Callable[[str], None]


class Answers:
    """A holder's side: answers the server's questions, one at a time.

    Args:
        holder: makes the holder; it is made for each question, so that an error is not kept.
        log: where refusals are explained.
        num_threads: as for ``KeyHolder.open``.
    """

    def __init__(
        self, holder: Callable[[], KeyHolder], *, log: Log, num_threads: int | None
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


class SiteHolders:
    """The holders of the key, at their sites; for ``open_sum``.

    Args:
        ask: sends questions to sites.
        log: where holders that do not answer are named.
        answer_seconds: how long a holder may take for one question.
    """

    def __init__(self, ask: Ask, *, log: Log, answer_seconds: float) -> None:
        self._ask = ask
        self._log = log
        self._answer_seconds = answer_seconds

    def present(self, names: Collection[str]) -> Collection[str]:
        """Those whose sites answer a question with nothing in it."""
        answers = self._ask({name: Shareable() for name in names}, _PING_SECONDS)
        return {name for name, reply in answers.items() if _is_ok(reply)}

    def ask(self, requests: Mapping[str, Iterator[bytes]]) -> Mapping[str, bytes]:
        """Ask the sites, and wait until all have answered or the time is over."""
        questions = {name: _question(b"".join(request)) for name, request in requests.items()}
        replies = self._ask(questions, self._answer_seconds)
        answers = {}
        for name in questions:
            reply = replies.get(name)
            if reply is not None and _is_ok(reply):
                opening = reply.get(OPENING)
                answers[name] = opening if isinstance(opening, bytes) else b""
                continue
            why = "no answer" if reply is None else reply.get(REFUSAL, reply.get_return_code())
            self._log(f"{name} did not open: {why}; the log of that site says more")
        return answers


def aux_questions(fl_ctx: FLContext, *, log: Log) -> Ask:
    """Asks through NVFlare's auxiliary messages, all sites at once; tells meanwhile, in ``log``."""
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
        asking = Asking(there, seconds=seconds, log=log)
        with ThreadPoolExecutor(max(1, len(there))) as pool:
            names = {pool.submit(ask_one, name, q, seconds): name for name, q in there.items()}
            waiting = set(names)
            while waiting:
                done, waiting = wait(waiting, _STEP_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    asking.answered(names[future])
                asking.tell()
        replies = {name: future.result() for future, name in names.items()}
        return {name: reply for name, reply in replies.items() if reply is not None}

    return ask


def _question(request: bytes) -> Shareable:
    question = Shareable()
    question[REQUEST] = request
    return question


def _is_ok(reply: object) -> bool:
    return isinstance(reply, Shareable) and reply.get_return_code() == ReturnCode.OK
