"""Where the configuration is, and what a file of it holds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any


def conf_dir() -> str:
    """The folder of the configuration: inside the installed package, else the checkout's `conf`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parents[1] / "conf")


def yaml_of(path: Path) -> Any:
    """What a YAML file of the configuration holds, read once; not to be changed."""
    found = path.stat()
    return _read(str(path), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=512)
def _read(path: str, changed: int, size: int) -> Any:
    import yaml

    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=safe_loader())


def safe_loader() -> Any:
    """YAML's safe loader: libyaml's, ten times as fast, where PyYAML was built with it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
