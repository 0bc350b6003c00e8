"""What a score knows: its correlation with later returns, quantiles, turnover and exposures, as plain tables."""
