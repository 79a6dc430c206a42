"""The papers of the methods, data sets and networks that a run used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ccx_cli.records.header import About, Identity

# The layout is Broden's whoever labelled the images; it is Broden itself if it has as many.
_BRODEN_IMAGES = {"ade20k": 22_210, "all": 63_305}


@dataclass(frozen=True, slots=True)
class Reference:
    """A publication.

    Attributes
    ----------
    key
        What BibTeX cites it by.
    kind
        The BibTeX entry's type.
    authors
        As BibTeX writes them: ``Surname, Given``.
    title, year
        Its own.
    venue
        Journal or proceedings.
    details
        What else the entry has, such as ``volume`` and ``pages``.
    """

    key: str
    kind: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    details: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def short(self) -> str:
        """How a sentence cites it: ``Mu and Andreas, 2020``."""
        names = [author.partition(",")[0] for author in self.authors]
        if len(names) > 2:
            return f"{names[0]} et al., {self.year}"
        return f"{' and '.join(names)}, {self.year}"

    @property
    def text(self) -> str:
        """The reference in a line of plain text."""
        given = [author.partition(", ")[::2] for author in self.authors]
        names = [f"{_initials(first)} {last}" for last, first in given]
        if len(names) > 1:
            names[-2:] = [f"{names[-2]} and {names[-1]}"]
        where = [self.venue]
        if "volume" in self.details:
            number = f"({self.details['number']})" if "number" in self.details else ""
            where.append(f"{self.details['volume']}{number}")
        if "pages" in self.details:
            where.append(f"pages {self.details['pages'].replace('--', '-')}")
        return f"{', '.join(names)}. {self.title}. {', '.join(where)}, {self.year}."

    @property
    def bibtex(self) -> str:
        """The reference as a BibTeX entry."""
        fields = {
            "author": " and ".join(self.authors),
            # Braces keep the capitals that a bibliography style would take away.
            "title": f"{{{self.title}}}",
            "journal" if self.kind == "article" else "booktitle": self.venue,
            **self.details,
            "year": str(self.year),
        }
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@{self.kind}{{{self.key},\n{body}\n}}"


_CVPR = "IEEE Conference on Computer Vision and Pattern Recognition (CVPR)"
_NEURIPS = "Advances in Neural Information Processing Systems (NeurIPS)"

DISSECTION = Reference(
    "bau2017network",
    "inproceedings",
    (
        "Bau, David",
        "Zhou, Bolei",
        "Khosla, Aditya",
        "Oliva, Aude",
        "Torralba, Antonio",
    ),
    "Network Dissection: Quantifying Interpretability of Deep Visual Representations",
    _CVPR,
    2017,
    {"pages": "6541--6549"},
)
COMPOSITIONAL = Reference(
    "mu2020compositional",
    "inproceedings",
    ("Mu, Jesse", "Andreas, Jacob"),
    "Compositional Explanations of Neurons",
    _NEURIPS,
    2020,
    {"volume": "33", "pages": "17153--17163"},
)
CLUSTERED = Reference(
    "larosa2023clustered",
    "inproceedings",
    ("La Rosa, Biagio", "Gilpin, Leilani H.", "Capobianco, Roberto"),
    "Towards a Fuller Understanding of Neurons with Clustered Compositional Explanations",
    _NEURIPS,
    2023,
    {"volume": "36"},
)
EXACT_KMEANS = Reference(
    "wang2011ckmeans",
    "article",
    ("Wang, Haizhou", "Song, Mingzhou"),
    "Ckmeans.1d.dp: Optimal k-means Clustering in One Dimension by Dynamic Programming",
    "The R Journal",
    2011,
    {"volume": "3", "number": "2", "pages": "29--33"},
)
SKLEARN = Reference(
    "pedregosa2011scikit",
    "article",
    (
        "Pedregosa, Fabian",
        "Varoquaux, Gaël",
        "Gramfort, Alexandre",
        "Michel, Vincent",
        "Thirion, Bertrand",
        "Grisel, Olivier",
        "Blondel, Mathieu",
        "Prettenhofer, Peter",
        "Weiss, Ron",
        "Dubourg, Vincent",
        "Vanderplas, Jake",
        "Passos, Alexandre",
        "Cournapeau, David",
        "Brucher, Matthieu",
        "Perrot, Matthieu",
        "Duchesnay, Édouard",
    ),
    "Scikit-learn: Machine Learning in Python",
    "Journal of Machine Learning Research",
    2011,
    {"volume": "12", "pages": "2825--2830"},
)
FRACTIONAL = Reference(
    "dinkelbach1967nonlinear",
    "article",
    ("Dinkelbach, Werner",),
    "On Nonlinear Fractional Programming",
    "Management Science",
    1967,
    {"volume": "13", "number": "7", "pages": "492--498"},
)
ADE20K = Reference(
    "zhou2017scene",
    "inproceedings",
    (
        "Zhou, Bolei",
        "Zhao, Hang",
        "Puig, Xavier",
        "Fidler, Sanja",
        "Barriuso, Adela",
        "Torralba, Antonio",
    ),
    "Scene Parsing through ADE20K Dataset",
    _CVPR,
    2017,
    {"pages": "633--641"},
)
PLACES = Reference(
    "zhou2018places",
    "article",
    (
        "Zhou, Bolei",
        "Lapedriza, Agata",
        "Khosla, Aditya",
        "Oliva, Aude",
        "Torralba, Antonio",
    ),
    "Places: A 10 Million Image Database for Scene Recognition",
    "IEEE Transactions on Pattern Analysis and Machine Intelligence",
    2018,
    {"volume": "40", "number": "6", "pages": "1452--1464"},
)
IMAGENET = Reference(
    "deng2009imagenet",
    "inproceedings",
    (
        "Deng, Jia",
        "Dong, Wei",
        "Socher, Richard",
        "Li, Li-Jia",
        "Li, Kai",
        "Fei-Fei, Li",
    ),
    "ImageNet: A Large-Scale Hierarchical Image Database",
    _CVPR,
    2009,
    {"pages": "248--255"},
)


def method_of(identity: Identity) -> Reference:
    """Return the paper whose method a run is: of one concept, of one range, or of clusters."""
    if identity.ranges.num_clusters != 1:
        return CLUSTERED
    return DISSECTION if identity.search.length == 1 else COMPOSITIONAL


def clustering_of(identity: Identity) -> Reference | None:
    """Return the paper of the clustering that found a run's ranges, ``None`` without one."""
    ranges = identity.ranges
    if ranges.num_clusters == 1:
        return None
    return {"exact": EXACT_KMEANS, "sklearn": SKLEARN}.get(str(ranges.kmeans))


