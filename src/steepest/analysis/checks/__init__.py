"""Signs: each looks at one kind of trouble and yields findings (see `analysis/finding.py`)."""
