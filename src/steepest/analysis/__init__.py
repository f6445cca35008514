"""How good it is: the exact answer and the curvature."""
