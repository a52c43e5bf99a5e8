"""Links between the documents lead somewhere."""

import re
from pathlib import Path

import pytest
from reference import codec as reference

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("cpp/*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_environment_variables_are_on_one_page():
    folders = ("cpp", "src", "python", "examples", "bench", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    code = "".join(path.read_text() for path in files if path.suffix in (".py", ".cpp", ".hpp"))
    read = set(re.findall(r"""(?:getenv\(|environ\.get\()["'](\w+)["']""", code))
    assert "VEILSUM_ISA" in read
    page = (ROOT / "docs" / "environment.md").read_text()
    assert read <= set(re.findall(r"`(\w+)`", page))
    assert set(re.findall(r"^\| `(VEILSUM_\w+)`", page, re.MULTILINE)) <= read


def test_the_bytes_of_weights_are_those_of_the_layout():
    """The table of docs/weights.md, against the slow count of slots in a plaintext."""
    text = (ROOT / "docs" / "weights.md").read_text()
    rows = re.findall(r"^\| ([\d,]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \|", text, re.MULTILINE)
    assert len(rows) == 8
    n = 2**3071 + 1
    for ratio, weight_bits, *megabytes in rows:
        assert 2 ** (int(weight_bits) - 1) < int(ratio.replace(",", "")) <= 2 ** int(weight_bits)
        for num_addends, stated in zip((10, 100), megabytes, strict=True):
            largest = num_addends * reference.grid_max(16, int(weight_bits))
            slots = reference.slots_per_plaintext(largest, n)
            num_bytes = -(-1_000_001 // slots) * 2 * 384
            assert abs(num_bytes / 1e6 - float(stated)) <= 0.006 * float(stated)


def test_the_tests_that_a_page_names_are_there():
    text = (ROOT / "docs" / "robustness.md").read_text()
    named = set(re.findall(r"`((?:\w+/)?test_\w+\.py)`", text))
    assert len(named) > 50
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).is_file()] == []
