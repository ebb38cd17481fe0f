"""Floor 2: what the application depends on and supplies; decisions pure, acts apart."""
