"""Hydra's plugins of barwise: the launcher `isolated` and the sweeper `study`."""
