"""Whether an installed wheel works: the examples of the README, and where GMP comes from.

Run by the Python that has the wheel: ``python wheels/smoke.py README.md``.
"""

import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import veilsum


def best_kernel() -> str:
    """What Linux says of an x86-64 processor; elsewhere the only kernel that there is."""
    processor = Path("/proc/cpuinfo")
    is_told = platform.machine() == "x86_64" and processor.exists()
    flags = set(processor.read_text().split()) if is_told else set()
    if {"avx512ifma", "avx512_vbmi"} <= flags:
        return "ifma"
    return "avx2" if "avx2" in flags else "portable"


def main() -> None:
    """Try it; what does not work raises."""
    package = Path(veilsum.__file__).parent
    assert package.parent == Path(sysconfig.get_path("platlib")), f"{package} is not the wheel's"
    page = Path(sys.argv[1]).read_text()
    names: dict[str, object] = {"__name__": "page"}
    # A key, an encrypted sum and training by encrypted rounds with noise.
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for example in examples:
        exec(example, names)
    if sys.platform == "linux":
        maps = Path("/proc/self/maps").read_text()
        loaded = {line.split()[-1] for line in maps.splitlines() if "libgmp" in line}
        bundled = {str(path) for path in (package.parent / "veilsum.libs").iterdir()}
        assert loaded == bundled, f"GMP is {loaded} and must be {bundled}"
    program = Path(sysconfig.get_path("scripts")) / "veilsum"
    doctor = subprocess.run([program, "doctor"], check=True, capture_output=True, text=True).stdout
    assert veilsum.__version__ in doctor, doctor
    kernel = veilsum.cpu()["kernel"]
    assert kernel == best_kernel(), f"the kernel is {kernel} and must be {best_kernel()}"
    print(f"{sys.version.split()[0]}: {len(examples)} examples, doctor, kernel {kernel}: works")


if __name__ == "__main__":
    main()
