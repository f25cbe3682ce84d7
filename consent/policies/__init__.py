"""Policy versions: publishing them, activating their registry, and how long events are kept under them."""
