"""What operators see: metrics, dashboards, alerts, error reports."""
