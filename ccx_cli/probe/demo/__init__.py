"""The small network that is trained on the demo scenes."""

from ccx_cli.probe.demo.network import DEFAULT_LAYER, DemoNetwork, load_demo_network

__all__ = ["DEFAULT_LAYER", "DemoNetwork", "load_demo_network"]
