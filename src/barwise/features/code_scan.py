"""What a piece of code reads, told from its bytecode: the code as it was imported, whatever its file says by now."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

_QUIET = ("CACHE", "EXTENDED_ARG", "PRECALL", "NOP", "RESUME", "COPY_FREE_VARS", "MAKE_CELL")
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_DEREFS = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_BETWEEN = ("IMPORT_FROM", "SWAP", "ROT_TWO", "COPY", "POP_TOP")  # of `import a.b as c`, before c is stored


@dataclass(frozen=True)
class Read:
    """A name that is read, and the attributes taken from it at once: `np.random.normal` is np, (random, normal).

    `free`: whether the name may be a variable of an enclosing function or an import of the function itself.
    """

    name: str
    chain: tuple[str, ...]
    free: bool


@dataclass(frozen=True)
class Imported:
    """An import statement inside a function: what is bound, to `attribute` of the module or (None) to itself."""

    module: str
    level: int
    bound: str
    attribute: str | None


@dataclass
class Scan:
    """All that a code object and those inside it read."""

    reads: list[Read] = field(default_factory=list)
    imports: list[Imported] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)  # names of globals


@lru_cache(maxsize=4096)
def scan(code: CodeType) -> Scan:
    """What `code` reads, nested functions and classes included, in the order of the instructions."""
    found = Scan()
    _scan(code, found)
    return found


def _scan(code: CodeType, found: Scan) -> None:
    steps = [i for i in dis.get_instructions(code) if i.opname not in _QUIET]
    cells = {*code.co_cellvars, *code.co_freevars}
    for place, step in enumerate(steps):
        if step.opname in _ATTRIBUTES or step.opname in ("STORE_ATTR", "LOAD_SUPER_ATTR"):
            found.attributes.add(str(step.argval))
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            found.written.add(str(step.argval))
        elif step.opname == "IMPORT_NAME":
            found.imports += _imported(steps, place)
        for name, free, last in _names(step, cells):
            found.reads.append(Read(name, _chain(steps, place) if last else (), free))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _scan(constant, found)
        elif isinstance(constant, str):
            found.texts.add(constant)


def _names(step: dis.Instruction, cells: set[str]) -> Iterator[tuple[str, bool, bool]]:
    """(name, whether it may be free, whether it is what the next instruction works on) of all that a step loads."""
    if step.opname in _GLOBALS:
        yield str(step.argval), False, True
    elif step.opname in _DEREFS:
        yield str(step.argval), True, True
    elif step.opname in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
        yield str(step.argval[0]), True, False
        yield str(step.argval[1]), True, True
    elif step.opname == "STORE_FAST_LOAD_FAST":
        yield str(step.argval[1]), True, True
    elif step.opname.startswith("LOAD_FAST") and step.argval not in cells:  # a cell is made ready for a closure
        yield str(step.argval), True, True


def _chain(steps: list[dis.Instruction], place: int) -> tuple[str, ...]:
    chain = []
    for step in steps[place + 1 :]:
        if step.opname not in _ATTRIBUTES:
            break
        chain.append(str(step.argval))
    return tuple(chain)


def _imported(steps: list[dis.Instruction], place: int) -> Iterator[Imported]:
    name, level, wanted = str(steps[place].argval), steps[place - 2].argval, steps[place - 1].argval
    level = level if isinstance(level, int) else 0
    rest = steps[place + 1 :]
    if wanted:
        for step, then in zip(rest[::2], rest[1::2], strict=False):
            if step.opname != "IMPORT_FROM":
                return
            yield Imported(name, level, _stored(then), str(step.argval))
        return
    renamed = bool(rest) and rest[0].opname == "IMPORT_FROM"
    stored = next((step for step in rest if step.opname not in _BETWEEN), None)
    if stored is not None:
        yield Imported(name, level, _stored(stored), None if renamed or "." not in name else "")


def _stored(step: dis.Instruction) -> str:
    argument: Any = step.argval
    return str(argument[0] if isinstance(argument, tuple) else argument)
