"""A descent as a film: which frames, what each panel shows, the file."""
