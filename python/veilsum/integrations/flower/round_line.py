"""A round in one line of the server's log."""

from veilsum import arguments
from veilsum.integrations.flower.rounds import SumRecord

__all__ = ["line_of"]

_MOST_REASONS = 5
_MOST_SHOWN = 120  # Of a reason; the whole stands where the party was left out, and in the record.
_NOT_ASKED = "was not asked again"  # The round went on in another start, without it.


def line_of(record: SumRecord, num_rounds: int) -> str:
    """Who contributed and who did not, why, who opened, seconds, bytes.

    Args:
        record: of the round.
        num_rounds: of the run.
    """
    number = f"round {record.server_round} of {num_rounds}"
    if record.round_number != record.server_round:
        number += f" (the federation's {record.round_number})"
    if record.abandoned is not None:
        number += f" is abandoned, the model stays: {record.abandoned}"
    who = f"{len(record.contributed)} of {len(record.invited)} contributed"
    if missing := _missing(record):
        who += f" ({missing})"
    if record.openers:
        who += f", opened by {', '.join(record.openers)}"
    mark = ":" if record.abandoned is None else ";"
    return arguments.printable(f"{number}{mark} {who}; {_figures(record)}")


def _missing(record: SumRecord) -> str:
    """Those who did not contribute, by reason."""
    rest = set(record.invited) - set(record.contributed) - set(record.failures)
    reasons = dict[str, list[str]]()
    for name, why in (*record.failures.items(), *((name, _NOT_ASKED) for name in sorted(rest))):
        short = why if len(why) <= _MOST_SHOWN else f"{why[:_MOST_SHOWN]}..."
        reasons.setdefault(short, []).append(name)
    shown = [f"{', '.join(names)}: {why}" for why, names in reasons.items()]
    if len(shown) > _MOST_REASONS:
        shown[_MOST_REASONS:] = [f"and {len(shown) - _MOST_REASONS} more reasons"]
    return "; ".join(shown)


def _figures(record: SumRecord) -> str:
    parts = [f"waited {record.seconds.get('train', 0.0):.1f} s for contributions"]
    if record.openers:
        parts.append(f"opened in {record.seconds.get('open', 0.0):.1f} s")
    up = record.num_bytes.get("contributions", 0) + record.num_bytes.get("openings", 0)
    parts.append(f"{_size(up)} up, {_size(record.num_bytes.get('requests', 0))} down to holders")
    return ", ".join(parts)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:.1f} kB"
