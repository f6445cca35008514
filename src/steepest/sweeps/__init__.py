"""Many fits at once: which runs there are, how they go side by side, and what came of them."""
