"""The table of public routes, and what is made from it: Kong's file, nginx', Envoy's, and the chart's copy."""
