"""Parity: a device that agrees passes, one that does not is caught and the layer named."""

import copy

import pytest
import torch
from torch import nn

from barwise.devices.backend import BACKENDS
from barwise.devices.parity import compare
from barwise.strategies.nets import LSTMNet
from tests.devices.fake import faked


@pytest.fixture
def problem() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return LSTMNet(5, 8, 2, 0.5), torch.randn(6, 10, 5), torch.randn(6)


def test_the_cpu_agrees_with_itself_exactly_whatever_the_dropout(problem):
    outcome = compare(*problem, BACKENDS["cpu"])
    assert outcome.ok and outcome.worst == 0.0 and "agrees" in str(outcome)


def test_the_net_is_left_as_it_was(problem):
    net = problem[0].eval()
    before = copy.deepcopy(net.state_dict())
    with faked(wrong="head.0.weight"):
        compare(*problem, BACKENDS["mps"])
    assert not net.training and net.dropout.p == 0.5 and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize("layer", ["layers.0.weight_ih_l0", "layers.1.weight_hh_l0", "head.3.bias"])
def test_a_wrong_gradient_is_found_and_its_layer_named(problem, layer):
    with faked(wrong=layer):
        outcome = compare(*problem, BACKENDS["mps"])
    assert not outcome.ok and outcome.layer == layer and outcome.what == "gradients"
    assert outcome.worst == pytest.approx(0.1, rel=1e-3)
    assert f"mps disagrees with the CPU: gradients of {layer} differ" in str(outcome)


def test_a_wrong_forward_pass_is_found_in_the_first_layer_that_has_it(problem):
    with faked() as fake:
        place = fake.place

        def skewed(net):
            net.head[0].register_forward_hook(lambda m, i, o: o + 0.5)
            return place(net)

        fake.place = skewed
        outcome = compare(*problem, BACKENDS["mps"])
    assert not outcome.ok and (outcome.what, outcome.layer) == ("outputs", "head.0")


def test_nan_on_the_device_is_a_difference(problem):
    with faked() as fake:
        fake.place = lambda net: net.apply(lambda m: None) and poisoned(net)
        outcome = compare(*problem, BACKENDS["mps"])
    assert not outcome.ok and outcome.worst == float("inf")


def poisoned(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        net.head[0].weight[0, 0] = float("nan")
    return net
