"""Wheels as files: read, completed, and written so that the same content is the same bytes."""

import base64
import csv
import hashlib
import io
import time
import zipfile
from pathlib import Path, PurePosixPath

from wheels import sbom
from wheels.parts import Part, expression


def read(wheel: Path) -> dict[str, bytes]:
    """All files of a wheel, by their paths in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def write(wheel: Path, files: dict[str, bytes], seconds: int) -> None:
    """Write these files and their RECORD as a wheel, each with this time (since 1970)."""
    info = dist_info(files)
    files = {**files, f"{info}/RECORD": record(files, f"{info}/RECORD")}
    # Metadata last, as wheels have it; otherwise by name.
    names = sorted(files, key=lambda name: (name.startswith(info), name))
    moment = time.gmtime(max(seconds, 315532800))  # A zip archive knows no time before 1980.
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, moment[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: otherwise the mode means nothing.
            entry.external_attr = (0o100755 if is_library(name) else 0o100644) << 16
            archive.writestr(entry, files[name])


def is_library(name: str) -> bool:
    """Whether this path in a wheel is one of a shared library."""
    return not {".so", ".dylib"}.isdisjoint(PurePosixPath(name).suffixes)


def dist_info(files: dict[str, bytes]) -> str:
    """The folder of metadata."""
    (metadata,) = [name for name in files if name.endswith(".dist-info/METADATA")]
    return metadata.rpartition("/")[0]


def record(files: dict[str, bytes], own_name: str) -> bytes:
    """RECORD: the hash and the size of every file but itself."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name in sorted(files.keys() - {own_name}):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=")
        rows.writerow((name, f"sha256={digest.decode()}", len(files[name])))
    rows.writerow((own_name, "", ""))
    return text.getvalue().encode()


def complete(files: dict[str, bytes], file_name: str, parts: list[Part]) -> dict[str, bytes]:
    """The files of a wheel, with the licences and the bill of materials of its parts."""
    info = dist_info(files)
    files = dict(files)
    names = []
    for part in parts:
        for name, path in part.texts.items():
            files[f"{info}/licenses/{name}"] = path.read_bytes()
            names.append(name)
    metadata = files[f"{info}/METADATA"].decode()
    files[f"{info}/METADATA"] = with_licences(metadata, expression(parts), names).encode()
    libraries = {name: files[name] for name in files if name.split("/")[-1].startswith("libgmp")}
    version = file_name.split("-")[1]
    bill = sbom.document(version, file_name, parts, libraries)
    files[f"{info}/sboms/{sbom.NAME}"] = bill.encode()
    return files


def with_licences(metadata: str, licence: str, names: list[str]) -> str:
    """Metadata that has this licence expression, and lists these texts of licences besides.

    Raises:
        ValueError: it has no expression that could be replaced.
    """
    head, blank, description = metadata.partition("\n\n")
    lines = head.split("\n")
    fields = [line.partition(":")[0] for line in lines]
    if fields.count("License-Expression") != 1 or "License-File" not in fields:
        raise ValueError("the metadata must have one License-Expression, and a License-File")
    lines[fields.index("License-Expression")] = f"License-Expression: {licence}"
    last = len(fields) - fields[::-1].index("License-File")
    lines[last:last] = [f"License-File: {name}" for name in names]
    return "\n".join(lines) + blank + description
