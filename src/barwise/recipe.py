"""From the composed configuration to the parts of an experiment; all instantiating goes through here."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from barwise.errors import ConfigError
from barwise.experiment import Parts

AUDITS = ("quick", "thorough", "none")


def parts_of(cfg: DictConfig) -> Parts:
    """Instantiate each config group once, as the parameter of the same name."""
    features = {name: _make(node) for name, node in cfg.features.items() if node is not None}
    if not features:
        raise ConfigError("features=[]: must name at least one set; features=normalized is the default")
    if cfg.audit not in AUDITS:
        raise ConfigError(f"audit={cfg.audit}: must be one of {', '.join(AUDITS)}")
    return Parts(
        data=_make(cfg.data),
        features=features,
        labels=_make(cfg.labels),
        validation=_make(cfg.validation),
        strategy=_make(cfg.strategy),
        signals=_make(cfg.signals),
        backtest=_make(cfg.backtest),
        baseline=_make(cfg.baseline) if cfg.baseline else None,
        device=OmegaConf.to_container(cfg.device, resolve=True),  # type: ignore[arg-type]
        seed=whole_number("seed", cfg.seed, least=0),
        threads=None if cfg.threads is None else whole_number("threads", cfg.threads, least=1),
        audit=cfg.audit,
        monitor=_make(cfg.monitor) if cfg.monitor else None,
    )


def whole_number(name: str, value: Any, least: int) -> int:
    """`value` as an int, or the one line that says what it must be."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name}={value}: must be a whole number of {least} or more")
    return value


def _make(node: Any) -> Any:
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise ConfigError(f"{node}: a part of the configuration has no _target_; name one of its group's files")
    return instantiate(node, _convert_="all")
