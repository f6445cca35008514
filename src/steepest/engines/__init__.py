"""Four ways to take the same steps: the loop, batched, compiled, as a CUDA graph."""
