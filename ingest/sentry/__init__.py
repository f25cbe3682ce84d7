"""What Sentry's clients send, as bytes: addresses, keys, envelopes, items; and what they are answered."""
