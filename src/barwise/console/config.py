"""Where the configuration is, and what a file of it holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from barwise.errors import ConfigError


def conf_dir() -> str:
    """The folder of the configuration: inside the installed package, else the checkout's `conf`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parents[1] / "conf")


def check_own_files(sources: Iterable[Any]) -> None:
    """ConfigError for a file in a folder of one's own (hydra.searchpath, -cd) that has the name of one of conf/.

    `sources`: `hydra.runtime.config_sources`. Hydra takes the first of a name, so that the file would never be read; a
    copy that says the same does no harm.
    """
    shipped = Path(conf_dir())
    folders = [Path(one["path"]) for one in sources if one["schema"] == "file" and one["provider"] != "main"]
    for folder in folders:
        for path in sorted(shipped.rglob("*.yaml")):
            name = path.relative_to(shipped)
            own = folder / name
            if own.is_file() and own.read_bytes() != path.read_bytes():
                raise ConfigError(
                    f"{own}: would never be read, as the shipped {name.with_suffix('').as_posix()} has its name; give"
                    f" it another one, such as {name.with_name(f'my_{name.name}').as_posix()}"
                )


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
