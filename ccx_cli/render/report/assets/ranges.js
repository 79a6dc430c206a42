// The first views: a summary and a filter, above a wall of units or the table of all ranges.

const pictured = run.pictures.parts.length > 0;
const measure = (title, name, about, value, text) =>
  ({ title, name, about, right: true, largest: true, value, cell: (row) => text(value(row), row) });

const RANGE_COLUMNS = [
  pictured && { name: "picture", title: null, value: () => 0, cell: (row) => thumbnail(row, 84) },
  {
    name: "unit",
    title: "Unit",
    right: true,
    value: (row) => row.unit,
    cell: (row) =>
      el(
        "a",
        { class: "open", href: `#unit-${row.unit}`, "aria-label": `Unit ${row.unit}` },
        String(row.unit),
      ),
  },
  {
    name: "range",
    title: "Range",
    about: "Number of the range, 0 the lowest",
    value: (row) => row.cluster,
    cell: rangeChip,
  },
  { name: "text", title: "Formula", value: (row) => row.shown.formula, cell: (row) => formulaOf(row) },
  measure("MCC", "mcc", "Matthews correlation of hits and formula", (row) => row.shown.mcc, (mcc, row) =>
    measured(mccText(mcc), mcc, highestMcc, proofText(row)),
  ),
  measure("IoU", "iou", "Intersection over union of hits and formula", (row) => row.shown.iou, iouText),
  measure("Lift", "lift", "IoU over that of a random mask of the formula's size", (row) => row.shown.lift, liftText),
  run.metrics.some(({ key }) => key === "equivalent") && {
    ...measure("Stability", "stability", "Share of the bootstrap samples of the images whose formula is equivalent to the stored one", (row) => row.metrics.equivalent ?? null, percent),
    wide: true,
  },
  {
    ...measure("Hits", "hits", "Pixels whose activation is in the range, over all images", (row) => row.record.hits, whole),
    wide: true,
  },
  {
    name: "activation",
    title: "Activation",
    about: "Ends of the range, both excluded",
    wide: true,
    value: (row) => row.record.range && (row.record.range[0] ?? -Infinity),
    cell: (row) => rangeText(row.record.range),
  },
  {
    name: "category",
    title: "Category",
    about: "Category of most concepts in the formula, those under NOT aside",
    wide: true,
    value: ({ shown }) => (shown.formula === null ? null : categoryName(shown.category)),
    cell: ({ shown }) => (shown.formula === null ? MISSING : categoryLabel(shown.category)),
  },
].filter(Boolean);

// A number with a bar, which is as long as the highest of the run allows.
function measured(text, value, limit, title = null) {
  return el("span", { class: "measure", title }, meter(value, limit), el("span", { class: "figure" }, text));
}

// With a length penalty, the bound limits the score and not the IoU.
function boundText({ record }) {
  return record.score === record.iou ? `bound ${iouText(record.bound)}` : "a better formula may exist";
}

function proofText(row) {
  if (row.proven === true) {
    const { length, space, objective, min_coverage: least } = run.identity.search || {};
    const upTo = typeof length === "number" ? ` of up to ${length} concepts` : "";
    const over = space ? ", of the concepts and operators that were allowed" : "";
    const covered = objective === "mcc" ? "hits" : "activation";
    const enough = least ? ` and covers at least a share of ${least} of the ${covered}` : "";
    return `Proven: no left chain${upTo} that begins with a positive concept${enough} scores higher${over}`;
  }
  if (row.proven === null) return "";
  return `Not proven: ${boundText(row)}`;
}

const RANGE_STATE = { text: "", least: "0", range: "", proof: "", common: "", stored: "", sort: "-mcc" };

class RangeList extends List {
  // Which formula of a row is shown depends on the state.
  update() {
    for (const row of rows) row.shown = this.state.stored ? row.stored : row.simplest;
    super.update();
  }
}

const found = new RangeList(rows, RANGE_COLUMNS, { ...RANGE_STATE }, (row, state) => {
  const least = Number(state.least);
  return (
    (least === 0 || row.shown.mcc >= least) &&
    (state.range === "" || String(row.cluster) === state.range) &&
    (state.proof === "" || String(row.proven) === state.proof) &&
    !(state.common && row.common) &&
    termsOf(state).every((term) => matches(row, term))
  );
});
lists.units = lists.ranges = found;

// A number means a unit, or a word in the name of a concept.
function matches({ unit, shown }, term) {
  if (/^\d+$/.test(term)) return String(unit) === term || shown.words.has(term);
  return shown.searched.includes(term);
}

// The rows of the wall, one a unit: of those that pass, the one of highest MCC.
function bestOfUnits() {
  const best = new Map();
  for (const row of found.shown) {
    const other = best.get(row.unit);
    if (!other || (row.shown.mcc ?? -2) > (other.shown.mcc ?? -2)) best.set(row.unit, row);
  }
  return [...best.values()];
}

// The units in the order of the list, to step from one to the next.
const unitOrder = () => [...new Set(found.shown.map((row) => row.unit))];

