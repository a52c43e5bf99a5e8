"""``python -m wheels``: what `./run wheel` runs; it installs what this needs."""

import argparse
import hashlib
import sys
from pathlib import Path

from wheels import gmp, say
from wheels.build import MINORS, build, interpreters, smoke
from wheels.compiler import Target


def sha256(path: Path) -> str:
    """The hash of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Read the arguments and build what they ask for."""
    parser = argparse.ArgumentParser(prog="./run wheel", description="Build wheels into dist/.")
    parser.add_argument(
        "--python",
        type=int,
        action="append",
        choices=MINORS,
        metavar="MINOR",
        help="only for CPython 3.MINOR; may be given again (default: all that are here)",
    )
    parser.add_argument(
        "--arch", choices=("x86_64", "aarch64"), default=Target.of_this_machine().processor
    )
    parser.add_argument(
        "--twice", action="store_true", help="build again from nothing and compare the bytes"
    )
    parser.add_argument("--gmp-source", action="store_true", help="only fetch GMP's sources")
    options = parser.parse_args()
    if options.gmp_source:
        print(gmp.source_archive())
        return
    minors = tuple(options.python or MINORS)
    found = interpreters(minors)
    if missing := set(minors) - {interpreter.minor for interpreter in found}:
        names = ", ".join(f"3.{minor}" for minor in sorted(missing))
        say(f"Not built: CPython {names} is not on this machine")
    if not found:
        sys.exit(1)
    target = Target(options.arch)
    say(f"GMP {gmp.VERSION} for {target.name}")
    gmp.build(target)
    for interpreter in found:
        say(f"CPython 3.{interpreter.minor} for {target.name}")
        wheel = build(interpreter, target)
        if options.twice:
            first = sha256(wheel)
            if sha256(build(interpreter, target, folder="again")) != first:
                sys.exit(f"{wheel.name} has other bytes when it is built again")
            say("Built twice: the same bytes")
        if target == Target.of_this_machine():
            smoke(interpreter, wheel)
        else:
            say("Not tried: this machine does not run it")
        print(f"{sha256(wheel)}  {wheel}  {wheel.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
