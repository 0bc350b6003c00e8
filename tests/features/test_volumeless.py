"""A source without volume: features that need it are left out, in whatever set, and the others are the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from barwise.data import synthetic
from barwise.errors import ConfigError
from barwise.features.matrix import build, compute
from barwise.features.normalized import normalized
from barwise.features.price import price
from barwise.features.volume import volume

ROOT = __import__("pathlib").Path(__file__).resolve().parents[2]
BARS = synthetic.load(2, 700, 0).bars
WITHOUT = tuple(replace(b, volume=np.full(len(b), np.nan)) for b in BARS)


def test_the_default_set_loses_what_needs_volume_and_nothing_else():
    full, left = build(BARS, {"normalized": normalized}), build(WITHOUT, {"normalized": normalized})
    gone = set(full.names) - set(left.names)
    assert gone == {"volume_ratio", "volume_trend", "log_dollar_volume", "volume_price_corr"}
    places = [full.names.index(name) for name in left.names]
    np.testing.assert_array_equal(full.X[:, places], left.X)
    assert left.warmup.tolist() == full.warmup.tolist() or (left.warmup <= full.warmup).all()


@pytest.mark.parametrize("name", ["price", "technical", "microstructure", "lagged", "alpha158", "alpha20"])
def test_every_set_that_ships_takes_bars_without_volume(name: str):
    sets = instantiate(OmegaConf.load(ROOT / "conf" / "features" / f"{name}.yaml"))
    full, left = compute(BARS[0], sets), compute(WITHOUT[0], sets)
    assert left and set(left) <= set(full)
    for column, values in left.items():
        np.testing.assert_array_equal(values, full[column], err_msg=column)


def test_a_set_of_ones_own_is_tried_as_any_other():
    own = {"own": lambda bars: {"busy": bars.volume * bars.close, "up": np.sign(bars.close - bars.open)}}
    assert set(compute(WITHOUT[0], own)) == {"up"}


def test_where_nothing_is_left_the_line_says_so():
    with pytest.raises(ConfigError, match=r"features: volume need volume, and .* has none; features=price does not"):
        compute(WITHOUT[0], {"volume": partial(volume)})
    assert compute(WITHOUT[0], {"price": price})
