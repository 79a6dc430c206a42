"""``ccx compare``: one way of explaining beside another."""
