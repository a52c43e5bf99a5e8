"""The libraries that are set side by side, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Library:
    """A row of the report: an adapter, and the packages and variables it runs with."""

    name: str
    adapter: str  # module:class
    scheme: str = "Paillier"
    requirements: tuple[str, ...] = ()  # None where this interpreter has it.
    environment: dict[str, str] = field(default_factory=dict)
    quick: bool = False  # Also in ./run bench --quick, if the interpreter happens to have it.

    OURS: ClassVar[str] = "veilsum"

    @property
    def is_ours(self) -> bool:
        return self.name.startswith(self.OURS)


_ADAPTERS = "peers.adapters"

PEERS = (
    Library(
        "phe + gmpy2",
        f"{_ADAPTERS}.phe:Phe",
        requirements=("phe>=1.5", "gmpy2>=2.2", "numpy"),
        quick=True,
    ),
    Library(
        "HEU ZPaillier",
        f"{_ADAPTERS}.heu:ZPaillier",
        requirements=("sf-heu>=0.5.2b0", "numpy"),
    ),
    Library(
        "pypaillier",
        f"{_ADAPTERS}.pypaillier:PyPaillier",
        requirements=("pypaillier>=0.8", "numpy"),
    ),
    Library("fate_utils", f"{_ADAPTERS}.fate:Fate", requirements=("fate-utils>=0.1", "numpy")),
    Library(
        "HEU OU (not Paillier)",
        f"{_ADAPTERS}.heu:OkamotoUchiyama",
        scheme="Okamoto-Uchiyama, not Paillier",
        requirements=("sf-heu>=0.5.2b0", "numpy"),
    ),
)

CKKS = Library(
    "TenSEAL CKKS (approximate, lattice)",
    f"{_ADAPTERS}.tenseal:CkksPipeline",
    scheme="CKKS, approximate, on lattices",
    requirements=("tenseal>=0.3.16", "numpy"),
)

KERNELS = ("ifma", "avx2", "portable")  # Fastest first.


def ours(fastest: str) -> list[Library]:
    """veilsum on the kernel in use, then on each other one."""
    others = [kernel for kernel in KERNELS if kernel != fastest]
    return [
        Library(
            f"{Library.OURS} {kernel}",
            f"{_ADAPTERS}.veilsum:Veilsum",
            environment={"VEILSUM_ISA": kernel},
            quick=kernel == fastest,
        )
        for kernel in [fastest, *others]
    ]


def our_updates(fastest: str) -> list[Library]:
    """veilsum's two ways through workload W."""
    module = f"{_ADAPTERS}.veilsum_update"
    environment = {"VEILSUM_ISA": fastest}
    return [
        Library(
            f"{Library.OURS}, public key",
            f"{module}:PublicKeyPipeline",
            environment=environment,
            quick=True,
        ),
        Library(
            f"{Library.OURS}, key owner",
            f"{module}:OwnerPipeline",
            environment=environment,
        ),
    ]
