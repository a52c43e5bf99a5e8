"""A software bill of materials: what is in a wheel, as CycloneDX JSON (PEP 770)."""

import hashlib
import json
import uuid
from typing import Any

from wheels.parts import OWN_LICENCE, Part

NAME = "veilsum.cdx.json"
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562's for URLs


def document(version: str, file_name: str, parts: list[Part], libraries: dict[str, bytes]) -> str:
    """The bill of one wheel: the same for the same wheel, so that it has no time in it.

    Args:
        version: veilsum's.
        file_name: the wheel's.
        parts: what is in it besides.
        libraries: the bundled files of GMP, by their paths in the wheel.
    """
    own = f"pkg:pypi/veilsum@{version}"
    components = []
    for part in parts:
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": part.purl,
            "name": part.name,
            "version": part.version,
            "licenses": [{"expression": part.licence}],
            "purl": part.purl,
            "scope": "required",
        }
        if part.is_linked_in:
            component["description"] = "linked into veilsum's extension module"
        else:
            component["components"] = [
                {
                    "type": "file",
                    "name": path,
                    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
                }
                for path, content in sorted(libraries.items())
            ]
        components.append(component)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{own}/{file_name}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": "veilsum",
                "version": version,
                "licenses": [{"expression": OWN_LICENCE}],
                "purl": own,
            }
        },
        "components": components,
        "dependencies": [
            {"ref": own, "dependsOn": [part.purl for part in parts]},
            *({"ref": part.purl} for part in parts),
        ],
    }
    return json.dumps(bill, indent=2) + "\n"
