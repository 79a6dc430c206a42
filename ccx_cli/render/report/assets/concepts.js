// The concepts that formulas name, and the ranges whose formulas name one of them.

const CONCEPT_COLUMNS = [
  {
    name: "concept",
    title: "Concept",
    value: (each) => each.name,
    cell: (each) =>
      el("a", { class: "open", href: `#concept-${each.number}` }, el("bdi", null, each.name)),
  },
  {
    name: "category",
    title: "Category",
    value: (each) => categoryName(each.category),
    cell: (each) => categoryLabel(each.category),
  },
  ...[
    ["units", "Units", "Units with a formula that contains it, not negated"],
    ["ranges", "Ranges", "Ranges whose formula contains it, not negated"],
    ["negated", "Negated", "Ranges whose formula contains it under NOT"],
  ].map(([key, title, about]) => ({
    name: key,
    title,
    about,
    right: true,
    largest: true,
    value: (each) => each[key],
    cell: (each) => whole(each[key]),
  })),
  {
    name: "iou",
    title: "Highest IoU",
    about: "Highest IoU of the formulas that contain it, not negated",
    right: true,
    largest: true,
    value: (each) => each.iou,
    cell: (each) =>
      each.iou === null
        ? "–"
        : el("span", { class: "measure" }, meter(each.iou), el("span", { class: "figure" }, fixed(each.iou))),
  },
  {
    name: "images",
    title: "Images",
    about: "Images that contain it",
    right: true,
    largest: true,
    wide: true,
    value: (each) => each.images,
    cell: (each) => whole(each.images),
  },
  {
    name: "coverage",
    title: "Pixels",
    about: "Share of all pixels",
    right: true,
    largest: true,
    wide: true,
    value: (each) => each.coverage,
    cell: (each) => percent(each.coverage, 2),
  },
];

const concepts = {
  render(view) {
    this.table = new SortableTable("Concepts that formulas name", CONCEPT_COLUMNS, run.concepts, {
      open: (each) => `concept-${each.number}`,
      sort: CONCEPT_COLUMNS.find((column) => column.name === "units"),
      descending: true,
    });
    const number = el("output", { class: "number", "aria-live": "polite" });
    const filter = searchField("concept or category", () => again());
    const again = () => {
      const terms = termsOf(filter);
      this.table.filter((each) => {
        const text = `${each.name} ${each.category}`.toLowerCase();
        return terms.every((term) => text.includes(term));
      });
      number.textContent = count(this.table.shown.length, "concept", "concepts");
    };
    view.append(
      el("h2", { class: "unseen", tabindex: -1 }, "Concepts"),
      filterForm(filter, el("div", { class: "result" }, number)),
      this.table.element,
    );
    again();
  },
};

const conceptView = {
  render(view, number) {
    const concept = conceptByNumber.get(number);
    const back = el("p", { class: "back" }, el("a", { href: "#concepts" }, "← All concepts"));
    if (!concept) {
      view.replaceChildren(back, el("p", { class: "note" }, "No formula names this concept."));
      return;
    }
    const naming = rows.filter((row) => [...row.asked, ...row.excluded].includes(number));
    const title = `Ranges whose formula names ${concept.name}`;
    const table = new SortableTable(title, RANGE_COLUMNS, naming, {
      open: (row) => `unit-${row.unit}`,
      sort: RANGE_COLUMNS.find((column) => column.name === "iou"),
      descending: true,
    });
    this.table = table;
    const facts = [
      ["used by", `${count(concept.ranges, "range", "ranges")} of ${count(concept.units, "unit", "units")}`],
      ["negated by", count(concept.negated, "range", "ranges")],
      concept.images !== null && ["in", count(concept.images, "image", "images")],
      concept.coverage !== null && ["on", `${percent(concept.coverage, 2)} of all pixels`],
    ].filter(Boolean);
    view.replaceChildren(
      back,
      el("h2", { tabindex: -1 }, el("bdi", null, concept.name)),
      el(
        "p",
        { class: "facts" },
        categoryLabel(concept.category),
        facts.map(([name, value]) => el("span", null, el("span", { class: "dim" }, `${name} `), value)),
      ),
      table.element,
    );
  },
};
