"""control-arena, as far as a page needs it."""
