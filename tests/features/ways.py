"""Ways to change what a feature set computes, for the store that must notice each: files of the user's, then others."""

# ruff: noqa: E501  a way a line is read more easily than one that is broken into eight
from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

SET = """
def feature(bars):
    return {"x": bars.close * float(W)}
"""
FOLLOWED = ""


@dataclass(frozen=True)
class Way:
    """`files` and then `after` are written; `make`, and then `remake`, give the set. `why`: words of the reason for
    which it is not kept; FOLLOWED where it must be kept and each change makes a new matrix."""

    name: str
    files: dict[str, str]
    after: dict[str, str] = field(default_factory=dict)
    make: str = "mine.feature"
    remake: str = ""
    why: str = FOLLOWED
    env: dict[str, str] = field(default_factory=dict)  # set with the change


def way(
    name: str, mine: str, change: tuple[str, str] | None = None, others: dict[str, str] | None = None, **more: str
) -> Way:
    """A way whose module `mine` holds the set; `change` replaces a text in all files."""
    files = {"mine.py": dedent(mine), **{k: dedent(v) for k, v in (others or {}).items()}}
    after = {k: v.replace(*change) for k, v in files.items()} if change else {}
    return Way(name, files, after, **more)  # type: ignore[arg-type]


def constant(
    name: str, imported: str, text: str, change: tuple[str, str], use: str, others: dict[str, str] | None = None
) -> Way:
    """A constant of `consts`, of any type, that the set imports by `imported` and uses as `use`."""
    mine = f'{imported}\ndef feature(bars):\n    return {{"x": bars.close * float({use})}}\n'
    return way(name, mine, change, {"consts.py": text, **(others or {})})


def body(name: str, lines: str, use: str, others: dict[str, str], change: tuple[str, str], **more: str) -> Way:
    """Statements inside the function."""
    inside = "".join(f"    {line}\n" for line in dedent(lines).strip().splitlines())
    return way(
        name, f'def feature(bars):\n{inside}    return {{"x": bars.close * float({use})}}\n', change, others, **more
    )


BY, DEEP = "from consts import W", ("W = 3", "W = 20")
CONSTS = {"consts.py": "W = 3\n"}

