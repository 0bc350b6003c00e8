"""A public name of a module is one that another uses: what a module alone uses begins with an underscore."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SRC = ROOT / "src"
DOTTED = re.compile(r"\b(?:barwise|hydra_plugins)(?:\.\w+)+(?::\w+)?")
IMPORT = re.compile(r"\bfrom (barwise[\w.]*) import (?:\(([^)]*)\)|([^\n;]*))")
KEPT = {
    "barwise.strategies.sequence.LSTMStrategy": "the strategy that runs of the first version recorded",
}


def module_of(path: Path) -> str:
    """The dotted name of a file of src."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_of(path): ast.parse(path.read_bytes()) for path in sorted(SRC.rglob("*.py"))}


def names_of(tree: ast.Module) -> dict[str, ast.stmt]:
    """The public functions, classes and constants that a module defines at its top level."""
    found: dict[str, ast.stmt] = {}
    statements = list(tree.body)
    while statements:
        one = statements.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            stored = (node for target in targets for node in ast.walk(target))
            found |= {n.id: one for n in stored if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        elif isinstance(one, ast.If | ast.Try | ast.With):
            statements += [child for child in ast.iter_child_nodes(one) if isinstance(child, ast.stmt)]
    return {name: where for name, where in found.items() if not name.startswith("_")}


def prefixes(dotted: str) -> Iterator[str]:
    """`a.b`, `a.b.c` and so on of `a.b.c.d`."""
    parts = dotted.replace(":", ".").split(".")
    yield from (".".join(parts[: n + 1]) for n in range(1, len(parts)))


def named_in(text: str) -> set[str]:
    """The dotted names in a YAML, a page, a string or a program in one."""
    if "barwise" not in text:
        return set()
    found = {name for dotted in DOTTED.findall(text) for name in prefixes(dotted)}
    for module, several, line in IMPORT.findall(text):
        found |= {f"{module}.{name}" for name in re.findall(r"\w+", several or line)}
    return found


def used_in(module: str, tree: ast.Module) -> set[str]:
    """The dotted names that a module imports, reaches through a module, or names in a string."""
    found: set[str] = set()
    modules: dict[str, str] = {}
    nodes = list(ast.walk(tree))
    alone = any(isinstance(node, ast.Name) and node.id == "__name__" for node in nodes)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{one.name}" for one in node.names}
            modules |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            modules |= {one.asname: one.name for one in node.names if one.asname}
    for node in nodes:
        if isinstance(node, ast.Attribute) and (reached := chain(node)):
            found.add(f"{modules.get(reached[0], reached[0])}.{'.'.join(reached[1:])}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= named_in(node.value)
        elif isinstance(node, ast.JoinedStr | ast.Tuple) and alone:
            found |= by_own_name(module, node)
    return found


def chain(node: ast.expr) -> list[str]:
    """`a`, `b`, `c` of `a.b.c`; nothing where it does not begin with a name."""
    if isinstance(node, ast.Attribute):
        before = chain(node.value)
        return [*before, node.attr] if before else []
    return [node.id] if isinstance(node, ast.Name) else []


def by_own_name(module: str, node: ast.AST) -> set[str]:
    """Names in `f"{__name__}:name"` and `(__name__, "name")`: another process imports them."""
    inside = list(ast.walk(node))
    if not any(isinstance(one, ast.Name) and one.id == "__name__" for one in inside):
        return set()
    words = (one.value for one in inside if isinstance(one, ast.Constant) and isinstance(one.value, str))
    return {f"{module}.{word.strip(':')}" for word in words}


def exported(module: str) -> set[str]:
    """What `__all__` of a module lists."""
    for one in TREES[module].body:
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__all__":
            return set(ast.literal_eval(one.value))
    return set()


def in_signatures(names: dict[str, ast.stmt], public: set[str]) -> set[str]:
    """The names of `names` that stand in the annotations, or are bases, of the public ones."""
    found: set[str] = set()
    for name in public:
        for node in ast.walk(names[name]):
            several: list[ast.expr | None] = []
            if isinstance(node, ast.FunctionDef):
                arguments = (one for one in ast.walk(node.args) if isinstance(one, ast.arg))
                several = [*(one.annotation for one in arguments), node.returns]
            elif isinstance(node, ast.AnnAssign):
                several = [node.annotation]
            elif isinstance(node, ast.ClassDef):
                several = [*node.bases]
            found |= {
                one.id for each in several if each is not None for one in ast.walk(each) if isinstance(one, ast.Name)
            }
    return found & names.keys()


def shown() -> set[str]:
    """What conf/, the documentation and the ways in name; of a module on a page of docs/reference, all."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    texts = [*pages, *ROOT.glob("conf/**/*.yaml"), ROOT / "pyproject.toml", ROOT / "train.py", ROOT / "Makefile"]
    found = {name for path in texts for name in named_in(path.read_text(encoding="utf-8"))}
    modules = {name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.M)}
    return found | {f"{module}.{name}" for module in modules for name in names_of(TREES[module])}


def is_way_in(module: str, name: str) -> bool:
    """Whether barwise calls it by a name it finds: a verb's `main`, a hook, what `import barwise` gives."""
    if name == "main" and (module.startswith(("barwise.commands.", "barwise.benchmarks.")) or runs_alone(module)):
        return True
    return name in exported(module) or module.endswith("hooks") or (
        module == "barwise.commands.api" and name in exported("barwise")
    )  # fmt: skip


def runs_alone(module: str) -> bool:
    """Whether `python -m` of the module calls something."""
    return any(isinstance(one, ast.If) and "__main__" in ast.unparse(one.test) for one in TREES[module].body)


@cache
def lonely() -> list[str]:
    """The public names that nothing but their own module uses."""
    used = shown()
    for module, tree in TREES.items():
        used |= used_in(module, tree)
    found = []
    for module, tree in TREES.items():
        if module.startswith("hydra_plugins"):
            continue  # Hydra finds them
        names = names_of(tree)
        public = {name for name in names if f"{module}.{name}" in used or is_way_in(module, name)}
        while more := in_signatures(names, public) - public:
            public |= more
        found += [f"{module}.{name}" for name in names if name not in public]
    return found


def test_a_name_that_its_own_module_alone_uses_begins_with_an_underscore() -> None:
    alone = set(lonely()) - set(KEPT)
    assert not alone, "used by their own module only: give them an underscore, or delete them"


def test_what_is_kept_is_there() -> None:
    assert set(KEPT) <= set(lonely())
