"""Grafana dashboards, generated: ``python -m deploy.monitoring.dashboards`` writes the chart's files anew.

``grafana.py`` knows how Grafana wants a dashboard; each other module says what one of them shows. Every query must
return data when a Prometheus scrapes a running exchange: tests/monitoring/test_live.py asks every one.
"""
