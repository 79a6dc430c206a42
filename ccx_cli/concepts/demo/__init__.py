"""The built-in demo data set: drawn scenes with exact labels, in Broden's layout."""

from ccx_cli.concepts.demo.dataset import DEMO_SIDES, DEMO_SUBSET, write_demo_dataset
from ccx_cli.concepts.demo.scenes import DemoScene, demo_scenes, draw_scene

__all__ = [
    "DEMO_SIDES",
    "DEMO_SUBSET",
    "DemoScene",
    "demo_scenes",
    "draw_scene",
    "write_demo_dataset",
]
