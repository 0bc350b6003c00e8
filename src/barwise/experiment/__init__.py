"""One experiment, from bars to a filed result."""