NAMED = (  # those of the issue
    constant("a number", BY, "W = 3\n", DEEP, "W"),
    constant("a dict", BY, "W = {'n': 3}\n", ("3", "20"), "W['n']"),
    constant("a list", BY, "W = [3]\n", ("3", "20"), "W[0]"),
    constant("an array", BY, "import numpy as np\nW = np.array([3.0])\n", ("3.0", "20.0"), "W[0]"),
    constant("a partial", BY, "from functools import partial\nW = partial(int, '3')\n", ("3", "20"), "W()"),
    constant("a dataclass", BY, "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\nW = C(3)\n", ("C(3)", "C(20)"), "W.n"),
    constant("a dataclass's default", BY, "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 3\nW = C\n", ("= 3", "= 20"), "W().n"),
    constant("import *", "from consts import *", "W = 3\n", DEEP, "W"),
    constant("an attribute of a module", "import consts", "W = 3\n", DEEP, "consts.W"),
    constant("two deep, by value", "from middle import W", "W = 3\n", DEEP, "W", {"middle.py": BY}),
    constant("two deep, in a helper", "from middle import get", "W = 3\n", DEEP, "get()", {"middle.py": f"{BY}\ndef get():\n    return W\n"}),
    Way("a relative import", {"pack/__init__.py": "", "pack/consts.py": "W = 3\n", "pack/mine.py": "from .consts import W" + SET},
        {"pack/consts.py": "W = 20\n"}, "pack.mine.feature"),
    Way("a relative import, two up", {"pack/__init__.py": "", "pack/consts.py": "W = 3\n", "pack/sub/__init__.py": "",
        "pack/sub/mine.py": "from ..consts import W" + SET}, {"pack/consts.py": "W = 20\n"}, "pack.sub.mine.feature"),
    body("from-import in a function", BY, "W", CONSTS, DEEP),
    body("import in a function", "import consts as c", "c.W", CONSTS, DEEP),
    body("import in a nested function", "import consts\ndef get():\n    return consts.W", "get()", CONSTS, DEEP),
    body("import in a function, two deep", "from middle import get", "get()", {**CONSTS, "middle.py": "def get():\n    from consts import W\n    return W\n"}, DEEP),
    way("a namespace package", 'import own.h\ndef feature(bars):\n    return {"x": bars.close * own.h.W}\n', DEEP, {"own/h.py": "W = 3\n"}),
    body("a namespace package in a function", "import own.h", "own.h.W", {"own/h.py": "W = 3\n"}, DEEP),
    body("a namespace package in a function, renamed", "import own.h as h", "h.W", {"own/h.py": "W = 3\n"}, DEEP),
    body("importlib", "import importlib", "importlib.import_module('consts').W", CONSTS, DEEP, why="importlib"),
    constant("importlib at the top", "import importlib\nW = importlib.import_module('consts').W", "W = 3\n", DEEP, "W"),
    way("a factory's parameter", "def make(k):\n    def feature(bars):\n        return {'x': bars.close * k}\n    return feature\n", make="mine.make(k=3)", remake="mine.make(k=20)"),
    way("a factory's factory", "def make(k):\n    def inner():\n        return k\n    def feature(bars):\n        return {'x': bars.close * inner()}\n    return feature\n", make="mine.make(3)", remake="mine.make(20)"),
    way("a closure over a dict", "def make(k):\n    held = {'k': [k]}\n    return lambda bars: {'x': bars.close * held['k'][0]}\n", make="mine.make(3)", remake="mine.make(20)"),
    way("a factory that gives a partial", "from functools import partial\ndef scaled(bars, k):\n    return {'x': bars.close * k}\ndef make(k):\n    return partial(scaled, k=k)\n", make="mine.make(3)", remake="mine.make(20)"),
    way("functools.wraps: what is wrapped", "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(bars):\n        return {k: 2 * v for k, v in f(bars).items()}\n    return g\n@twice\ndef feature(bars):\n    return {'x': bars.close * 3}\n", ("* 3", "* 20")),
    way("functools.wraps: the wrapper", "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(bars):\n        return {k: 2 * v for k, v in f(bars).items()}\n    return g\n@twice\ndef feature(bars):\n    return {'x': bars.close * 3}\n", ("2 * v", "4 * v")),
    way("a bound method's object", "class C:\n    def __init__(self, k):\n        self.k = k\n    def feature(self, bars):\n        return {'x': bars.close * self.k}\n", make="mine.C(3).feature", remake="mine.C(20).feature"),
    way("a method that a bound method calls", "class C:\n    def k(self):\n        return 3\n    def feature(self, bars):\n        return {'x': bars.close * self.k()}\n", ("3", "20"), make="mine.C().feature"),
    way("a keyword's keys", "def feature(bars, d):\n    return {'x': bars.close * len(str(d))}\n", make="partial(mine.feature, d={1: 2})", remake="partial(mine.feature, d={'1': 2})"),
    way("a keyword's type", "def feature(bars, n):\n    return {'x': bars.close * len(str(n))}\n", make="partial(mine.feature, n=1)", remake="partial(mine.feature, n=True)"),
    constant("a helper in site-packages", "from helper_lib import W", "", DEEP, "W", {"site-packages/helper_lib.py": "W = 3\n"}),
    constant("a library in site-packages", "import lib_of_theirs", "", ("n * 3", "n * 20"), "lib_of_theirs.times(1)", {"site-packages/lib_of_theirs/__init__.py": "from lib_of_theirs.core import times\n", "site-packages/lib_of_theirs/core.py": "def times(n):\n    return n * 3\n"}),
    body("a file that is read", "", "open(__file__.replace('mine.py', 'w.txt')).read()", {"w.txt": "3"}, ("3", "20"), why="open()"),
    Way("an environment variable", {"mine.py": "import os\ndef feature(bars):\n    return {'x': bars.close * len(os.environ.get('BARWISE_W', ''))}\n"}, env={"BARWISE_W": "abc"}, why="os.environ"),
    way("a class with parameters", "class Mine:\n    def __init__(self, k):\n        self.k = k\n    def __call__(self, bars):\n        return {'x': bars.close * self.k}\n", make="mine.Mine(3)", remake="mine.Mine(20)"),
    way("a class's code", "class Mine:\n    def __call__(self, bars):\n        return {'x': bars.close * 3}\n", ("3", "20"), make="mine.Mine()"),
)  # fmt: skip

