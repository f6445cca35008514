"""Training loops that others wrote: recorded, and made fits."""
