"""The backward graph of a tensor: walked, made smaller, drawn."""
