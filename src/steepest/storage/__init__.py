"""Runs and sweeps on disk, and back."""
