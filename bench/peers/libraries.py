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


# ---- noise ----

NUMPY_NOISE = "numpy SFC64"  # What the others' noise is compared with.
_INT32, _RANDOM_BYTES = ", int32", ", random bytes alone"

NOISE_PEERS = (
    Library(NUMPY_NOISE, f"{_ADAPTERS}.numpy_noise:Sfc64", scheme="", quick=True),
    Library("numpy PCG64", f"{_ADAPTERS}.numpy_noise:Pcg64", scheme=""),
    Library(
        "randomgen (AES)",
        f"{_ADAPTERS}.randomgen:Aes",
        scheme="",
        requirements=("randomgen>=2.5", "numpy"),
    ),
    Library(
        "randomgen (ChaCha20)",
        f"{_ADAPTERS}.randomgen:ChaCha",
        scheme="",
        requirements=("randomgen>=2.5", "numpy"),
    ),
    Library(
        "OpenDP", f"{_ADAPTERS}.opendp:OpenDp", scheme="", requirements=("opendp>=0.14", "numpy")
    ),
    Library(
        "python-dp",
        f"{_ADAPTERS}.pydp:PyDp",
        scheme="",
        requirements=("python-dp>=1.1.5", "numpy"),
    ),
    Library(
        "diffprivlib",
        f"{_ADAPTERS}.diffprivlib:DiffPrivLib",
        scheme="",
        requirements=("diffprivlib>=0.6.6", "scikit-learn<1.9", "numpy"),  # 1.9 moved a name.
    ),
)


def our_noise(fastest: str) -> list[Library]:
    """veilsum's samples on each kernel, in both integer types, and their random bytes alone."""
    module = f"{_ADAPTERS}.veilsum_noise"
    return [
        Library(
            f"{library.name}{suffix}",
            f"{module}:{sampler}",
            scheme="",
            environment=library.environment,
            quick=library.quick,
        )
        for library in ours(fastest)
        for suffix, sampler in {"": "Int64", _INT32: "Int32", _RANDOM_BYTES: "RandomBytes"}.items()
    ]


LEAKY = Library("a planted leak", f"{_ADAPTERS}.leaky_noise:Leaky", scheme="")


def random_bytes_of(library: str) -> str:
    """The one of our_noise that draws only the random bytes of the samples of another."""
    return library.removesuffix(_INT32) + _RANDOM_BYTES


def is_random_bytes(library: str) -> bool:
    """Whether this one draws bytes and no noise."""
    return library.endswith(_RANDOM_BYTES)
