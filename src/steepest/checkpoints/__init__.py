"""Checkpoints: a descent written down on its way, so that it can be interrupted anywhere and goes on as if it had not been."""
