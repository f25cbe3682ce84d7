"""Reports as table rows."""
