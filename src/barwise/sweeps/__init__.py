"""Sweeps: trials in processes of their own, resumed, claimed, pruned and ranked."""
