"""The loss over a plane of parameters: which plane, its values, the figure."""
