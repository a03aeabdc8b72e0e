"""What a month costs: ``python -m deploy.cost`` writes docs/cost.md from prices.toml and plan.toml beside it."""