def dataset_of(about: About) -> tuple[Reference, ...]:
    """Return the papers of a run's dataset, Broden's and ADE20K's, as far as the header tells."""
    broden = (DISSECTION,) if about.images == _BRODEN_IMAGES.get(str(about.subset), -1) else ()
    return (*broden, ADE20K) if about.subset == "ade20k" else broden


def weights_of(about: About) -> Reference | None:
    """Return the paper of the images that a run's network was trained on, ``None`` if unknown."""
    return {"places365": PLACES, "imagenet": IMAGENET}.get(about.pretrained or "")


def references_of(about: About, identity: Identity) -> tuple[Reference, ...]:
    """Return the papers of everything that a run used, each once, the method's first."""
    return tuple(dict.fromkeys(_used(about, identity)))


def _used(about: About, identity: Identity) -> Iterator[Reference]:
    method = method_of(identity)
    yield method
    if method is CLUSTERED:
        yield COMPOSITIONAL
    if method is not DISSECTION:
        yield DISSECTION
    if clustering := clustering_of(identity):
        yield clustering
    if identity.search.name == "optimal" and identity.search.length != 1:
        yield FRACTIONAL
    yield from dataset_of(about)
    if trained := weights_of(about):
        yield trained


def _initials(given: str) -> str:
    return " ".join("-".join(f"{part[0]}." for part in name.split("-")) for name in given.split())
