"""The Python interface: what ``import ccx_cli as ccx`` gives notebooks and other programs."""
