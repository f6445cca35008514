"""Cases that the checks may be developed with."""
