"""Cases that were fixed before any check was touched: they are only run, and no check is made to fit them."""
