"""barwise: leak-proof, Hydra-configured experiments for machine-learning trading strategies."""

__version__ = "0.1.0"
