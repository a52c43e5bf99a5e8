"""``import veilsum`` loads next to nothing, and nobody can tell: names come at first use."""

import ast
import os
import pickle
import pydoc
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import veilsum

ROOT = Path(__file__).resolve().parent.parent


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def imports_for_type_checkers():
    """(module, name) of all that veilsum/__init__.py imports for them."""
    tree = ast.parse((ROOT / "python/veilsum/__init__.py").read_text())
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If)
        and "TYPE" in ast.unparse(node.test)
        and isinstance(node.body[0], ast.ImportFrom)
    ]
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def test_type_checkers_see_the_names_that_there_are():
    seen = set(imports_for_type_checkers())
    homes = {("veilsum", name) for name in veilsum._MODULES}
    homes |= {(f"veilsum.{home}", name) for name, home in veilsum._HOMES.items()}
    assert seen == homes
    assert {name for _, name in seen} | {"errors", *veilsum.errors.__all__} == {*veilsum.__all__}


def test_every_name_can_be_the_first_that_is_used():
    code = """
import os, sys
import veilsum
for name in (*veilsum.__all__, "__version__"):
    child = os.fork()
    if not child:
        os._exit(getattr(veilsum, name) is None)
    print(name, os.waitpid(child, 0)[1], "veilsum.vector" in sys.modules)
"""
    assert run(code).split() == [
        word for name in (*veilsum.__all__, "__version__") for word in (name, "0", "False")
    ]


def test_a_name_is_the_one_of_its_module():
    from veilsum.vector import Codec

    assert veilsum.Codec is Codec
    assert veilsum.__version__ == version("veilsum")


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'veilsum' has no attribute 'Kodec'"):
        _ = veilsum.Kodec  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="cannot import name 'Kodec'"):
        from veilsum import Kodec  # type: ignore[attr-defined]  # noqa: F401


def test_dir_names_everything_before_anything_is_loaded():
    names = run("import veilsum; print(*dir(veilsum))").split()
    assert {*veilsum.__all__, "__version__", "__doc__"} <= set(names)
    assert names == sorted(names)


def test_a_star_imports_everything():
    names = run("from veilsum import *; print(*globals())").split()
    assert set(veilsum.__all__) <= set(names)


def test_help_shows_everything():
    text = pydoc.plain(pydoc.render_doc(veilsum))
    assert "class Codec(" in text
    assert "generate_key(" in text
    assert version("veilsum") in text


def test_pickles_are_read_where_nothing_is_loaded_yet(tmp_path):
    codec = veilsum.Codec(3, clip=1.0, value_bits=8, max_addends=2)
    (tmp_path / "codec").write_bytes(pickle.dumps(codec))
    code = f"import pickle; print(pickle.loads(open({str(tmp_path / 'codec')!r}, 'rb').read()))"
    assert run(code) == f"{codec}\n"


def test_threads_that_come_first_together_find_the_same():
    code = """
import sys, threading
import veilsum
sys.setswitchinterval(1e-6)
names, found = ["Codec", "FedAvg", "privacy", "secure_sum", "threshold"], []
def use(i):
    for name in names[i:] + names[:i]:
        found.append((name, id(getattr(veilsum, name))))
threads = [threading.Thread(target=use, args=(i % 5,)) for i in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert run(code) == "50 5\n"


def test_masked_arrays_are_refused_that_come_after_the_first_call():
    code = """
import sys, numpy, veilsum
codec = veilsum.Codec(2, clip=1.0, value_bits=8, max_addends=2)
codec.quantise(numpy.zeros(2))
assert "numpy.ma" not in sys.modules
try: codec.quantise(numpy.ma.masked_array([0.0, 1.0], [True, False]))
except TypeError as error: print(error)
"""
    assert "masked array" in run(code)


def test_mypy_sees_types_and_refuses_what_there_is_not(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(
        "import veilsum as vs\n"
        "reveal_type(vs.Codec(3, clip=1.0, value_bits=8, max_addends=2).dim)\n"
        "reveal_type(vs.__version__)\n"
        "vs.Kodec\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "user.py", "--cache-dir", os.devnull],
        env=os.environ | {"MYPYPATH": str(ROOT / "python")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert 'Revealed type is "int"' in lines[0].replace("builtins.", "")
    assert 'Revealed type is "str"' in lines[1].replace("builtins.", "")
    assert 'no attribute "Kodec"' in lines[2]
