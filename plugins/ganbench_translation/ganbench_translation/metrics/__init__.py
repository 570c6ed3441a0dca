"""How well images were translated, in both directions."""
