"""What this process keeps of each market, folded from the feed."""
