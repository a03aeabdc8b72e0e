"""What watches Crossbook: rules, dashboards, and where alerts go (docs/monitoring.md)."""
