"""Every rule catches a planted breach, and lets the proper form pass: rules that cannot fail protect nothing."""

from __future__ import annotations

import pytest
import rules

LONG_FUNCTION = "def f() -> None:\n" + "    pass\n" * 80
BREACHES = [
    (lambda text: rules.upward_imports(text, "core"), "from mien.report.result import Result"),
    (lambda text: rules.upward_imports(text, "faces"), "def f():\n    import mien.models.zoo"),
    (lambda text: rules.upward_imports(text, "media"), "if TYPE_CHECKING:\n    from mien import faces"),
    (rules.forbidden_imports, "import torchvision.transforms"),
    (rules.forbidden_imports, "def f():\n    from timm.models import vit"),
    (rules.forbidden_imports, "from random import choice"),
    (rules.forbidden_imports, "from pickle import load"),
    (rules.too_long, LONG_FUNCTION),
    (rules.too_long, "class A:\n" + "".join("    " + line + "\n" for line in LONG_FUNCTION.splitlines())),
    (rules.too_long, "x = 1\n" * 400),
    (rules.undocumented, "x = 1"),
    (rules.undocumented, '"""M."""\ndef f(): pass'),
    (rules.undocumented, '"""M."""\nclass A:\n    """A."""\n    def f(self): pass'),
    (rules.untyped, "def f(x) -> int: ..."),
    (rules.untyped, "def f(x: int): ..."),
    (rules.untyped, "def f(*x, **y: int) -> int: ..."),
    (rules.untyped, "class A:\n    def __init__(self, x) -> None: ..."),
    (rules.output_to_terminal, "def f():\n    print(1)"),
    (rules.output_to_terminal, "import sys\nsys.stderr.write('x')"),
    (rules.strays, "Path.home()"),
    (rules.strays, "import os\nos.makedirs('x')"),
    (rules.careless, "try:\n    x\nexcept:\n    y"),
    (rules.careless, "try:\n    x\nexcept Exception:\n    pass"),
    (rules.careless, "np.random.default_rng()"),
    (rules.careless, "np.random.rand(3)"),
]
PROPER = [
    (
        lambda text: rules.upward_imports(text, "faces"),
        "from mien.core.types import Face\nfrom mien.faces import align",
    ),
    (lambda text: rules.upward_imports(text, "analysis"), "from mien.core.version import __version__"),
    (rules.forbidden_imports, "import torch\nfrom pickle import UnpicklingError\nimport randomness"),
    (rules.too_long, "def f() -> None:\n" + "    pass\n" * 79),
    (rules.undocumented, '"""M."""\ndef _f(): pass\nclass A:\n    """A."""\n    def __len__(self): pass'),
    (rules.untyped, "class A:\n    @classmethod\n    def f(cls, x: int) -> int: ...\ndef _g(x): ..."),
    (rules.output_to_terminal, "pprint(1)\nrun.stdout.read()"),
    (rules.strays, "Path('x').mkdir()"),
    (rules.careless, "try:\n    x\nexcept Exception as error:\n    keep(error)\nnp.random.default_rng(0)"),
]


@pytest.mark.parametrize(("rule", "text"), BREACHES)
def test_a_breach_is_found(rule, text: str) -> None:
    assert rule(text)


def test_a_ring_of_imports_is_found() -> None:
    ring = {"m": "", "m.a": "from m import b", "m.b": "def f():\n    from m.c import x", "m.c": "import m.a"}
    assert set(rules.circle(ring)) == {"m.a", "m.b", "m.c"}
    assert set(rules.circle({"m": "from m.a import x", "m.a": "from m import y"})) == {"m", "m.a"}
    assert rules.circle({**ring, "m.c": "from m import d"}) == []


@pytest.mark.parametrize(("rule", "text"), PROPER)
def test_the_proper_form_passes(rule, text: str) -> None:
    assert rule(text) == []
