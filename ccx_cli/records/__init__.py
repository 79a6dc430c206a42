"""What is stored and printed, one structure a record; the lowest room that knows of them."""
