"""The API that customers' collectors call: licence checks, heartbeats, daily analytics."""
