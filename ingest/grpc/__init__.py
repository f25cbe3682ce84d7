"""OTLP over gRPC: the same `ingest.receive` as over HTTP, behind an edge of its own."""
