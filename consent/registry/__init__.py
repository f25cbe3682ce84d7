"""What may be stored: the declared attributes, and what never is, whatever is declared."""
