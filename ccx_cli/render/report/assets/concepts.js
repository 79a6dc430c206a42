// The concepts that formulas in their simplest form name, and the ranges whose formulas name one.

const CONCEPT_COLUMNS = [
  {
    name: "concept",
    title: "Concept",
    value: (each) => each.short,
    cell: (each) =>
      el(
        "a",
        { class: "open", href: `#concept-${each.number}`, title: each.name },
        el("bdi", null, each.short),
      ),
  },
  {
    name: "category",
    title: "Category",
    value: (each) => categoryName(each.category),
    cell: (each) => categoryLabel(each.category),
  },
  ...[
    ["units", "Units", "Units with a formula that contains it, not negated", whole],
    ["ranges", "Ranges", "Ranges whose formula contains it, not negated", whole],
    ["negated", "Negated", "Ranges whose formula contains it under NOT", whole],
    ["images", "Images", "Images that contain it", whole, true],
    ["coverage", "Pixels", "Share of all pixels", percent, true],
  ].map(([key, title, about, text, wide]) => ({
    ...measure(title, key, about, (each) => each[key], text),
    wide,
  })),
  measure(
    "Highest IoU",
    "iou",
    "Highest IoU of the formulas that contain it, not negated",
    (each) => each.iou,
    (iou) => (iou === null ? MISSING : measured(iouText(iou), iou, highestIou)),
  ),
];

// Others are in shorter formulas only, or in stored ones.
const inFormulas = run.concepts.filter((each) => each.units !== null);

lists.concepts = new List(inFormulas, CONCEPT_COLUMNS, { text: "", sort: "-units" }, (each, state) => {
  const text = `${each.name} ${each.category}`.toLowerCase();
  return termsOf(state).every((term) => text.includes(term));
});

const concepts = {
  render(view) {
    const list = lists.concepts;
    const number = el("output", { class: "number", "aria-live": "polite" });
    const update = () => {
      number.textContent = count(list.shown.length, "concept", "concepts");
    };
    list.views.push(update);
    list.update();
    view.append(
      el("h2", { class: "unseen", tabindex: -1 }, "Concepts"),
      filterForm(list, searchField("concept or category"), el("div", { class: "result" }, number)),
      table("Concepts that formulas name", list, (each) => `concept-${each.number}`),
    );
  },
};

const conceptView = {
  async render(view, number) {
    const concept = conceptByNumber.get(number);
    const back = el("p", { class: "back" }, el("a", { href: "#concepts" }, "← All concepts"));
    if (!concept) {
      view.replaceChildren(back, el("p", { class: "note" }, "No formula names this concept."));
      return;
    }
    const naming = rows
      .map((row) => ({ ...row, shown: row.simplest }))
      .filter(({ shown }) => [...shown.asked, ...shown.excluded].includes(number));
    const list = new List(naming, RANGE_COLUMNS, { sort: "-mcc" }, () => true);
    list.update();
    const facts = [
      concept.ranges !== null && ["used by", `${count(concept.ranges, "range", "ranges")} of ${count(concept.units, "unit", "units")}`],
      concept.negated !== null && ["negated by", count(concept.negated, "range", "ranges")],
      concept.images !== null && ["in", count(concept.images, "image", "images")],
      concept.coverage !== null && ["on", `${percent(concept.coverage)} of all pixels`],
    ].filter(Boolean);
    const images = el("div", { class: "shots" });
    view.replaceChildren(
      back,
      el("h2", { tabindex: -1, title: concept.name }, el("bdi", null, concept.short)),
      el(
        "p",
        { class: "facts" },
        categoryLabel(concept.category),
        facts.map(([name, value]) => el("span", null, el("span", { class: "dim" }, `${name} `), value)),
      ),
      images,
      table(`Ranges whose formula names ${concept.name}`, list, (row) => `unit-${row.unit}`),
    );
    const part = await partOf(`concept-${number}`);
    if (!part) return;
    const shots = await Promise.all(part.images.map((image) => shotOf(image, { labels: number })));
    images.append(panels(shots, (shot) => `${percent(part.shares[shot.image])} of the image`, "No image contains it."));
  },
};
