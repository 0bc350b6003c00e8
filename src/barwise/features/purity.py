"""What code may use and still give the same again on the same bars: libraries and names that are known to.

What is not named here is followed as the user's own code is; what cannot be followed is not kept.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from barwise.console.installed import installed

LIBRARIES = {  # import name: distribution; known by their versions, not followed
    "numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "talib": "TA-Lib", "bottleneck": "bottleneck",
    "numba": "numba", "llvmlite": "llvmlite", "sklearn": "scikit-learn", "statsmodels": "statsmodels",
    "pyarrow": "pyarrow",
}  # fmt: skip
WITHOUT_FILES = ("talib", "bottleneck")  # no function of theirs reads anything but its arguments
_STANDARD = {  # of Python's own: the rest reads files, clocks, the environment, or other processes
    "__future__", "_abc", "_ast", "_collections_abc", "_functools", "_operator", "_weakrefset", "abc", "array", "ast",
    "base64",
    "bisect", "builtins", "calendar", "cmath", "collections", "colorsys", "contextlib", "copy", "copyreg",
    "dataclasses", "datetime", "difflib", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json",
    "keyword", "logging", "math", "numbers", "operator", "re", "reprlib", "statistics", "string", "struct", "textwrap",
    "types", "typing", "unicodedata", "warnings", "zlib", "zoneinfo", "_struct", "_collections", "_datetime",
    "_heapq", "_bisect", "_statistics", "sre_compile", "sre_constants", "sre_parse", "_sre", "_typing", "_json",
}  # fmt: skip
BUILTINS = ("open", "input", "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "id", "hash", "dir",
            "breakpoint", "memoryview", "__loader__", "__spec__", "__builtins__")  # fmt: skip
ATTRIBUTES = {  # on whatever object: the clock, frames of other functions, files
    "now", "today", "utcnow", "fromtimestamp", "astimezone", "localtime", "query", "eval", "environ", "getenv",
    "urandom", "urlopen", "import_module", "read_text", "read_bytes", "__globals__", "__builtins__", "__subclasses__",
    "__code__", "__closure__", "__loader__", "__spec__", "f_globals", "f_locals", "f_back", "gi_frame", "cr_frame",
    "tb_frame",
}  # fmt: skip
_OF_LIBRARIES = re.compile(  # names in a library that give what is in no argument
    r"(read|load|save|fetch|scan)(_\w*|txt|s)?$|(genfrom|from_?)(txt|file|regex)$|\w*memmap\w*$|random\w*$|rand(n|int)?$"
    r"|(DataSource|HDFStore|ExcelFile|io|datasets|ctypeslib|f2py|testing|test|show_versions|options|get_option"
    r"|set_option|geterr|getbufsize|errstate_|npyio|_npyio_impl|eval|query|show_config|get_include)$"
    r"|(fs|csv|parquet|orc|feather|dataset|flight|ipc|memory_map|OSFile|substrait|input_stream)$"
)
CLOCKS = {"Timestamp", "to_datetime", "datetime64", "DatetimeIndex", "date_range", "Period", "array", "asarray"}
STATELESS = {("_thread", "lock"), ("_thread", "RLock"), ("logging", "Logger"), ("logging", "RootLogger")}

_PYTHON = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib"))


@lru_cache(maxsize=4096)
def kind_of(name: str) -> str:
    """`own`, `library` or `standard`: whose the module of that name is, by its name and by where its file lies."""
    top = name.partition(".")[0]
    if top == "builtins":
        return "standard"
    path = _file_of(top)
    packaged = bool(path) and installed(path)
    if top in sys.stdlib_module_names and not packaged and (not path or path.startswith(_PYTHON)):
        return "standard"
    if top in LIBRARIES and packaged:
        return "library"
    return "own"


def _file_of(name: str) -> str:
    """The resolved path of a module's file, imported or not; empty where it has none."""
    module = sys.modules.get(name)
    try:
        path = getattr(module, "__file__", None) if module else getattr(find_spec(name), "origin", None)
    except (ImportError, ValueError):
        path = None
    return str(Path(path).resolve()) if isinstance(path, str) and Path(path).is_absolute() else ""


def allowed_standard(name: str) -> bool:
    """Whether a module of Python's own gives the same for the same arguments."""
    return name.partition(".")[0] in _STANDARD


def denied_in_library(chain: tuple[str, ...]) -> str | None:
    """The first of the names that gives what is in no argument, such as `read_csv`."""
    return next((name for name in chain if _OF_LIBRARIES.match(name)), None)
