"""What the results support, after how many trials."""
