"""What is fitted: formulas, losses, penalties, linear models and modules, and the objective made of them."""
