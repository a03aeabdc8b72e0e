"""How messages leave: one module for each provider. Each raises what went wrong without saying to whom it was sent."""
