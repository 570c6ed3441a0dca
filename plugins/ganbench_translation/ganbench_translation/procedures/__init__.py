"""How they are trained."""
