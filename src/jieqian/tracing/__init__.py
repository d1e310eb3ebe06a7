"""Traces of readings (OpenTelemetry), where an endpoint is set; nothing else in the service knows of it."""
