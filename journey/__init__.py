"""The nouns and rules of an order's life. Pure: no I/O, no clock, no randomness."""
