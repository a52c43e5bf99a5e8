"""The libraries that are set side by side, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.records import OURS


@dataclass(frozen=True)
class Library:
    """An adapter, and the packages and variables it runs with."""

    name: str
    adapter: str  # module:class
    requirements: tuple[str, ...] = ()  # None where this interpreter has it.
    environment: dict[str, str] = field(default_factory=dict)
    quick: bool = False  # Also in ./run bench --quick, if the interpreter happens to have it.

    @property
    def is_ours(self) -> bool:
        """Whether it is veilsum."""
        return self.name.startswith(OURS)


def _adapter(name: str) -> str:
    return f"bench.adapters.{name}"


# ---- encryption ----

KERNELS = ("ifma", "avx2", "portable")  # Fastest first.
PEERS = tuple(
    Library(name, _adapter(f"ciphers:{adapter}"), (*packages, "numpy"), quick=adapter == "Phe")
    for name, adapter, packages in (
        ("phe + gmpy2", "Phe", ("phe>=1.5", "gmpy2>=2.2")),
        ("HEU ZPaillier", "ZPaillier", ("sf-heu>=0.5.2b0",)),
        ("pypaillier", "PyPaillier", ("pypaillier>=0.8",)),
        ("fate_utils", "Fate", ("fate-utils>=0.1",)),
        ("HEU OU (not Paillier)", "OkamotoUchiyama", ("sf-heu>=0.5.2b0",)),
    )
)
_TENSEAL = ("tenseal>=0.3.16", "numpy")
CKKS = Library(
    "TenSEAL CKKS (approximate, lattice)",
    _adapter("tenseal:Ckks"),
    _TENSEAL,
)


# Vectors of floats. LightPHE also at the size of key that it takes unasked.
LIGHTPHE = "LightPHE"
FLOAT_KEY_BITS = {LIGHTPHE: (1024, 2048)}  # All others: 2048.
FLOAT_PEERS = tuple(
    Library(name, _adapter(f"floats:{adapter}"), (*packages, "numpy"))
    for name, adapter, packages in (
        (LIGHTPHE, "LightPhe", ("lightphe>=0.0.27",)),
        ("phe + gmpy2", "Phe", ("phe>=1.5", "gmpy2>=2.2")),
        ("HEU ZPaillier", "Heu", ("sf-heu>=0.5.2b0",)),
        ("pypaillier", "PyPaillier", ("pypaillier>=0.8",)),
    )
)


def ours(fastest: str) -> list[Library]:
    """veilsum on the kernel in use, then on each other one."""
    return [
        Library(
            f"{OURS} {kernel}",
            _adapter("veilsum:Veilsum"),
            environment={"VEILSUM_ISA": kernel},
            quick=kernel == fastest,
        )
        for kernel in [fastest, *(kernel for kernel in KERNELS if kernel != fastest)]
    ]


def our_floats(fastest: str) -> list[Library]:
    """veilsum's encrypted floats, on each kernel."""
    return [
        Library(library.name, _adapter("veilsum_floats:Floats"), environment=library.environment)
        for library in ours(fastest)
    ]


def our_updates(fastest: str) -> list[Library]:
    """veilsum's ways through workload W; a masked one encrypts its key under the public key."""
    return [
        Library(
            f"{OURS}, {way}",
            _adapter(f"veilsum_update:{pipeline}"),
            environment={"VEILSUM_ISA": fastest},
            quick=way != "key owner",
        )
        for way, pipeline in (
            ("public key", "PublicKeyPipeline"),
            ("masked", "MaskedPipeline"),
            ("key owner", "OwnerPipeline"),
        )
    ]


# ---- noise ----

NUMPY_NOISE = "numpy SFC64"  # What the others' noise is compared with.
OPENDP_NOISE = "OpenDP"
_INT32, _RANDOM_BYTES = ", int32", ", random bytes alone"
NOISE_PEERS = tuple(
    Library(
        name,
        _adapter(f"noise:{adapter}"),
        requirements=(*packages, "numpy") if packages else (),
        quick=name == NUMPY_NOISE,
    )
    for name, adapter, packages in (
        (NUMPY_NOISE, "Sfc64", ()),
        ("numpy PCG64", "Pcg64", ()),
        ("randomgen (AES)", "Aes", ("randomgen>=2.5",)),
        ("randomgen (ChaCha20)", "ChaCha", ("randomgen>=2.5",)),
        (OPENDP_NOISE, "OpenDp", ("opendp>=0.14",)),
        ("python-dp", "PyDp", ("python-dp>=1.1.5",)),
        # scikit-learn 1.9 moved a name.
        ("diffprivlib", "DiffPrivLib", ("diffprivlib>=0.6.6", "scikit-learn<1.9")),
    )
)
LEAKY = Library("a planted leak", _adapter("veilsum_noise:Leaky"))


def our_noise(fastest: str) -> list[Library]:
    """veilsum's samples on each kernel, in both integer types, and their random bytes alone."""
    return [
        Library(
            f"{library.name}{suffix}",
            _adapter(f"veilsum_noise:{sampler}"),
            environment=library.environment,
            quick=library.quick,
        )
        for library in ours(fastest)
        for suffix, sampler in {"": "Int64", _INT32: "Int32", _RANDOM_BYTES: "RandomBytes"}.items()
    ]


def random_bytes_of(library: str) -> str:
    """The one of our_noise that draws only the random bytes of the samples of another."""
    return library.removesuffix(_INT32) + _RANDOM_BYTES


def is_random_bytes(library: str) -> bool:
    """Whether this one draws bytes and no noise."""
    return library.endswith(_RANDOM_BYTES)


# ---- whole rounds ----

_QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


def flower(name: str, adapter: str) -> Library:
    """One that runs in Flower."""
    requirements = ("flwr>=1.41", "numpy")
    return Library(name, _adapter(adapter), requirements, _QUIET)


PLAIN_ROUND = flower("Flower, plain FedAvg", "flower:Plain")
SECAGG_ROUND = flower("Flower SecAgg+", "flower:SecAggPlus")
CKKS_ROUND = Library("TenSEAL CKKS", _adapter("tenseal:Ckks"), _TENSEAL)
NVFLARE_ROUND = Library("NVFlare, CKKS", _adapter("nvflare:Ckks"), ("nvflare>=2.9", *_TENSEAL))
OUR_ROUNDS = tuple(
    flower(f"veilsum in Flower, {name}", f"flower_veilsum:{adapter}")
    for name, adapter in (
        ("authority", "Authority"),
        ("threshold", "Threshold"),
        ("threshold, passphrases", "UnderPassphrase"),
    )
)
