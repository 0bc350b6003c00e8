"""What a user may rely on in nets: no later bar, no other symbol, the same scores however they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.errors import ConfigError
from barwise.samples import Samples
from barwise.strategies.sequence import SequenceStrategy
from tests.strategies.panels import MODES, NETS, altered, fitted, model_of, panel_of, readable

LOOKBACK = 6
PANEL = panel_of((60, 45), gaps=(20, 80))
ROWS = readable(PANEL, LOOKBACK)
BOTH = pytest.mark.parametrize("mode", MODES)
ALL = pytest.mark.parametrize("net", NETS)


@pytest.fixture(scope="module")
def trained():
    """One trained model of each net and mode; trained once."""
    done = {}

    def get(net: str, mode: str):
        if (net, mode) not in done:
            done[net, mode] = fitted(model_of(net, mode), PANEL, ROWS)
        return done[net, mode]

    return get


@ALL
@BOTH
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_scores_do_not_change_when_later_bars_do(trained, net, mode, data):
    model, scaler = trained(net, mode)
    row = data.draw(st.sampled_from(ROWS.tolist()), label="the last row that stays")
    later = np.flatnonzero((PANEL.symbol == PANEL.symbol[row]) & (np.arange(len(PANEL)) > row))
    rows = ROWS[row >= ROWS]
    before = model.predict(Samples(PANEL, rows, scaler))
    after = model.predict(Samples(altered(PANEL, later, seed=row), rows, scaler))
    whole = model.predict(Samples(altered(PANEL, later, seed=row), ROWS, scaler))[: len(rows)]
    assert np.array_equal(before, after)
    np.testing.assert_allclose(whole, before, atol=1e-6)  # later rows are scored beside them, in other batches


@ALL
@BOTH
def test_scores_do_change_when_their_own_or_an_earlier_bar_does(trained, net, mode):
    model, scaler = trained(net, mode)
    before = model.predict(Samples(PANEL, ROWS, scaler))
    for back in (0, LOOKBACK - 1):
        after = model.predict(Samples(altered(PANEL, ROWS[[30]] - back), ROWS, scaler))
        assert before[30] != after[30]


@ALL
@BOTH
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 39), max_size=5, unique=True))
def test_walking_in_pieces_gives_the_scores_of_one_piece(trained, net, mode, cuts):
    model, scaler = trained(net, mode)
    stretch = np.arange(21, 60)
    whole = model.predict(Samples(PANEL, stretch, scaler))
    memory, found = None, []
    for piece in np.split(scaler(PANEL.X[stretch]), sorted(c for c in cuts if c < len(stretch))):
        score, memory = model.advance(piece, memory)
        found.append(score)
    np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-6)
    assert np.isnan(whole[: LOOKBACK - 1]).all() and np.isfinite(whole[LOOKBACK - 1 :]).all()


@ALL
@BOTH
def test_bar_by_bar_equals_the_batch(trained, net, mode):
    model, scaler = trained(net, mode)
    stretch = np.arange(81, 105)
    memory, found = None, []
    for bar in scaler(PANEL.X[stretch]):
        score, memory = model.advance(bar[None], memory)
        found.append(score[0])
    np.testing.assert_allclose(found, model.predict(Samples(PANEL, stretch, scaler)), atol=1e-6)


@ALL
@BOTH
def test_save_and_load_give_the_same_scores(trained, net, mode, tmp_path):
    model, scaler = trained(net, mode)
    model.save(tmp_path)
    again = SequenceStrategy.load(tmp_path)
    samples = Samples(PANEL, ROWS, scaler)
    assert np.array_equal(again.predict(samples), model.predict(samples))


def test_a_net_of_members_learns_each_by_itself_and_scores_their_mean():
    net = NETS["tabm"](n_features=3, lookback=2, hidden_size=8, members=4, dropout=0.0)
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    learning, scoring = net.train()(x), net.eval()(x)
    assert learning.shape == (4, 5) and scoring.shape == (5,) and not torch.allclose(learning[0], learning[1])
    torch.testing.assert_close(learning.mean(dim=0), scoring)
    classes = NETS["tabm"](n_features=3, lookback=2, hidden_size=8, members=4, dropout=0.0, outputs=3, squash=False)
    each = classes.train()(x).softmax(dim=-1).mean(dim=0)
    torch.testing.assert_close(classes.eval()(x).softmax(dim=-1), each)


def test_a_run_directory_may_name_no_other_class(trained, tmp_path):
    trained("lstm", "window")[0].save(tmp_path)
    path = tmp_path / "strategy.json"
    written = path.read_text()
    for target in (
        "os.system",
        "torch.nn.Linear",
        "barwise.strategies.sequence.load_file",
        "barwise.strategies.no.Net",
    ):
        path.write_text(written.replace("barwise.strategies.nets.LSTMNet", target))
        with pytest.raises(ConfigError, match="is none of barwise's nets"):
            SequenceStrategy.load(tmp_path)


@ALL
@BOTH
def test_the_same_fit_twice_gives_the_same_bits(net, mode):
    models = [fitted(model_of(net, mode, dropout=0.3, epochs=2), PANEL, ROWS) for _ in range(2)]
    first, second = (model.predict(Samples(PANEL, ROWS, scaler)) for model, scaler in models)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("net", ["lstm", "gru", "tcn", "transformer", "mlp", "tabm"])
@BOTH
def test_a_planted_pattern_is_learned(net, mode):
    panel = panel_of((600, 600), n_features=2)
    rows = readable(panel, 4)
    early, late = rows[panel.time[rows] < panel.time[450]], rows[panel.time[rows] >= panel.time[450]]
    model = model_of(net, mode, lookback=4, hidden_size=16, epochs=10, patience=10, learning_rate=0.01, batch_size=32)
    model, scaler = fitted(model, panel, early)
    score = model.predict(Samples(panel, late, scaler))
    assert np.corrcoef(score, panel.y[late])[0, 1] > 0.4  # of random scores it is 0 ± 0.03
