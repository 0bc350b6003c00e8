"""Going on with a run that was cut off: `python train.py resume=RUN`; nothing that is read back is executed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barwise.console.quoting import hydra_value
from barwise.errors import ConfigError, DataError
from barwise.safety.files import check_no_links
from barwise.safety.signature import signed

_ALONE = ("resume", "quiet", "output_dir")  # what may be said again; the rest is as recorded


def redirected(words: list[str]) -> list[str]:
    """The command line's words, with Hydra told to work in the directory that `resume=` names, if one does.

    ConfigError where that is no run's directory, or another setting is given beside it.
    """
    named = [w.partition("=")[2].strip("'\"") for w in words if w.startswith("resume=")]
    if not named or named[-1] in ("", "null"):
        return words
    folder = Path(named[-1])
    others = [w for w in words if w.partition("=")[0] not in _ALONE]
    if others:
        raise ConfigError(
            f"{others[0]}: resume= goes on with the recorded settings; only quiet= and output_dir= may stand beside it"
        )
    if not (folder / ".hydra" / "config.yaml").is_file():
        raise ConfigError(f"resume={folder}: is not a run's directory, there is no .hydra/config.yaml in it")
    check_no_links(folder)  # before Hydra opens train.log, and all that follows writes into it
    rest = [w for w in words if not w.startswith("resume=")]
    return [
        *rest,
        f"resume={hydra_value(str(folder))}",
        f"hydra.run.dir={hydra_value(str(folder))}",
        "hydra.output_subdir=null",
    ]


def recorded(given: Mapping[str, Any], out: Any) -> tuple[dict[str, Any], Any]:
    """The configuration that the run in `out` began with, and what it may name; its run.json goes on.

    One that this account has filed may name what the user's own may (None). A stranger's may name what barwise ships,
    reads no environment, and writes nowhere but below the folder that its run lies in.
    """
    from omegaconf import OmegaConf

    from barwise.console.config import conf_dir
    from barwise.experiment.configuration import plain
    from barwise.runs.run import RunFiles
    from barwise.safety.targets import Targets

    run = RunFiles.of(out.path)
    targets = None if signed(out.path / ".hydra") else Targets(Path(conf_dir()))
    config = {**run.config, "sweep": given["sweep"]}
    if targets is not None:
        for key, value in run.config.items():
            if key != "sweep":  # the user's own, above
                targets.check_filled(key, value)
                targets.check_addresses(key, value)
    else:
        config = plain(OmegaConf.create(config))  # what the environment or a resolver gives
    missing = [str(name) for name in given if name not in (*config, "tracking") and given[name] not in (None, {})]
    if missing:
        raise DataError(f"{out.path}/.hydra/config.yaml: has no {missing[0]}; begin again without resume=")
    if run.manifest.get("status") == "done":
        raise ConfigError(f"resume={out.path}: this run is done; {_after(out.path)}")
    config.update(quiet=given["quiet"], output_dir=_outputs(given, config, out.path, trusted=targets is None))
    for checkpoint in sorted((out.path / "model").rglob("*.ckpt")):
        _try_checkpoint(checkpoint)
    out.resume(run.manifest)
    return config, targets


def _outputs(given: Mapping[str, Any], config: Mapping[str, Any], run: Path, trusted: bool) -> str:
    """Where the run is counted: as said now, else as recorded, which for a stranger's must be a folder around it."""
    from hydra.core.hydra_config import HydraConfig

    if any(word.startswith("output_dir=") for word in HydraConfig.get().overrides.task):
        return str(given["output_dir"])
    recorded = str(config["output_dir"])
    if not trusted and not run.resolve().is_relative_to(Path(recorded).resolve()):
        raise ConfigError(
            f"resume={run}: its output_dir is {recorded:.80}, which the run does not lie in; say where it is to be "
            "counted: output_dir=outputs"
        )
    return recorded


def _try_checkpoint(path: Path) -> None:
    """DataError unless a checkpoint loads, as plain tensors, in a process of its own."""
    from barwise.safety.apart import apart

    try:
        apart(f"{__name__}:load_checkpoint", {"place": str(path)}, ("torch",), path.stat().st_size)
    except DataError as error:
        raise DataError(f"{error}; delete it, and its fold begins again") from None


def load_checkpoint(given: dict[str, Any]) -> None:
    """Load it, in the child."""
    import torch

    try:
        torch.load(given["place"], weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception as error:  # a library's own words on a file
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{given['place']}: is no checkpoint that can be read ({line})") from None


def _after(folder: Path) -> str:
    """What is left to do for a run that is done: its page, where it was cut off before that."""
    if (folder / "report.html").is_file():
        return "there is nothing left to do"
    return f"its page is not: python -m barwise report {shlex.quote(str(folder))}"


def remaining(folder: Path) -> str:
    """The command that does what is left of a run that was cut off."""
    try:
        done = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("status") == "done"
    except (OSError, ValueError, AttributeError):
        done = False
    place = shlex.quote(str(folder))
    return f"python -m barwise report {place}" if done else f"python train.py {shlex.quote(f'resume={folder}')}"
