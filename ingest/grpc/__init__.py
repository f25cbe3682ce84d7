"""OTLP over gRPC: the same way through `ingest.receive` as over HTTP, with gRPC's own edge around it."""
