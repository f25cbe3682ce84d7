"""What arrived, counted."""
