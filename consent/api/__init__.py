"""The consent API, and what it shares with the other APIs: errors, rate limits, links, proxies."""