function findBar(view) {
  const least = el("output", { class: "figure" });
  const number = el("output", { class: "number", "aria-live": "polite" });
  const limit = Math.max(0.01, Math.ceil(highestMcc * 100) / 100);
  const slider = el("input", { type: "range", name: "least", min: 0, max: limit, step: 0.01 });
  const sorts = found.columns.filter(({ title }) => title).map((each) => [wayOf(each), each.title]);
  const proofs = [["", "all"], ["true", "proven"], ["false", "not proven"]];
  const check = (name, text, title) => el("label", { class: "check", title }, el("input", { type: "checkbox", name }), text);
  const form = filterForm(
    found,
    [
      searchField("formula, concept, category or unit", "filter"),
      el("label", null, el("span", null, "MCC at least ", least), slider),
      select("Range", "range", [["", "all"], ...rangeNumbers.map((each) => [String(each), String(each)])]),
      rows.some((row) => row.proven === false) && select("Proof", "proof", proofs),
      select("Sort by", "sort", sorts),
    ],
    el(
      "div",
      { class: "result" },
      number,
      rows.some((row) => row.simplest !== row.stored) &&
        check("stored", "stored formulas", "Not the simplest formula within 1%, but the stored optimum; parts that add less are dimmed"),
      rows.some((row) => row.common) &&
        check("common", "hide common ones", "Hide formulas that are common in the untrained network too"),
      el("button", { type: "button", onclick: () => save("csv") }, "CSV"),
      el("button", { type: "button", onclick: () => save("json") }, "JSON"),
    ),
  );
  const update = () => {
    least.textContent = Number(found.state.least).toFixed(2);
    slider.setAttribute("aria-valuetext", least.textContent);
    const units = new Set(found.shown.map((row) => row.unit)).size;
    number.textContent = `${count(found.shown.length, "range", "ranges")} of ${count(units, "unit", "units")}`;
  };
  found.views.push(update);
  const facts = el("dl", { class: "tiles" });
  found.views.push(() => facts.replaceChildren(...tiles()));
  view.append(facts, form);
  found.update();
}

function save(form) {
  if (form === "json") download(`${run.name}.json`, "application/json", asJson());
  else download(`${run.name}.csv`, "text/csv", asCsv(found.shown));
}

const units = {
  render(view) {
    const wall = el("ol", { class: "wall", role: "list" });
    const cards = feed(wall, card, bestOfUnits, () => noneOf(found));
    found.views.push(cards.start);
    view.append(el("h2", { class: "unseen", tabindex: -1 }, "Units"), wall, ...cards.after);
  },
};

function card(row) {
  const label = `Unit ${row.unit}: ${row.shown.formula || "no formula"}`;
  return opens(
    el(
      "li",
      { title: run.sentences[row.unit] },
      el("a", { class: "open", href: `#unit-${row.unit}`, "aria-label": label }, pictured ? thumbnail(row, 190) : `Unit ${row.unit}`),
      el("p", { class: "line" }, el("strong", null, String(row.unit)), row.cluster !== null && rangeChip(row), measured(mccText(row.shown.mcc), row.shown.mcc, highestMcc, "MCC")),
      el("p", null, formulaOf(row)),
    ),
    () => `unit-${row.unit}`,
  );
}

const ranges = {
  render(view) {
    view.append(
      el("h2", { class: "unseen", tabindex: -1 }, "Ranges"),
      table("Ranges and their formulas", found, (row) => `unit-${row.unit}`),
    );
  },
};

// Of all rows, with the formulas that they show.
function tiles() {
  const proofs = explained.filter((row) => row.proven !== null);
  const dead = allUnits.filter((unit) => rowsByUnit.get(unit)[0].cluster === null).length;
  const asked = new Set(explained.flatMap((row) => row.shown.asked)).size;
  const ious = explained.map((row) => row.shown.iou);
  const best = explained.reduce((a, b) => (a === null || b.shown.mcc > a.shown.mcc ? b : a), null);
  const total = run.about.units;
  return [
    tile("Units", whole(allUnits.length), [
      typeof total === "number" && `of ${whole(total)} in the layer`,
      dead > 0 && `${whole(dead)} never ${dead === 1 ? "fires" : "fire"}`,
    ]),
    tile("Ranges explained", whole(explained.length), [`${count(asked, "concept", "concepts")}`]),
    highestMcc > 0 && tile("Highest MCC", mccText(best.shown.mcc), [`unit ${best.unit}, range ${best.cluster}`]),
    tile("Median IoU", iouText(median(ious)), [best && `highest ${iouText(Math.max(...ious))}`]),
    proofs.length > 0 &&
      tile("Proven", percent(proofs.filter((row) => row.proven).length / proofs.length), [
        `of ${count(proofs.length, "stored formula", "stored formulas")}`,
      ]),
  ].filter(Boolean);
}

function tile(name, value, more) {
  const below = more.filter(Boolean).join("; ");
  return el("div", null, el("dt", null, name), el("dd", null, value, el("small", null, below)));
}

function median(values) {
  if (!values.length) return null;
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  return ordered.length % 2 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}
