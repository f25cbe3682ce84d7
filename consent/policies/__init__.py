"""Policy versions: publishing one, making its registry active, and how long events are kept under it."""
