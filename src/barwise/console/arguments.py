"""What verbs share: words of the command line, and Hydra's overrides composed without a job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from omegaconf import DictConfig

from barwise.console.quoting import path_words
from barwise.errors import ConfigError


class Arguments(argparse.ArgumentParser):
    """argparse whose mistakes are one line and exit code 2, as everywhere in barwise."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"python -m barwise {verb}", description=description)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}; --help tells what there is")


def compose(overrides: list[str], config_dir: str | Path | None = None) -> DictConfig:
    """The configuration that `train.py` would run with these overrides; `output_dir` and the rest included."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import open_dict

    from barwise.console.config import check_own_files, conf_dir

    with initialize_config_dir(str(config_dir or conf_dir()), version_base="1.3"):
        found = hydra_compose("config", overrides=path_words(overrides), return_hydra_config=True)
    check_own_files(found.hydra.runtime.config_sources)
    with open_dict(found):
        del found["hydra"]
    return found
