"""OTLP on the wire: decodes JSON and protobuf into the same flat records, and encodes answers."""