CALLS = "class Mine:\n    def __call__(self, bars):\n        return {'x': bars.close * self.k}\n"
INVENTED = (
    way("a default", "def feature(bars, k=3):\n    return {'x': bars.close * k}\n", ("3", "20")),
    way("a keyword's default", "def feature(bars, *, k=[3]):\n    return {'x': bars.close * k[0]}\n", ("3", "20")),
    way("a default that another module made", f"{BY}\ndef feature(bars, k=W):\n    return {{'x': bars.close * k}}\n", DEEP, CONSTS),
    way("a base class's attribute", "from base import Base\nclass Mine(Base):\n    def __call__(self, bars):\n        return {'x': bars.close * self.k}\n", ("3", "20"), {"base.py": "class Base:\n    k = 3\n"}, make="mine.Mine()"),
    way("a property", CALLS + "    @property\n    def k(self):\n        return 3\n", ("3", "20"), make="mine.Mine()"),
    way("a static method", "class C:\n    @staticmethod\n    def k():\n        return 3\ndef feature(bars):\n    return {'x': bars.close * C.k()}\n", ("3", "20")),
    way("a cached property", "import functools\n" + CALLS + "    @functools.cached_property\n    def k(self):\n        return 3\n", ("3", "20"), make="mine.Mine()"),
    way("a descriptor", "class D:\n    def __get__(self, one, kind):\n        return 3\n" + CALLS + "    k = D()\n", ("3", "20"), make="mine.Mine()"),
    way("a metaclass", "class M(type):\n    @property\n    def k(cls):\n        return 3\nclass C(metaclass=M):\n    pass\ndef feature(bars):\n    return {'x': bars.close * C.k}\n", ("3", "20")),
    way("slots", "class Mine:\n    __slots__ = ('k',)\n    def __init__(self, k):\n        self.k = k\n    def __call__(self, bars):\n        return {'x': bars.close * self.k}\n", make="mine.Mine(3)", remake="mine.Mine(20)"),
    way("a subclass of dict", "class D(dict):\n    pass\nclass Mine:\n    def __init__(self, k):\n        self.d = D(k=k)\n    def __call__(self, bars):\n        return {'x': bars.close * self.d['k']}\n", make="mine.Mine(3)", remake="mine.Mine(20)"),
    way("a subclass of int", "class I(int):\n    pass\ndef feature(bars, k):\n    return {'x': bars.close * k}\n", make="partial(mine.feature, k=mine.I(3))", remake="partial(mine.feature, k=mine.I(20))"),
    way("an instance that hides its state from pickle", CALLS + "    def __reduce__(self):\n        return 'Mine'\n    def __init__(self, k):\n        self.k = k\n", make="mine.Mine(3)", remake="mine.Mine(20)"),
    constant("a module's __getattr__", "import consts", "def __getattr__(name):\n    return 3\n", ("3", "20"), "consts.W"),
    constant("functools.lru_cache", BY, "import functools\n@functools.lru_cache\ndef W():\n    return 3\n", ("3", "20"), "W()"),
    constant("an enum", BY, "import enum\nclass W(enum.Enum):\n    A = 3\n", ("3", "20"), "W.A.value"),
    constant("a named tuple", BY, "from collections import namedtuple\nW = namedtuple('N', 'n')(3)\n", ("(3)", "(20)"), "W.n"),
    constant("a set", BY, "W = {3, 4}\n", ("3", "20"), "sum(W)"),
    constant("a deque", BY, "from collections import deque\nW = deque([3])\n", ("3", "20"), "W[0]"),
    constant("a defaultdict", BY, "from collections import defaultdict\nW = defaultdict(lambda: 3)\n", ("3", "20"), "W[0]"),
    constant("a fraction", BY, "from fractions import Fraction\nW = Fraction(3, 7)\n", ("3", "20"), "W"),
    constant("a timedelta", BY, "from datetime import timedelta\nW = timedelta(3)\n", ("3", "20"), "W.days"),
    constant("a compiled pattern", BY, "import re\nW = re.compile('a' * 3)\n", ("3", "20"), "len(W.pattern)"),
    constant("a type of number", BY, "import numpy as np\nW = np.float64(0.1)\n", ("float64", "float32"), "W"),
    constant("an array of objects", BY, "import numpy as np\nW = np.array([3, 'a'], dtype=object)\n", ("3", "20"), "W[0]"),
    constant("an array of text", BY, "import numpy as np\nW = np.array(['3'])\n", ("'3'", "'7'"), "W[0]"),
    constant("a pandas Series", BY, "import pandas as pd\nW = pd.Series([3], index=['a'])\n", ("3", "20"), "W['a']"),
    constant("a pandas frame's columns", BY, "import pandas as pd\nW = pd.DataFrame([[3, 9]], columns=['a', 'b'])\n", ("['a', 'b']", "['b', 'a']"), "W['a'].iloc[0]"),
    constant("a spline of scipy's", BY, "from scipy.interpolate import CubicSpline\nW = CubicSpline([0, 1, 2], [3, 4, 9])\n", ("[3,", "[20,"), "W(0)"),
    constant("np.vectorize", BY, "import numpy as np\nW = np.vectorize(lambda x: x * 3)\n", ("3", "20"), "W(1)"),
    constant("a table of functions", BY, "W = {'f': [lambda: 3]}\n", ("3", "20"), "W['f'][0]()"),
    constant("the order of a dict", BY, "W = {'a': 3, 'b': 20}\n", ("{'a': 3, 'b': 20}", "{'b': 20, 'a': 3}"), "next(iter(W.values()))"),
    constant("a method of a text", BY, "W = 'abc'.count\n", ("'abc'", "'bbb'"), "W('b')"),
    constant("operator.methodcaller", BY, "import operator\nW = operator.methodcaller('count', 'a')\n", ("'a'", "'b'"), "W('abb')"),
    constant("functools.partialmethod", BY, "import functools\nclass C:\n    def f(self, n):\n        return n\n    g = functools.partialmethod(f, 3)\nW = C()\n", ("3", "20"), "W.g()"),
    constant("a context manager's helper", BY, "import contextlib\n@contextlib.contextmanager\ndef W():\n    yield 3\n", ("3", "20"), "W().__enter__()"),
    constant("functools.singledispatch", BY, "import functools\n@functools.singledispatch\ndef W(x):\n    return 3\n", ("3", "20"), "W(1)"),
    body("getattr on a module", "import consts", "getattr(consts, 'W')", CONSTS, DEEP),
    way("a module that is handed on", "import consts\nfrom helper import get\ndef feature(bars):\n    return {'x': bars.close * get(consts)}\n", DEEP, {**CONSTS, "helper.py": "def get(m):\n    return m.W\n"}),
    way("a variable for a module", "import consts\ndef feature(bars):\n    c = consts\n    return {'x': bars.close * c.W}\n", DEEP, CONSTS),
    way("a comprehension", f"{BY}\ndef feature(bars):\n    return {{n: bars.close * W for n in ['x']}}\n", DEEP, CONSTS),
    way("a class in a function", f"{BY}\ndef feature(bars):\n    class C:\n        k = W\n    return {{'x': bars.close * C.k}}\n", DEEP, CONSTS),
    way("what an except does", "def feature(bars):\n    try:\n        raise KeyError\n    except KeyError:\n        return {'x': bars.close * 3}\n", ("3", "20")),
    way("a name that another module sets", "import consts, patch\ndef feature(bars):\n    return {'x': bars.close * consts.W}\n", ("consts.W = 5", "consts.W = 20"), {**CONSTS, "patch.py": "import consts\nconsts.W = 5\n"}),
    way("a try around an import", "try:\n    from maybe import W\nexcept ImportError:\n    W = 3\n" + SET, ("nothing = 1", "W = 20"), {"maybe.py": "nothing = 1\n"}),
    body("a try around an import in a function", "try:\n    from maybe import W\nexcept ImportError:\n    W = 3", "W", {"maybe.py": "nothing = 1\n"}, ("nothing = 1", "W = 20")),
    way("a read-only memory of its own", "MEMO = {}\ndef feature(bars):\n    MEMO.setdefault('k', 3)\n    return {'x': bars.close * MEMO['k']}\n", ("3", "20")),
    Way("an environment variable at the import", {"mine.py": "import os\nW = len(os.environ.get('BARWISE_W', ''))" + SET}, env={"BARWISE_W": "abc"}),
    Way("a global that calls change", {"mine.py": "N = 1\ndef feature(bars):\n    global N\n    N += 1\n    return {'x': bars.close * N}\n"}, why="keeps a state in the global N"),
    way("a name of open's", "read = open\ndef feature(bars):\n    return {'x': bars.close * float(read(__file__.replace('mine.py', 'w.txt')).read())}\n", ("3", "20"), {"w.txt": "3"}, why="open"),
    way("a path", "from pathlib import Path\nP = Path(__file__).with_name('w.txt')\ndef feature(bars):\n    return {'x': bars.close * float(P.read_text())}\n", ("3", "20"), {"w.txt": "3"}, why="PosixPath"),
    way("a file that numpy reads", "import numpy as np\ndef feature(bars):\n    return {'x': bars.close * np.loadtxt(__file__.replace('mine.py', 'w.txt'))}\n", ("3", "20"), {"w.txt": "3"}, why="numpy.loadtxt"),
    way("a file that pandas reads", "import pandas as pd\ndef feature(bars):\n    return {'x': bars.close * pd.read_csv(__file__.replace('mine.py', 'w.txt'), header=None).iloc[0, 0]}\n", ("3", "20"), {"w.txt": "3"}, why="read_csv"),
    way("a file that a helper reads", "from helper import get\ndef feature(bars):\n    return {'x': bars.close * get()}\n", ("3", "20"), {"w.txt": "3", "helper.py": "import io\ndef get():\n    return float(io.open(__file__.replace('helper.py', 'w.txt')).read())\n"}, why="helper.get uses io.open"),
    way("a file mapped into memory", "import numpy as np\nW = np.memmap(__file__.replace('mine.py', 'w.txt'), np.uint8)\ndef feature(bars):\n    return {'x': bars.close * W[0]}\n", ("3", "7"), {"w.txt": "3"}, why="mapped from"),
    way("eval", "W = 3\ndef feature(bars):\n    return {'x': bars.close * eval('W')}\n", DEEP, why="eval()"),
    way("globals()", "W = 3\ndef feature(bars):\n    return {'x': bars.close * globals()['W']}\n", DEEP, why="globals()"),
    way("a frame's own language", "import pandas as pd\nW = 3\ndef feature(bars):\n    return {'x': pd.DataFrame({'c': bars.close}).eval('c * @W').to_numpy()}\n", DEEP, why=".eval"),
    way("sys.modules", "import sys, consts\ndef feature(bars):\n    return {'x': bars.close * sys.modules['consts'].W}\n", DEEP, CONSTS, why="sys.modules"),
    way("the clock", "import datetime\ndef feature(bars):\n    return {'x': bars.close * datetime.datetime.now().timestamp()}\n", why=".now"),
    way("pandas' clock", "import pandas as pd\ndef feature(bars):\n    return {'x': bars.close * pd.Timestamp('now').timestamp()}\n", why='"now"'),
    way("chance", "import random\ndef feature(bars):\n    return {'x': bars.close * random.random()}\n", why="random.random"),
    way("numpy's chance", "import numpy as np\ndef feature(bars):\n    return {'x': bars.close * np.random.default_rng().normal()}\n", why="numpy.random"),
    way("a generator", "W = (n for n in [3, 20] * 9)\ndef feature(bars):\n    return {'x': bars.close * next(W)}\n", why="generator"),
    way("a ufunc of one's own", "import numpy as np\nW = np.frompyfunc(lambda x: x * 3, 1, 1)\ndef feature(bars):\n    return {'x': W(bars.close).astype(float)}\n", ("3", "20"), why="ufunc"),
    constant("numba: a function", BY, "from numba import njit\n@njit\ndef f(x):\n    return x * 3\nW = f(1)\n", ("3", "20"), "W"),
    way("numba: a constant of another module", f"from numba import njit\n{BY}\n@njit\ndef f(x):\n    return x * W\ndef feature(bars):\n    return {{'x': f(bars.close)}}\n", DEEP, CONSTS),
    way("numba: a helper two deep", "from numba import njit\nfrom helper import g\n@njit\ndef f(x):\n    return g(x)\ndef feature(bars):\n    return {'x': f(bars.close)}\n", ("3", "20"), {"helper.py": "from numba import njit\n@njit\ndef g(x):\n    return x * 3\n"}),
    way("numba: a type of number", "import numba\n@numba.njit('float64(float64)', locals={'y': numba.float64})\ndef f(x):\n    y = x / 3\n    return y\ndef feature(bars):\n    return {'x': bars.close * f(1.0)}\n", ("'y': numba.float64", "'y': numba.float32")),
    way("numba: a signature", "import numba\n@numba.njit('float64(float64)')\ndef f(x):\n    return x / 3\ndef feature(bars):\n    return {'x': bars.close * f(0.1)}\n", ("(float64)", "(float32)")),
    way("numba: an option", "import numba\n@numba.njit(error_model='numpy')\ndef f(x):\n    return min(1 / x, 9.0)\ndef feature(bars):\n    try:\n        k = f(0.0)\n    except ZeroDivisionError:\n        k = 3.0\n    return {'x': bars.close * k}\n", ("numpy", "python")),
    way("numba: vectorize", "import numba\n@numba.vectorize\ndef f(x):\n    return x * 3\ndef feature(bars):\n    return {'x': f(bars.close)}\n", ("3", "20")),
    way("numba: a stencil", "import numba\n@numba.stencil\ndef f(x):\n    return x[-1] * 3\ndef feature(bars):\n    return {'x': f(bars.close)}\n", ("3", "20"), why="holds a"),
    way("another process", "import subprocess\ndef feature(bars):\n    return {'x': bars.close * float(subprocess.check_output(['cat', __file__.replace('mine.py', 'w.txt')]))}\n", ("3", "20"), {"w.txt": "3"}, why="subprocess"),
)  # fmt: skip
