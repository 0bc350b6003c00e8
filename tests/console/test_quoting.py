"""A path on the command line is the path, whatever Hydra's grammar would make of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from barwise.console.arguments import compose
from barwise.console.quoting import path_words

NAMES = [
    "données_été.csv", "bars (1).csv", "[2024] bars.csv", "it's.csv", "a=b.csv", "株.csv", "#1.csv", "50%.csv",
    "a&b.csv", "bars,2024.csv", "x@y.csv", "my bars.csv", "BRK.B.csv", "{a}.csv", '"q".csv', "a:b.csv", "~.csv",
    "$x.csv", "${seed}.csv", "back\\slash.csv", "ends\\", "null", "1e5", "a\\'b.csv", "- x.csv", "*.csv", "a b", "'q'",
]  # fmt: skip


def read_back(name: str) -> object:
    return compose(["data=files", f"data.path={name}"]).data.path


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_named_as_it_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("")
    assert read_back(name) == name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="/\0\r\n", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12))
@example("a\\\\'b")
def test_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if not name.strip() or name in (".", ".."):
        return
    (tmp_path / name).write_text("")
    assert read_back(name) == name


def test_what_is_no_file_keeps_its_meaning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seed").write_text("")
    words = ["data.path=bars,2024.csv", "seed=1,2", "features=all", "data.path=null", "data.path='seed'", "-m"]
    assert path_words(words) == words
