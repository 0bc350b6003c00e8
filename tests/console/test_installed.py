"""What an installer put there is a library's, wherever that is; what one works on is one's own."""

from __future__ import annotations

import os
import sys

import pytest

from barwise.console.installed import installed, library_folders


def test_a_folder_that_pip_filled_for_a_cluster_holds_libraries(tmp_path, monkeypatch):
    target, own = tmp_path / "site", tmp_path / "own"
    for folder in (target / "thing-1.0.dist-info", own):
        folder.mkdir(parents=True)
    for one in (target, own):
        (one / "thing.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path[:1], str(target), str(own), *sys.path[1:]])
    assert installed(str(target / "thing.py")) and not installed(str(own / "thing.py"))
    assert f"{os.path.realpath(target)}{os.sep}" in library_folders()
    assert installed(pytest.__file__)


def test_the_folder_one_works_in_is_ones_own_whatever_lies_in_it(tmp_path, monkeypatch):
    (tmp_path / "thing-1.0.dist-info").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path[1:]])
    assert not installed(str(tmp_path / "thing.py"))
