"""Files of a run directory: inside it, no links, no larger than they need to be; JSON and YAML as plain data."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from barwise.errors import DataError

MB = 1024 * 1024
JSON_LIMIT = 16 * MB  # run.json of a thousand features is 0.1 MB
YAML_LIMIT = 128 * 1024  # a composed configuration is 3 kB
YAML_DEPTH = 40


def inside(folder: Path, *parts: str) -> Path:
    """`folder`/`parts`, a regular file or absent; DataError for a link on the way or a path that leaves the folder."""
    path = Path(folder)
    for part in Path(*parts).parts:
        if part in ("..", "/") or Path(part).is_absolute():
            raise DataError(f"{folder}: {'/'.join(parts)} leaves the run's directory; it is not read")
        path = path / part
        if path.is_symlink():
            raise DataError(f"{path}: is a link; links in a run's directory are not followed, copy the file there")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{path}: is not a regular file; it is not read")
    return path


def folder_inside(folder: Path, *parts: str) -> Path:
    """The same for a folder, which must be there."""
    path = Path(folder)
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise DataError(f"{path}: is a link; links in a run's directory are not followed, copy the folder there")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder in the run's directory")
    return path


def check_size(path: Path, limit: int) -> None:
    """DataError where the file is larger than `limit` bytes."""
    size = path.stat().st_size
    if size > limit:
        raise DataError(f"{path}: has {size / MB:.1f} MB, more than the {limit / MB:g} MB such a file may have")


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """The JSON in `path`; DataError where it is too large, too deep or no JSON."""
    check_size(path, limit)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON that can be read ({_first_line(error)})") from None


def read_yaml(path: Path, limit: int = YAML_LIMIT) -> Any:
    """The YAML in `path` as plain data; DataError for aliases (which can expand without bound), depth, tags, size."""
    import yaml

    check_size(path, limit)
    text = path.read_text(encoding="utf-8", errors="replace")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise DataError(f"{path}: has a YAML alias (*{event.anchor}); a composed configuration has none")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > YAML_DEPTH:
                raise DataError(f"{path}: is nested more than {YAML_DEPTH} levels deep; a configuration is not")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is not YAML that can be read ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
