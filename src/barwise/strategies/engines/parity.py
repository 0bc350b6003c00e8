"""Does an engine compute what torch computes on the CPU? Scores, loss and gradients of one net on one small batch."""

from __future__ import annotations

from barwise.devices.parity import TOLERANCE, Parity, difference
from barwise.strategies.engines.base import Body, Engine
from barwise.strategies.engines.learner import Learner, Piece
from barwise.strategies.losses import Loss, name_of
from barwise.strategies.nets import SequenceNet
from barwise.strategies.training import Training


def compare(
    engine: Engine, device: str, net: SequenceNet, loss: Loss, training: Training, piece: Piece, warm: int | None
) -> Parity:
    """Run `net` without dropout on torch and on `engine`, which has been started; what differs first is named."""
    still = net.eval()
    for parameter in still.parameters():
        parameter.grad = None
    out = still(piece.x) if warm is None else still.steps(piece.x, skip=warm)[0]
    value = loss.mean(out, piece.target, piece.weight)
    value.backward()
    expected = {("the scores", "the net"): out.detach(), ("values", "the loss"): value.detach()}
    for name, parameter in reversed(list(still.named_parameters())):
        if parameter.grad is not None:
            expected["gradients", name] = parameter.grad
    with engine.on(device):
        learner = Learner(engine, Body.of(net, loss, warm), name_of(training.loss), training, net.state_dict())
        found_value, gradients = learner.gradients(piece)
        found = {("the scores", "the net"): learner.outputs(piece.x), ("values", "the loss"): found_value}
        found |= {("gradients", name): one for name, one in gradients.items()}
        worst, culprit = 0.0, None
        for key, tensor in expected.items():
            gap = difference(tensor, learner.tensor(found[key]))
            if not gap <= TOLERANCE and culprit is None:  # NaN is a difference too
                culprit = key
            worst = max(worst, gap) if gap == gap else float("inf")
    what, layer = culprit or (None, None)
    return Parity(f"{engine.name} on {device}", culprit is None, worst, layer, what, reference="torch on the CPU")
