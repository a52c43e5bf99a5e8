"""For cibuildwheel, which brings compilers of its own: ``python -m wheels.ci --help``.

.github/workflows/release.yml calls it, for the wheels that `./run wheel` does not build.
"""

import argparse
import platform
from pathlib import Path

from wheels import archive, gmp, parts
from wheels.build import source_date


def main() -> None:
    """Build GMP, or complete a wheel that has it."""
    parser = argparse.ArgumentParser(prog="python -m wheels.ci", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("gmp", help="build GMP and install it")
    command.add_argument("prefix", type=Path)
    command = commands.add_parser("complete", help="add licences and bill of materials")
    command.add_argument("prefix", type=Path, help="where GMP was installed")
    command.add_argument("folder", type=Path, help="with one wheel, which is written again")
    options = parser.parse_args()
    prefix = options.prefix.absolute()
    if options.command == "gmp":
        home = prefix.with_name(f"{prefix.name}-build")
        gmp.install(prefix, home, {}, serves_all=platform.machine() == "x86_64")
        return
    (wheel,) = options.folder.glob("*.whl")
    files = archive.complete(archive.read(wheel), wheel.name, parts.of_wheel(prefix, has_zig=False))
    archive.write(wheel, files, source_date())


if __name__ == "__main__":
    main()
