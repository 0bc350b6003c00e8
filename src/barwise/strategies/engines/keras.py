"""One Keras model, for TensorFlow and for JAX: called with torch's weights, laid out as Keras has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from barwise.errors import ConfigError
from barwise.strategies.engines.base import Arrays, Body, Engine, split_gates


class KerasEngine(Engine):
    """What TensorFlow and JAX share. A process has one of them: Keras reads its backend when it is imported."""

    def load_keras(self) -> Any:
        """Keras on this backend; ConfigError where the process has it on another."""
        if "keras" not in sys.modules:
            before = os.environ.get("KERAS_BACKEND")
            os.environ["KERAS_BACKEND"] = self.name
            try:
                import_module("keras")
            finally:  # a process that this one starts decides for itself
                del os.environ["KERAS_BACKEND"]
                if before is not None:
                    os.environ["KERAS_BACKEND"] = before
        keras: Any = import_module("keras")
        found = keras.backend.backend()
        if found != self.name:
            raise ConfigError(
                f"strategy.engine={self.name}: Keras in this process runs on {found}, and a process has one; start"
                " another process"
            )
        self.ops = keras.ops
        return keras

    def forward(self, body: Body) -> Callable[[Arrays, Any, Any], Any]:
        keras = import_module("keras")
        cudnn = "auto" if self.device != "cpu" else False  # Keras takes it wherever there is a GPU, for the CPU too
        model = _model_of(keras, body, cudnn)
        still = [keras.ops.convert_to_numpy(one) for one in model.non_trainable_variables]
        ops = keras.ops
        dropping = [place for layer in _dropout_layers(keras, model) for place in _seeds_of(model, layer)]

        def outputs(weights: Arrays, x: Any, draws: Any = None) -> Any:
            others = [ops.convert_to_tensor(one) for one in still]
            if draws is not None:
                for i, place in enumerate(dropping):
                    others[place] = ops.cast(draws[i], others[place].dtype)
            found, _ = model.stateless_call(_laid_out(ops, body, weights), others, x, training=draws is not None)
            found = found if body.warm is None else found[:, body.warm :]
            return found[..., 0] if body.outputs == 1 else found

        return outputs


def _model_of(keras: Any, body: Body, cudnn: str | bool) -> Any:
    """Recurrent layers with dropout between them, and the head of all nets: the Keras twin of `LSTMNet`, `GRUNet`."""
    layers, steps = keras.layers, body.warm is not None
    made = layers.LSTM if body.cell == "lstm" else layers.GRU
    x = given = keras.Input((None, body.n_features), dtype="float32")
    for i in range(body.num_layers):
        x = layers.Dropout(body.dropout, dtype="float32")(x) if i and body.dropout else x
        last = i == body.num_layers - 1
        x = made(body.hidden_size, return_sequences=steps or not last, use_cudnn=cudnn, dtype="float32")(x)
    x = layers.Dense(32, activation="relu", dtype="float32")(x)
    x = layers.Dropout(body.dropout, dtype="float32")(x) if body.dropout else x
    x = layers.Dense(body.outputs, activation="tanh" if body.squash else None, dtype="float32")(x)
    return keras.Model(given, x)


def _dropout_layers(keras: Any, model: Any) -> list[Any]:
    """The layers that drop, first to last."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def _seeds_of(model: Any, layer: Any) -> list[int]:
    """Where among the model's other variables the state of a layer's random numbers is."""
    own = {id(one) for one in layer.non_trainable_variables}
    return [place for place, one in enumerate(model.non_trainable_variables) if id(one) in own]


def _laid_out(ops: Any, body: Body, weights: Mapping[str, Any]) -> list[Any]:
    """Torch's weights in the order and the layout of the model's trainable variables.

    Kernels are transposed. An LSTM's two biases are one sum; a GRU's gates are update, reset, new where torch has
    reset, update, new, and its biases stay two.
    """
    found = []
    for i in range(body.num_layers):
        first, second, third, fourth = split_gates(weights, i)
        if body.cell == "lstm":
            found += [ops.transpose(first), ops.transpose(second), third + fourth]
        else:
            first, second, third, fourth = (_update_first(ops, one) for one in (first, second, third, fourth))
            found += [ops.transpose(first), ops.transpose(second), ops.stack([third, fourth])]
    for place in (0, 3):
        found += [ops.transpose(weights[f"head.{place}.weight"]), weights[f"head.{place}.bias"]]
    return found


def _update_first(ops: Any, gates: Any) -> Any:
    """A GRU's gates (3 × hidden[, width]) with the second third in front."""
    size = gates.shape[0] // 3
    return ops.concatenate([gates[size : 2 * size], gates[:size], gates[2 * size :]], axis=0)
