"""What `train.py --help` prints: Hydra's own page, without the copies of its whole repository that it makes a group."""

from __future__ import annotations

from string import Template
from typing import Any

from barwise.console.config import conf_dir

_ASKED = ("-h", "--help")


def asked(words: list[str]) -> bool:
    """Whether the command line asks for help and for nothing that only Hydra's own way to it knows."""
    flags = [word for word in words if word.startswith("-")]
    return bool(flags) and all(word in _ASKED for word in flags) and not any("hydra.searchpath" in w for w in words)


def page(words: list[str]) -> str:
    """The page for the configuration with these overrides."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf, open_dict

    overrides = [word for word in words if word not in _ASKED]
    with initialize_config_dir(conf_dir(), version_base="1.3", job_name="train"):
        config = compose("config", overrides=overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        template = Template(config.hydra.help.template)
        with open_dict(config):
            del config["hydra"]
        groups = _listed(GlobalHydra.instance().config_loader().get_sources())
    lines = "".join(f"{name}: {', '.join(groups[name])}\n" for name in sorted(groups))
    return template.substitute(APP_CONFIG_GROUPS=lines, CONFIG=OmegaConf.to_yaml(config, resolve=False))


def _listed(sources: list[Any]) -> dict[str, list[str]]:
    """The options of each config group but Hydra's own."""
    from hydra.core.object_type import ObjectType

    def below(group: str, kind: ObjectType) -> list[str]:
        found = {name for source in sources if source.is_group(group) for name in source.list(group, kind)}
        return sorted(found)

    options, left = {}, below("", ObjectType.GROUP)
    while left:
        group = left.pop()
        if group == "hydra":
            continue
        options[group] = below(group, ObjectType.CONFIG)
        left += [f"{group}/{name}" for name in below(group, ObjectType.GROUP)]
    return {group: names for group, names in options.items() if names}
