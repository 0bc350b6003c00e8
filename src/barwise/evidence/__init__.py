"""What a result supports after all trials."""
