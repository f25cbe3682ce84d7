"""OTLP on the wire: JSON and protobuf into the same flat records, and what is answered."""
