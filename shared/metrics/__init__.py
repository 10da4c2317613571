"""Metrics: what is measured, and how it is shown to Prometheus and to OpenTelemetry. Only the HTTP server imports it."""
