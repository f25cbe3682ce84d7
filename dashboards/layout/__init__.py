"""What all pages share: layout, filter bar, navigation."""
