"""SEEING it: figures, surfaces, movies, graphs, and one page for all of them."""
