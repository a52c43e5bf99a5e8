"""Looks for the parties' secrets in the files of somebody who must not have them."""

from parties import NAMES
from veilsum.secure_sum import PartyFolder


def secrets_of(folder):
    """What no server may have, by description: bytes that are looked for."""
    found = {}
    for name in NAMES:
        passphrase = (folder / name / "passphrase").read_bytes().strip()
        party = PartyFolder(folder / name / "federation")
        holder = party.key_holder(passphrase=passphrase)
        share = holder._key.share._native.to_secret_bytes()  # type: ignore[attr-defined]
        found[f"passphrase of {name}"] = passphrase
        found[f"share of {name}"] = share[-200:-100]
        found[f"share of {name}, big-endian"] = share[-200:-100][::-1]
        found[f"share of {name}, in hexadecimal"] = share[-200:-100].hex().encode()
        for file in ("party.share", "party.identity"):
            sealed = (folder / name / "federation" / file).read_bytes()
            found[f"{file} of {name}"] = sealed[-64:]
        found[f"SuperNode key of {name}"] = (folder / name / "auth").read_bytes()[60:120]
    return found


def found_in(folder, needles):
    """Which of the needles are in which files under a folder."""
    return sorted(
        (description, str(path.relative_to(folder)))
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for description, needle in needles.items()
        if needle in content
    )
