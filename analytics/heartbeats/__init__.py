"""What this instance sends about itself, and how it is delivered."""
