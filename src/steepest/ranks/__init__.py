"""Ranks: processes that share the work of one fit, begun by torchrun, and a sum that is the same over any number of them."""
