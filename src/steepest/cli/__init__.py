"""The terminal's way in: commands, options, what is shown."""
