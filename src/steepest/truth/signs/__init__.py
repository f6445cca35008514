"""Signs: each looks at one kind of trouble and yields findings (see `truth/finding.py`)."""
