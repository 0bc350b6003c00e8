"""Bars that are kept are those that were read; whatever they came from changes, they are read again."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data import files, kept, query, sample, seen, synthetic
from barwise.data.hash import data_hash, digests, is_hash_of
from barwise.data.kept import KeptBars
from barwise.data.readers import table
from barwise.errors import DataError
from barwise.runs import blocks
from tests.data.test_query import FRAME, assert_same

WORDS = FRAME.assign(sector=FRAME.symbol.map({"S0000": "a", "S0001": "a", "S0002": "b"}), bid=1.5)


@pytest.fixture
def keep(tmp_path: Path) -> KeptBars:
    return KeptBars(tmp_path / "bars", least=0)


@pytest.fixture
def source(tmp_path: Path) -> partial:
    WORDS.to_csv(tmp_path / "b.csv", index=False)
    stays = "symbol,from,to\n" + "".join(f"S000{i},2000-01-01,2000-12-31\n" for i in range(3))
    (tmp_path / "members.csv").write_text(stays)
    return partial(files.load, path=str(tmp_path / "b.csv"), universe=str(tmp_path / "members.csv"))


def test_what_is_kept_is_what_was_read(keep, source, monkeypatch):
    first, read = keep.source(source)(), source()
    monkeypatch.setattr(files, "read", None)  # it is not read again
    again = keep.source(source)()
    assert_same(first, read)
    assert_same(again, read)
    for ours, theirs in zip(again.bars, read.bars, strict=True):
        assert ours.group_names == theirs.group_names == {"sector": ("a", "b")}
        np.testing.assert_array_equal(ours.groups["sector"], theirs.groups["sector"])
        np.testing.assert_array_equal(ours.extra["bid"], theirs.extra["bid"])
    assert again.universe == read.universe
    assert {k: v for k, v in again.facts.items() if k != "kept"} == read.facts


@pytest.mark.parametrize("change", ["content", "setting", "universe", "code", "library", "another file"])
def test_any_change_means_reading_again(change, keep, source, tmp_path, monkeypatch):
    before = keep.key(source)
    if change == "content":
        text = (tmp_path / "b.csv").read_text()
        (tmp_path / "b.csv").write_text(text.replace("1.5", "1.6", 1))
    elif change == "setting":
        source = partial(source, symbols=["S0000"])
    elif change == "universe":
        (tmp_path / "members.csv").write_text((tmp_path / "members.csv").read_text().replace("12-31", "11-30"))
    elif change == "code":
        monkeypatch.setattr(kept, "_code", lambda: "another")
    elif change == "library":
        monkeypatch.setattr(kept, "version", lambda name: "0")
    else:
        shutil.copy(tmp_path / "b.csv", tmp_path / "c.csv")
        source = partial(source, path=str(tmp_path / "c.csv"))
    assert before is not None and keep.key(source) not in (before, None)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "meta", "other", "link"])
def test_damage_means_reading_again(damage, keep, source, tmp_path):
    keep.source(source)()
    (place,) = keep.home.glob("*.arrow")
    data = bytearray(place.read_bytes())
    if damage == "meta":
        place.with_suffix(".json").write_text("{")
    elif damage == "link":
        place.unlink()
        place.symlink_to("/dev/zero")
    else:
        if damage == "bit":
            data[len(data) // 2] ^= 1
        place.write_bytes({"cut": data[:-9], "bit": data, "empty": b"", "other": b"ARROW1" * 100}[damage])
    found = keep.source(source)()
    assert_same(found, source())
    assert any("are damaged" in line and "read again" in line for line in found.facts["warnings"])
    assert keep.source(source)().facts["kept"] == place.stem  # mended


def test_small_remote_and_made_sources_are_not_kept(keep, source):
    assert KeptBars(keep.home).key(source) is None
    assert keep.key(partial(synthetic.load, n_symbols=1)) is None
    assert keep.key(partial(files.load, path="s3://bucket/x.parquet")) is None
    assert keep.key(partial(query.load, sql="SELECT * FROM 'x.parquet'")) is None


def test_a_folder_that_cannot_be_written_is_no_obstacle(source, tmp_path):
    (tmp_path / "file").write_text("")
    assert_same(KeptBars(tmp_path / "file" / "bars", least=0).source(source)(), source())


def test_the_longest_unused_goes_first(keep, source):
    keep.source(source)()
    keep.source(partial(source, symbols=["S0000"]))()
    assert len(keep.entries()) == 2
    assert KeptBars(keep.home, 1e-9).trim() == 2
    assert list(keep.home.glob("*.json")) == []


def partitioned(folder: Path, last: int = 40, changed: bool = False) -> partial:
    """Bars of three symbols in a folder a year, the last of which grows."""
    for year, low, high in ((2000, 0, 20), (2001, 20, 30), (2002, 30, last)):
        for symbol, own in WORDS.drop(columns="sector").groupby("symbol"):
            some = own.iloc[low:high].assign(bid=1.5)
            if changed and year == 2000:
                some.loc[some.index[3], ["open", "high", "low", "close"]] *= 1.01
            (folder / f"year={year}").mkdir(parents=True, exist_ok=True)
            some.to_parquet(folder / f"year={year}" / f"{symbol}.parquet", index=False)
    return partial(files.load, path=str(folder))


def count_of_reads(monkeypatch) -> list[str]:
    seen, whole = [], table.read
    monkeypatch.setattr(table, "read", lambda source, *rest: seen.append(source.where) or whole(source, *rest))
    return seen


@pytest.mark.parametrize("case", ["grown", "an old bar", "another setting", "a symbol more", "damaged", "a file gone"])
def test_of_a_source_that_grew_only_what_changed_is_read(case, keep, tmp_path, monkeypatch):
    folder = tmp_path / "source"
    keep.source(partitioned(folder, 38))()
    seen, wanted = count_of_reads(monkeypatch), {"grown": 3, "an old bar": 6, "a symbol more": 4, "a file gone": 3}
    source = partitioned(folder, changed=case == "an old bar")
    if case == "another setting":
        source = partial(source, on_bad="drop")
    elif case == "a symbol more":
        other = WORDS[WORDS.symbol == "S0000"].drop(columns="sector").iloc[:30].assign(symbol="Z", bid=1.5)
        other.to_parquet(folder / "year=2001" / "Z.parquet", index=False)
    elif case == "a file gone":
        (folder / "year=2001" / "S0001.parquet").unlink()
    elif case == "damaged":
        kept_file = next(tmp_path.rglob("*.arrow"))
        data = bytearray(kept_file.read_bytes())
        data[len(data) // 2] ^= 1
        kept_file.write_bytes(bytes(data))
    found = keep.source(source)()
    assert len(seen) == wanted.get(case, 9)
    read = source()
    assert_same(found, read)
    assert {k: v for k, v in found.facts.items() if k != "kept"} == read.facts
    for ours, theirs in zip(found.bars, read.bars, strict=True):
        for name in ("time", "open", "close", "volume"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    seen.clear()
    keep.source(source)()  # and what was put together is kept
    assert not seen


def test_a_day_after_a_day_is_put_together_from_what_was(keep, tmp_path, monkeypatch):
    folder = tmp_path / "source"
    keep.source(partitioned(folder, 36))()
    seen = count_of_reads(monkeypatch)
    for last in (37, 38, 39):
        source = partitioned(folder, last)
        seen.clear()
        found = keep.source(source)()
        assert len(seen) == 3
        assert_same(found, source())


@pytest.mark.parametrize("how", [{"symbols": ["S0000"]}, {"start": "2000-01-10"}, {"on_jump": "drop"}])
def test_bars_that_were_not_kept_as_they_were_read_have_no_parts(how, keep, tmp_path, monkeypatch):
    folder = tmp_path / "source"
    source = partial(partitioned(folder, 38), **how)
    keep.source(source)()
    partitioned(folder)
    seen = count_of_reads(monkeypatch)
    found = keep.source(source)()
    whole = len(seen)
    seen.clear()
    assert_same(found, source())
    assert len(seen) == whole


def grown(folder: Path, n: int, jump: float = 1.0) -> partial:
    """Bars of three symbols in a file, and a file more for each of the last days; `jump`: of the last prices."""
    folder.mkdir(parents=True, exist_ok=True)
    own = WORDS.drop(columns="sector").sort_values(["time", "symbol"], ignore_index=True)
    own.iloc[: 3 * 36].to_parquet(folder / "first.parquet", index=False)
    for day in range(36, n):
        some = own.iloc[3 * day : 3 * day + 3].copy()
        some[["open", "high", "low", "close"]] *= jump if day == n - 1 else 1.0
        some.to_parquet(folder / f"more-{day}.parquet", index=False)
    return partial(files.load, path=str(folder))


def test_bars_that_were_added_are_written_beside_a_link_to_the_others(keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    (first,) = keep.home.glob("*.arrow")
    for n in (37, 39):
        found = keep.source(grown(tmp_path / "source", n))()
        read = grown(tmp_path / "source", n)()
        again = keep.source(grown(tmp_path / "source", n))()
        for one in (found, again):
            assert_same(one, read)
            assert {k: v for k, v in one.facts.items() if k != "kept"} == read.facts
            assert data_hash(one) == data_hash(read)
        place = keep.home / f"{again.facts['kept']}.arrow"
        assert place.samefile(first)
        assert 0 < place.with_suffix(".more").stat().st_size < first.stat().st_size
    assert sum(size for _, size, _ in keep.entries()) < 2 * first.stat().st_size  # three sources, one large file


@pytest.mark.parametrize("ending", [".arrow", ".more", ".json"])
@pytest.mark.parametrize("how", ["gone", "a bit", "a bit, at the same time as before"])
def test_damage_to_any_file_of_bars_that_grew_is_told_and_read_again(ending, how, keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    source = grown(tmp_path / "source", 38)
    place = keep.home / f"{keep.source(source)().facts.get('kept', keep.key(source))}{ending}"
    state, data = place.stat(), bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.unlink() if how == "gone" else place.write_bytes(bytes(data))
    if how.endswith("before"):
        os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
    found = keep.source(source)()
    assert_same(found, source())
    if (ending, how) != (".arrow", "gone"):
        assert [line for line in found.facts["warnings"] if "are damaged" in line and "read again" in line]
    assert keep.source(source)().facts["kept"] == place.stem  # mended


@pytest.mark.parametrize("jump", [1.0, 3.0, 0.2])
def test_what_is_in_doubt_about_added_bars_is_told_as_of_all(jump, keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    source = grown(tmp_path / "source", 38, jump)
    found = keep.source(source)()
    assert found.facts["warnings"] == source().facts["warnings"]
    assert bool(found.facts["warnings"]) == (jump != 1.0)


def test_bars_with_a_fault_among_those_added_are_refused_and_not_kept(keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    source = grown(tmp_path / "source", 38, jump=-1.0)
    for _ in range(2):
        with pytest.raises(DataError, match=r"more-37\.parquet: .* is not above 0"):
            keep.source(source)()
    assert len(keep.entries()) == 1
    assert_same(keep.source(grown(tmp_path / "source", 38))(), grown(tmp_path / "source", 38)())


def test_what_is_known_of_bars_is_not_known_of_others_made_of_them(keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    bars = keep.source(grown(tmp_path / "source", 37))().bars[0]
    assert bars.known is not None and bars.known.rows == 37
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0
    for other in (replace(bars, close=bars.close + 1), bars.take(slice(0, 36))):
        assert other.known is None
        assert digests(other, len(other)) != digests(bars, len(bars))
    assert digests(bars.take(slice(0, 36)), 36, 30) == digests(bars, 36, 30)


def test_two_that_carry_on_the_same_bars_in_turn_keep_both(keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    sources = [grown(tmp_path / "source", 38)]
    shutil.copytree(tmp_path / "source", tmp_path / "before")
    found = [keep.source(sources[0])()]
    shutil.rmtree(tmp_path / "source")
    found.append(keep.source(grown(tmp_path / "source", 37, jump=1.5))())
    shutil.rmtree(tmp_path / "source")
    again = [keep.source(grown(tmp_path / "source", 38))()]
    assert_same(again[0], found[0])
    assert data_hash(found[0]) != data_hash(found[1])


def test_a_file_is_hashed_again_when_it_was_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "_SETTLED", -1.0)
    place, memory, read = tmp_path / "a.csv", tmp_path / "seen.json", []
    whole = seen._contents
    monkeypatch.setattr(seen, "_contents", lambda path: read.append(path) or whole(path))
    place.write_text("one")
    first = seen.hashes([place], memory)
    assert seen.hashes([place], memory) == first and len(read) == 1
    state = place.stat()
    place.write_text("two")
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))  # of the same length, at the same time
    assert seen.hashes([place], memory) != first and len(read) == 2
    memory.write_text("{")
    assert seen.hashes([place], memory) == [(str(place), whole(place))]


@pytest.mark.parametrize("at", [0, 1279, 2559])
def test_a_bit_that_rots_in_any_block_is_damage(at, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 16)
    place = tmp_path / "x"
    place.write_bytes(bytes(range(256)) * 10)
    told, state = blocks.checksums(place), place.stat()
    place.with_name("y").hardlink_to(place)
    blocks.verify(place, told)
    with place.open("r+b") as file:
        file.seek(at)
        file.write(bytes([at % 256 ^ 1]))
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))  # as a disk's fault leaves them
    with pytest.raises(blocks.Damaged, match="x is not what was written"):
        blocks.verify(place, told)


def test_a_run_that_was_filed_by_an_earlier_version_saw_the_same_bars():
    market = sample.load(symbols=["AAPL"])
    filed = "83490ddc3bf36adcfe8ead98061d73eab9487eabcb9864b6e20ab0311ce5509a"  # column after column of a symbol
    assert is_hash_of(market, filed) and is_hash_of(market, data_hash(market)) and filed != data_hash(market)
    other = replace(market, bars=(replace(market.bars[0], close=market.bars[0].close * 1.0001),))
    assert not is_hash_of(other, filed) and not is_hash_of(other, data_hash(market))


@pytest.mark.parametrize("close", [["a", "b", "c"], [[1.0], [2.0], [3.0]], [True, False, True]])
def test_a_column_that_is_of_another_kind_in_one_file_is_one_line_and_nothing_is_kept_of_it(close, keep, tmp_path):
    keep.source(grown(tmp_path / "source", 36))()
    before = {path.name: path.read_bytes() for path in keep.home.iterdir() if path.suffix in (".arrow", ".json")}
    source = grown(tmp_path / "source", 38)
    odd = pd.read_parquet(tmp_path / "source" / "more-37.parquet").assign(close=close)
    odd.to_parquet(tmp_path / "source" / "more-37.parquet", index=False)
    with pytest.raises(DataError, match=r"more-37\.parquet: [^\n]*close[^\n]*$"):
        keep.source(source)()
    now = {path.name: path.read_bytes() for path in keep.home.iterdir() if path.suffix in (".arrow", ".json")}
    assert {name for name in now if name != ".seen.json"} == {name for name in before if name != ".seen.json"}
    assert not list(keep.home.glob("*.tmp")) and not list(keep.home.glob("*.more"))
    mended = grown(tmp_path / "source", 38)
    assert_same(keep.source(mended)(), mended())


def test_a_partition_without_rows_is_told_and_the_rest_is_kept_and_carried_on(keep, tmp_path):
    source = grown(tmp_path / "source", 36)
    empty = pd.read_parquet(tmp_path / "source" / "first.parquet").iloc[:0]
    empty.to_parquet(tmp_path / "source" / "empty.parquet", index=False)
    for n in (36, 37):
        source = grown(tmp_path / "source", n)
        for found in (keep.source(source)(), keep.source(source)()):
            assert_same(found, source())
            assert any("empty.parquet passed over: it has no rows" in line for line in found.facts["warnings"])
            assert data_hash(found) == data_hash(source())
