"""conf/ lies beside src/ in the checkout and inside the package in a wheel; pyproject.toml says the rest."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CONF = Path(__file__).parent / "conf"


class BuildWithConf(build_py):
    """Copies conf/ to barwise/conf; an editable install reads the checkout's."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree(CONF, Path(self.build_lib, "barwise", "conf"), dirs_exist_ok=True)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        inside = [] if self.editable_mode else CONF.rglob("*.yaml")
        copied = [str(Path(self.build_lib, "barwise", "conf", path.relative_to(CONF))) for path in inside]
        return [*super().get_outputs(include_bytecode), *copied]


setup(cmdclass={"build_py": BuildWithConf})
