"""batch_size=auto: the largest that fits, with headroom, and nothing else is changed."""

import json

import pytest

from barwise.devices.backend import BACKENDS
from barwise.devices.batch import largest_batch
from barwise.strategies.sequence import SequenceStrategy
from tests.devices.fake import faked
from tests.strategies.test_fallback import finished


def make(size: int):
    return SequenceStrategy(4, 4, batch_size=size).probe(3)


@pytest.mark.parametrize(("rows", "expected"), [(100, 32), (1024, 64), (5000, 256), (10_000_000, 8192)])
def test_where_memory_is_no_limit_an_epoch_keeps_its_steps(rows, expected, monkeypatch):
    monkeypatch.setattr("barwise.devices.batch._one_step", lambda *_: None)
    size, why = largest_batch(make, BACKENDS["cpu"], rows)
    assert size == expected and "16 steps an epoch" in why


@pytest.mark.parametrize(("most_rows", "expected"), [(300, 128), (64, 32), (40, 16), (5, 16)])
def test_where_memory_ends_it_half_of_what_fits_is_taken(most_rows, expected):
    with faked(most_rows=most_rows) as fake:
        size, why = largest_batch(make, BACKENDS["mps"], 100_000)
    assert size == expected and "mps" in why and fake.emptied > 0


def test_backward_and_the_optimizer_are_tried_not_the_forward_pass_alone():
    with faked() as fake:
        place = fake.place

        def heavy(net):
            next(net.parameters()).register_hook(out_of_memory)
            return place(net)

        fake.place = heavy
        assert largest_batch(make, BACKENDS["mps"], 100_000)[0] == 16


def out_of_memory(gradient):
    raise RuntimeError("MPS backend out of memory")


def test_a_run_says_what_it_took_and_why(tmp_path):
    _, told = finished(tmp_path, "strategy.batch_size=auto")
    assert told["folds"][0]["batch_size"] == 32 and "16 steps an epoch" in told["folds"][0]["batch_size_reason"]
    saved = json.loads((tmp_path / "model" / "fold-0" / "strategy.json").read_text())
    assert saved["training"]["batch_size"] == 32 and saved["training"]["learning_rate"] == 0.001
