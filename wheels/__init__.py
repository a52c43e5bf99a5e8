"""How wheels are made: `./run wheel`. Nothing of this is part of the package."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "wheels"
DIST = ROOT / "dist"


def say(text: str) -> None:
    """Tell what happens next."""
    print(text, file=sys.stderr, flush=True)
