"""What clipping did to a contribution: for the log of whoever made it, and for nobody else."""

import logging

from veilsum.codec import ClipReport, SlotCodec

__all__ = ["log_clipping"]

_log = logging.getLogger("veilsum.secure_sum.contributor")

# From here on a clip is more likely a wrong setting than a guard against outliers.
_MANY = 0.05
_SHORT = 0.5


def log_clipping(name: str, report: ClipReport, codec: SlotCodec) -> None:
    """Tell what was clipped, as a warning where much was lost; nothing where nothing was.

    The log says how large a contributor's change was: it stays where the data are.
    """
    part = report.num_clipped / codec.dim
    shrunk_to = 1.0
    if report.norm_scaled and report.norm is not None and codec.norm_bound is not None:
        shrunk_to = codec.norm_bound / report.norm if report.norm > 0 else 1.0
    if part == 0 and shrunk_to == 1.0:
        return
    told = []
    if part > 0:
        told.append(
            f"{report.num_clipped} of {codec.dim} values ({part:.2%}) were larger than the clip "
            "and were cut to it"
        )
    if shrunk_to < 1.0:
        told.append(
            f"its {codec.norm} norm was {report.norm:.4g}, and it was shrunk to {shrunk_to:.2%} of "
            f"that, the norm bound {codec.norm_bound:.4g}"
        )
    loses_much = part > _MANY or shrunk_to < _SHORT
    advice = ". The mean moves by less than was trained: is clip or norm_bound too small?"
    _log.log(
        logging.WARNING if loses_much else logging.INFO,
        "the change of %s: %s%s",
        name,
        "; ".join(told),
        advice if loses_much else "",
    )
