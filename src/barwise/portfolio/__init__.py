"""From scores and signals to weights: rules, constraints, tranches, rebalancing."""
