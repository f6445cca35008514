"""Numerical methods that the descent, the exact answers and the pictures share."""
