"""How it goes down: objectives, rules, the loop, the trace."""
