"""Transcripts of one run beside each other: whether each goes on from the one before."""

from __future__ import annotations

from collections.abc import Iterable

from veilsum.cli.findings import Contents
from veilsum.errors import ProtocolError
from veilsum.secure_sum import Transcript

__all__ = ["Run"]


class Run:
    """The transcripts among some files, by their rounds."""

    def __init__(self, files: Iterable[Contents]) -> None:
        found = (contents.transcript for contents in files)
        self._known = {
            (told.descriptor.federation_hash, told.descriptor.round_number): told
            for told in found
            if told is not None and told.link is not None
        }

    def look_at(self, told: Transcript, contents: Contents) -> None:
        """Say what a transcript goes on from, and whether that is here.

        Raises:
            ProtocolError: the transcript of the round before says otherwise.
        """
        after = told.descriptor.after
        if after.number == 0:
            contents.checked.append("no round of the run was opened before it, as it says")
            return
        before = self._known.get((told.descriptor.federation_hash, after.number))
        if before is None:
            contents.facts["missing_transcript"] = after.number
            contents.unchecked.append(
                f"that it goes on from round {after.number}; give that round's transcript too"
            )
            return
        if before.end != after:
            raise ProtocolError(
                f"the transcript of round {after.number} that is here is another one than this "
                "round goes on from: the chain of the run is broken"
            )
        contents.checked.append(f"it goes on from round {after.number}, whose transcript is here")
