"""The papers of the methods, datasets and networks that a run used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ccx_cli.records.explanation import SOFT
from ccx_cli.records.header import About, Identity
from ccx_cli.search.registry import search_named
from ccx_cli.store.paths import is_imported

# The layout is Broden's whoever labeled the images; it is Broden itself if it has as many.
_BRODEN_IMAGES = {"ade20k": 22_210, "all": 63_305}


@dataclass(frozen=True, slots=True)
class Reference:
    """A publication, an entry of ``references.bib``: the key, the entry and its fields."""

    key: str
    bibtex: str
    fields: Mapping[str, str] = field(hash=False, compare=False)

    @property
    def short(self) -> str:
        """How a sentence cites it: ``Mu and Andreas, 2020``."""
        names = [last for last, _ in self._authors]
        if len(names) > 2:
            return f"{names[0]} et al., {self.fields['year']}"
        return f"{' and '.join(names)}, {self.fields['year']}"

    @property
    def text(self) -> str:
        """The reference in a line of plain text."""
        fields = self.fields
        names = [f"{_initials(given)} {last}" for last, given in self._authors]
        if len(names) > 1:
            names[-2:] = [f"{names[-2]} and {names[-1]}"]
        where = [fields.get("journal") or fields["booktitle"]]
        if "volume" in fields:
            number = f"({fields['number']})" if "number" in fields else ""
            where.append(f"{fields['volume']}{number}")
        if "pages" in fields:
            where.append(f"pages {fields['pages'].replace('--', '-')}")
        title = fields["title"].strip("{}")
        return f"{', '.join(names)}. {title}. {', '.join(where)}, {fields['year']}."

    @property
    def _authors(self) -> list[tuple[str, str]]:
        """Surnames and given names."""
        pairs = (author.partition(", ") for author in self.fields["author"].split(" and "))
        return [(last, given) for last, _, given in pairs]


def _read_references() -> dict[str, Reference]:
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    found = {}
    for entry in text.strip().split("\n\n"):
        key = entry.partition("{")[2].partition(",")[0]
        found[key] = Reference(key, entry, dict(_FIELD.findall(entry)))
    return found


_FIELD = re.compile(r"^  (\w+) = \{(.*)\},?$", re.MULTILINE)
_REFERENCES = _read_references()

DISSECTION = _REFERENCES["bau2017network"]
COMPOSITIONAL = _REFERENCES["mu2020compositional"]
CLUSTERED = _REFERENCES["larosa2023clustered"]
EXACT_KMEANS = _REFERENCES["wang2011ckmeans"]
SKLEARN = _REFERENCES["pedregosa2011scikit"]
FRACTIONAL = _REFERENCES["dinkelbach1967nonlinear"]
ADE20K = _REFERENCES["zhou2017scene"]
PLACES = _REFERENCES["zhou2018places"]
CLIPSEG = _REFERENCES["luddecke2022clipseg"]
IMAGENET = _REFERENCES["deng2009imagenet"]
COCO = _REFERENCES["lin2014coco"]
PERMUTATION_TEST = _REFERENCES["phipson2010permutation"]
DISCOVERY_RATE = _REFERENCES["benjamini1995controlling"]
OCCLUSION = _REFERENCES["zeiler2014visualizing"]
SIMULATION = _REFERENCES["bills2023language"]
BOOTSTRAP = _REFERENCES["efron1997improvements"]
STABILITY_SELECTION = _REFERENCES["meinshausen2010stability"]
_SETS = {
    name: tuple(_REFERENCES[key] for key in keys)
    for name, keys in {
        "ade20k-challenge": ("zhou2017scene",),
        "coco-panoptic-val": ("lin2014coco", "kirillov2019panoptic"),
        "coco-stuff-val": ("lin2014coco", "caesar2018stuff"),
        "voc2012": ("everingham2010voc",),
        "pascal-parts": ("chen2014detect", "everingham2010voc"),
        "cub200": ("wah2011birds",),
    }.items()
}
"""The papers of the sets that ``ccx fetch`` imports, by the names that it gives them."""


def method_of(identity: Identity) -> Reference:
    """Return the paper whose method a run is: of one concept, of one range, or of clusters."""
    if identity.ranges.num_clusters != 1 and identity.search.objective not in SOFT:
        return CLUSTERED
    return DISSECTION if identity.search.length == 1 else COMPOSITIONAL


def clustering_of(identity: Identity) -> Reference | None:
    """Return the paper of the clustering that found a run's ranges, ``None`` without one."""
    ranges = identity.ranges
    if ranges.num_clusters == 1:
        return None
    return {"exact": EXACT_KMEANS, "sklearn": SKLEARN}.get(str(ranges.kmeans))


def has_own_dataset(about: About) -> bool:
    """Tell whether a run's dataset is an import or the demo, as far as the header tells."""
    directory = Path(about.dataset or "")
    return directory.parent.name == about.subset or is_imported(directory)


def engine_of(about: About) -> Reference | None:
    """Return the paper of the engine that predicted the labels, ``None`` if there is none known."""
    return (
        CLIPSEG if about.annotation is not None and about.annotation.engine == "clipseg" else None
    )


def dataset_of(about: About) -> tuple[Reference, ...]:
    """Return the papers of a run's dataset, as far as the header tells."""
    if has_own_dataset(about) and about.annotation is None and about.subset in _SETS:
        return _SETS[about.subset]
    count = -1 if has_own_dataset(about) else _BRODEN_IMAGES.get(str(about.subset), -1)
    broden = (DISSECTION,) if about.images == count else ()
    return (*broden, ADE20K) if about.subset == "ade20k" else broden


def weights_of(about: About) -> Reference | None:
    """Return the paper of the images that a run's network was trained on, ``None`` if unknown."""
    return {"places365": PLACES, "imagenet": IMAGENET, "coco": COCO}.get(about.weights_kind or "")


def search_reference(identity: Identity) -> Reference | None:
    """Return the paper that a run's search rests on besides those of the method."""
    search = search_named(identity.search.name)
    if search is None or identity.search.length == 1:
        return None
    return _REFERENCES.get(search.reference)


def references_of(about: About, identity: Identity) -> tuple[Reference, ...]:
    """Return the papers of everything that a run used, each once, the method's first."""
    method = method_of(identity)
    older = {CLUSTERED: (COMPOSITIONAL, DISSECTION), COMPOSITIONAL: (DISSECTION,)}
    used = (
        method,
        *older.get(method, ()),
        clustering_of(identity),
        search_reference(identity),
        *dataset_of(about),
        engine_of(about),
        weights_of(about),
    )
    return tuple(dict.fromkeys(each for each in used if each is not None))


def _initials(given: str) -> str:
    return " ".join("-".join(f"{part[0]}." for part in name.split("-")) for name in given.split())
