"""The best possible answer, by a solver for each kind of problem, with a certificate."""
