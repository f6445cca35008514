"""Pages of the documentation that are read off the package: the registries of formulas, the docstrings, the command."""
