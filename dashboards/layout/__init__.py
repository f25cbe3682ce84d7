"""What all pages share: frame, filter bar, navigation."""
