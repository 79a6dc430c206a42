"""What networks call their tensors today that files have under other names."""

from __future__ import annotations

import re

# Path components that DataParallel and torch.compile put between a network and its layers.
_WRAPPER_MODULES = {"module", "_orig_mod"}

# torchvision's densenets were once saved with the keys `norm.1`, `conv.2`: a module path may not
# hold a dot today.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])(?=\.|$)")

# The dissection project's VGG-16 has the names of the Caffe model that its weights came from;
# torchvision numbers the layers, ReLUs, poolings and dropouts among them.
_CAFFE_VGG16 = {
    "features.conv1_1": "features.0", "features.conv1_2": "features.2",
    "features.conv2_1": "features.5", "features.conv2_2": "features.7",
    "features.conv3_1": "features.10", "features.conv3_2": "features.12",
    "features.conv3_3": "features.14", "features.conv4_1": "features.17",
    "features.conv4_2": "features.19", "features.conv4_3": "features.21",
    "features.conv5_1": "features.24", "features.conv5_2": "features.26",
    "features.conv5_3": "features.28", "classifier.fc6": "classifier.0",
    "classifier.fc7": "classifier.3", "classifier.fc8a": "classifier.6",
}  # fmt: skip


def todays_name(name: str) -> str:
    """Return the name that torchvision gives today to a weight, or to a module, of a file.

    Takes out what wrappers such as DataParallel put in, and renames the layers of old densenets
    and of the dissection project's VGG-16; any other name stays as it is.
    """
    path = ".".join(part for part in name.split(".") if part not in _WRAPPER_MODULES)
    path = _OLD_DENSENET.sub(r"\1\2", path)
    first_two = ".".join(path.split(".", 2)[:2])
    return _CAFFE_VGG16.get(first_two, first_two) + path.removeprefix(first_two)


def is_count(name: str) -> bool:
    """Tell whether a tensor counts training batches, which older files do without."""
    return name.endswith("num_batches_tracked")
