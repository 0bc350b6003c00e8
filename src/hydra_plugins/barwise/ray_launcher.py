"""hydra/launcher=ray: the trials of a sweep on a Ray cluster, resumed, claimed and recorded as on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra_plugins.barwise.isolated import IsolatedLauncher

if TYPE_CHECKING:
    from barwise.sweeps.ray_pool import RayPool


class RayLauncher(IsolatedLauncher):
    """The settings of conf/hydra/launcher/ray.yaml; barwise.sweeps.ray_pool does the work."""

    def __init__(self, **settings: Any) -> None:
        from barwise.console.settings import check_names

        check_names("hydra.launcher", settings, ("address", "n_jobs", "cpus", "gpus", "timeout_s"))
        self.settings = settings

    def pool(self) -> RayPool:
        from barwise.sweeps.ray_pool import RayPool

        return RayPool(**self.settings)
