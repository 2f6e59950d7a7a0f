"""Unit tests; `python3 -m unittest` finds them."""
