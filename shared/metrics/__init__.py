"""Metrics: what is measured, and how Prometheus and OpenTelemetry get it. Only the HTTP server imports it."""
