"""The server's part of a study: one round, whose sum it sees, and its result."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

from flwr.app import Message
from flwr.serverapp import Grid

from veilsum import arguments
from veilsum.durable import made_folder, write_file
from veilsum.errors import InvalidArgumentError, NotEnoughSharesError, ProtocolError
from veilsum.fedavg.history import Meter
from veilsum.integrations.aggregator_identity import aggregator_identity
from veilsum.integrations.federation_file import agreed_in, parse_hash, read_signed
from veilsum.integrations.flower.nodes import Nodes
from veilsum.integrations.flower.opening import NodeHolders
from veilsum.integrations.flower.records import STUDY, announcing_study
from veilsum.integrations.flower.rounds import SumRound
from veilsum.integrations.flower.run_state import RunState
from veilsum.integrations.flower.simulation import simulated_federation
from veilsum.integrations.openers import Openers
from veilsum.integrations.opening import await_holders, open_sum
from veilsum.integrations.simulation import Simulation
from veilsum.privacy import RecordNoise
from veilsum.secure_sum import Federation, Identity, SumResult, Transcript
from veilsum.stats import Layout, Result, Study, load_study, result_of, study_hash, study_to_bytes

__all__ = ["SecureStudy"]

_log = logging.getLogger("flwr.veilsum")  # shown beside Flower's own


class SecureStudy:
    """Asks the nodes' parties for a study, and sees the sums of all of them together.

    Nodes run a ``StudyClientApp``. All contributors of the federation are asked, and nothing is
    opened before ``min_sites`` of them have answered: without noise a study is opened for one set
    of sites. Until then their answers wait in the store, and ``start`` with the same store asks
    those that are missing. Each study that was opened is a charge at every site where there is
    noise, and a new round when it is started again.

    Args:
        study: what is asked: a ``Study``, or the file that ``save_study`` wrote.
        federation: the dealer's file, dealt with ``veilsum deal --study``; or the agreement.
        store: a folder on the server's disk for the federation's rounds. It must stay.
        identity: of the federation's aggregator, as of ``SecureStrategy``.
        passphrase_file: as of ``SecureStrategy``.
        federation_hash: as of ``SecureStrategy``.
        min_sites: how many sites must have answered; all of the federation if left out.
        level: of the result's intervals, in (0, 1).
        max_message_bytes: about how long a request to a holder may be.
        wait_seconds: how long to wait for holders of the key.
        num_threads: for checking, adding and combining.
        artefacts: a folder for ``round-NUMBER.json``, the result, and the round's transcript; the
            store if left out, and of a simulation nothing is kept then.
        simulation: instead of ``federation``, ``store`` and ``identity``: True, or a ``Simulation``
            whose ``key_bits`` count, makes throw-away parties for the nodes of a simulation.
            Without noise: nothing is protected anyway.

    Raises:
        TypeError, InvalidArgumentError: an argument of another type, or out of range; a federation
            that was not dealt for this study.
        others: as ``SecureStrategy``.
    """

    def __init__(
        self,
        study: Study | str | os.PathLike[str],
        *,
        federation: Federation | str | os.PathLike[str] | None = None,
        store: str | os.PathLike[str] | None = None,
        identity: Identity | str | os.PathLike[str] | None = None,
        passphrase_file: str | os.PathLike[str] | None = None,
        federation_hash: str | None = None,
        min_sites: int | None = None,
        level: float = 0.95,
        max_message_bytes: int = 64 << 20,
        wait_seconds: float = 300.0,
        num_threads: int | None = None,
        artefacts: str | os.PathLike[str] | None = None,
        simulation: Simulation | bool = False,
    ) -> None:
        self._study = study if isinstance(study, Study) else load_study(study)
        self._layout = Layout(self._study)
        if min_sites is not None:
            min_sites = arguments.count("min_sites", min_sites, at_least=2)
        self._min_sites = min_sites
        self._level = arguments.real("level", level, above=0, below=1)
        self._max_message_bytes = arguments.count(
            "max_message_bytes", max_message_bytes, at_least=1
        )
        self._wait_seconds = arguments.real("wait_seconds", wait_seconds, at_least=0)
        if num_threads is not None:
            num_threads = arguments.count("num_threads", num_threads, at_least=1)
        self._num_threads = num_threads
        self._artefacts = (
            None if artefacts is None else Path(arguments.path("artefacts", artefacts))
        )
        arguments.instance("simulation", simulation, (Simulation, bool))
        self._simulation = Simulation() if simulation is True else simulation or None
        given = {"federation": federation, "store": store, "identity": identity}
        if self._simulation is not None:
            given |= {"passphrase_file": passphrase_file, "federation_hash": federation_hash}
            if extra := [name for name, value in given.items() if value is not None]:
                raise InvalidArgumentError(
                    f"a simulation makes its own federation: leave out {', '.join(extra)}"
                )
            return
        if federation is None or store is None or identity is None:
            missing = [name for name, value in given.items() if value is None]
            raise TypeError(
                f"missing: {', '.join(missing)}; or simulation=True, for throw-away parties"
            )
        self._join(federation, store, identity, passphrase_file, federation_hash)

    def _join(
        self,
        federation: Federation | str | os.PathLike[str],
        store: str | os.PathLike[str],
        identity: Identity | str | os.PathLike[str],
        passphrase_file: str | os.PathLike[str] | None = None,
        federation_hash: str | None = None,
    ) -> None:
        signed: bytes | None = None
        if not isinstance(federation, Federation):
            pin = None if federation_hash is None else parse_hash(federation_hash)
            signed = read_signed(federation)
            federation = agreed_in(signed, expected_hash=pin)
        self._layout.check(federation.codec, federation.noise)
        self._federation = federation
        self._identity = aggregator_identity(identity, passphrase_file, federation)
        self._nodes = Nodes(federation, signed)
        self._openers = Openers(federation)
        self._state = RunState(store, federation)

    def start(self, grid: Grid, timeout: float = 3600) -> Result:
        """Play the study's round, or go on with it where it was.

        Args:
            grid: of the ServerApp.
            timeout: how long sites may take, and holders for one request, in seconds.

        Raises:
            NotEnoughSharesError: too few holders are there, or answer. Before sites are asked, or
                with their answers kept in the store.
            ProtocolError: too few sites have answered: who, and why. What came is kept.
            StoreInUseError: another ServerApp is at work with this store.
        """
        timeout = arguments.real("timeout", timeout, above=0)
        if self._simulation is None:
            with self._state.in_use():
                return self._run(grid, timeout, self._artefacts or self._state.path)
        codec = self._layout.codec(2)  # Clip and precision are the same for any number of sites.
        assert isinstance(codec.clip, (int, float))  # One for all whole numbers.
        chosen = replace(self._simulation, clip=codec.clip, value_bits=codec.value_bits)
        with simulated_federation(grid, codec.dim, chosen) as parties:
            self._join(
                parties.federation_file,
                parties.path / "store",
                parties.identity_file,
                passphrase_file=parties.key_file,
            )
            with self._state.in_use():
                return self._run(grid, timeout, self._artefacts)

    def _run(self, grid: Grid, timeout: float, folder: Path | None) -> Result:
        federation = self._federation
        self._nodes.update(grid, timeout=timeout)
        holders = NodeHolders(self._nodes, grid, answer_seconds=timeout, meter=Meter())
        there = await_holders(
            holders, federation=federation, wait_seconds=self._wait_seconds, log=_log.warning
        )
        sites = [party.name for party in federation.contributors]
        current = SumRound(
            federation,
            self._identity,
            self._state,
            after=self._last_number(),
            asked=study_hash(self._study),
            invited=sites,
            opener=lambda number: self._openers.choose(number, there),
            num_threads=self._num_threads,
        )
        try:
            failures = self._ask(grid, current, timeout)
            answered = current.aggregator.contributors
            needed = len(sites) if self._min_sites is None else self._min_sites
            if current.waiting and len(answered) < needed:
                told = "; ".join(f"{name}: {why}" for name, why in sorted(failures.items()))
                raise ProtocolError(
                    f"{len(answered)} of {len(sites)} sites have answered, and {needed} must "
                    f"(min_sites): {told}. Nothing was opened, and what came is kept: start again "
                    "with the same store to ask the others"
                )
            opened = open_sum(
                current.aggregator,
                holders,
                federation=federation,
                max_request_bytes=self._max_message_bytes,
                wait_seconds=self._wait_seconds,
                log=_log.warning,
            )
            return self._end(current, opened, folder)
        except NotEnoughSharesError as error:
            raise NotEnoughSharesError(
                f"{error}. The answers are kept: start the ServerApp with the same store when the "
                "holders are back"
            ) from error
        finally:
            current.close()

    def _ask(self, grid: Grid, current: SumRound, timeout: float) -> dict[str, str]:
        """Ask the sites that have not answered; why each of them still has not."""
        online = self._nodes.contributors()
        data = study_to_bytes(self._study)
        asked = {
            online[name]: Message(
                announcing_study(current.announcement(name), data),
                dst_node_id=online[name],
                message_type=f"query.{STUDY}",
            )
            for name in sorted(current.waiting & set(online))
        }
        failures = dict.fromkeys(current.waiting - set(online), "not on line")
        if asked:
            replies = grid.send_and_receive(list(asked.values()), timeout=timeout)
            found, _ = current.receive(replies, asked=asked, shown=self._nodes.shown)
            failures |= found
        return failures

    def _end(self, current: SumRound, opened: SumResult, folder: Path | None) -> Result:
        """The result, written before its round is over: whoever dies in between writes it again."""
        noise = self._federation.noise
        assert noise is None or isinstance(noise, RecordNoise)  # As the layout has checked.
        result = result_of(
            self._layout,
            opened.sum,
            codec=self._federation.codec,
            noise=noise,
            sites=opened.contributors,
            level=self._level,
        )
        transcript = Transcript.from_bytes(opened.transcript)
        if folder is not None:
            name = f"round-{current.number:06d}"
            with made_folder(folder):
                text = json.dumps(json.loads(result.to_json()), indent=2) + "\n"
                write_file(folder / f"{name}.json", [text.encode()], overwrite=True)
            if folder != self._state.path:
                write_file(folder / f"{name}.transcript", [opened.transcript], overwrite=True)
            _log.info("the result is in %s", (folder / f"{name}.json").absolute())
        else:
            _log.info("SIMULATION: nothing is kept; SecureStudy(..., artefacts=folder) keeps it")
        self._state.keep_transcript(current.number, transcript)
        self._state.erase_round(current.number)
        return result

    def _last_number(self) -> int:
        """Of the last round that is over: its transcript is kept."""
        kept = self._state.transcripts()
        return int(kept[-1].stem.removeprefix("round-")) if kept else 0
