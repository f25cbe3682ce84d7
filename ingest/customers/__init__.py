"""What customers' collectors send."""
