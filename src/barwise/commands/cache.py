"""python -m barwise cache: look at the kept feature matrices and bars, and clear them."""

from __future__ import annotations

from pathlib import Path

from barwise.console.arguments import Arguments
from barwise.errors import DataError


def main(words: list[str]) -> None:
    """List what is kept; `--clear` removes all, `--gb N` the longest unused until N gigabytes are left."""
    from barwise.data.kept import KeptBars
    from barwise.features.store import GIB, Store, age, home

    parser = Arguments("cache", "Feature matrices and bars that are kept for later runs.")
    parser.add_argument("--folder", type=Path, help="in place of the user's cache folder")
    parser.add_argument("--clear", action="store_true", help="remove all of them")
    parser.add_argument("--gb", type=float, help="remove the longest unused until so much is left")
    given = parser.parse_args(words)
    store = Store(given.folder) if given.gb is None else Store(given.folder, given.gb)
    bars = KeptBars(home(given.folder) / "bars", store.gb)
    if given.clear:
        print(f"removed {store.clear()} matrices from {store.home}, {bars.clear()} sources of bars from {bars.home}")
        return
    if given.gb is not None:
        print(f"removed {store.trim()} matrices from {store.home}, {bars.trim()} sources of bars from {bars.home}")
    entries = store.entries()
    for folder, size, used in entries:
        print(f"{folder.name}  {size / 2**20:8.1f} MB  {_shape_of(folder)}, used {age(used)} ago")
    total = sum(size for _, size, _ in entries)
    print(f"{len(entries)} matrices, {total / GIB:.2f} GB in {store.home}")
    sources = bars.entries()
    for path, size, used in sources:
        print(f"{path.stem}  {size / 2**20:8.1f} MB  {_bars_of(path)}, used {age(used)} ago")
    total = sum(size for _, size, _ in sources)
    print(f"{len(sources)} {'source' if len(sources) == 1 else 'sources'} of bars, {total / GIB:.2f} GB in {bars.home}")


def _shape_of(folder: Path) -> str:
    """What is in one folder of the store, in words."""
    from barwise.features.store_writer import meta_of
    from barwise.runs.blocks import Damaged

    try:
        meta = meta_of(folder)
    except (Damaged, DataError, OSError) as error:
        return f"damaged ({error})"
    return f"{meta['offsets'][-1]:,} bars × {len(meta['names'])} features, {len(meta['kept'])} symbols"


def _bars_of(path: Path) -> str:
    """What is in one file of kept bars, in words."""
    from barwise.data.kept_file import opened
    from barwise.runs.blocks import Damaged

    try:
        market = opened(path)[0]
    except Damaged as error:
        return f"damaged ({error})"
    where = market.facts.get("path", market.facts.get("database"))
    return f"{sum(map(len, market.bars)):,} bars of {len(market.bars)} symbols, from {where}"
