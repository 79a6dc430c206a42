// The first view: a summary, and the table of all ranges.

const RANGE_COLUMNS = [
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
  {
    name: "activation",
    title: "Activation",
    about: "Ends of the range, both excluded",
    wide: true,
    value: (row) => row.record.range && (row.record.range[0] ?? -Infinity),
    cell: (row) => rangeText(row.record.range),
  },
  { name: "text", title: "Formula", value: (row) => row.formula, cell: formulaCell },
  {
    name: "category",
    title: "Category",
    about: "Category of most concepts in the formula, those under NOT aside",
    wide: true,
    value: (row) => (row.formula === null ? null : categoryName(row.category)),
    cell: (row) => (row.formula === null ? "–" : categoryLabel(row.category)),
  },
  {
    name: "iou",
    title: "IoU",
    right: true,
    largest: true,
    value: (row) => row.iou,
    cell: iouCell,
  },
  {
    name: "hits",
    title: "Hits",
    about: "Pixels whose activation lies in the range, over all images",
    right: true,
    largest: true,
    value: (row) => row.record.hits,
    cell: (row) => whole(row.record.hits),
  },
];

function formulaCell(row) {
  if (row.cluster === null) return el("span", { class: "dim" }, "never fires");
  if (row.formula === null) return el("span", { class: "dim" }, "no concept meets this range");
  return formulaElement(row.formula);
}

function iouCell(row) {
  if (row.iou === null) return "–";
  return el(
    "span",
    { class: "measure", title: proofText(row) },
    meter(row.iou),
    el("span", { class: "figure" }, fixed(row.iou)),
  );
}

// With a length penalty, the bound limits the score and not the IoU.
function boundText({ record, iou }) {
  return record.score === iou ? `bound ${fixed(record.bound)}` : "a better formula may exist";
}

function proofText(row) {
  if (row.proven === true) {
    const { length, space } = run.identity.search || {};
    const upTo = typeof length === "number" ? ` of up to ${length} concepts` : "";
    const over = space ? ", of the concepts and operators that were allowed" : "";
    return `Proven: no left chain${upTo} that begins with a positive concept scores higher${over}`;
  }
  if (row.proven === null) return "";
  return `Not proven: ${boundText(row)}`;
}

const ranges = {
  table: null,
  fields: {},

  render(view) {
    this.table = new SortableTable("Ranges and their formulas", RANGE_COLUMNS, rows, {
      open: (row) => `unit-${row.unit}`,
    });
    this.number = el("output", { class: "number", "aria-live": "polite" });
    view.append(tiles(), this.form(), this.table.element);
    this.filter();
  },

  form() {
    const again = () => this.filter();
    const most = Math.max(0.01, Math.ceil(highestIou * 100) / 100);
    const fields = {
      text: searchField("formula, concept, category or unit", again, "filter"),
      least: el("input", {
        type: "range",
        min: 0,
        max: most,
        step: 0.01,
        value: 0,
        oninput: again,
      }),
      range: select([["", "all"], ...rangeNumbers.map((c) => [String(c), String(c)])], again),
      proof: select([["", "all"], ["true", "proven"], ["false", "not proven"]], again),
    };
    this.fields = fields;
    this.least = el("output", { class: "figure" });
    const hasProofs = rows.some((row) => row.proven !== null);
    return filterForm(
      fields.text,
      el("label", null, el("span", null, "IoU at least ", this.least), fields.least),
      el("label", null, "Range ", fields.range),
      hasProofs && el("label", null, "Proof ", fields.proof),
      el(
        "div",
        { class: "result" },
        this.number,
        el("button", { type: "button", onclick: () => this.save("csv") }, "CSV"),
        el("button", { type: "button", onclick: () => this.save("json") }, "JSON"),
      ),
    );
  },

  filter() {
    const terms = termsOf(this.fields.text);
    const least = Number(this.fields.least.value);
    const range = this.fields.range.value;
    const proof = this.fields.proof.value;
    this.least.textContent = least.toFixed(2);
    this.fields.least.setAttribute("aria-valuetext", least.toFixed(2));
    this.table.filter(
      (row) =>
        (least === 0 || (row.iou !== null && row.iou >= least)) &&
        (range === "" || String(row.cluster) === range) &&
        (proof === "" || String(row.proven) === proof) &&
        terms.every((term) => matches(row, term)),
    );
    const { shown } = this.table;
    const units = new Set(shown.map((row) => row.unit)).size;
    this.number.textContent =
      `${count(shown.length, "range", "ranges")} of ${count(units, "unit", "units")}`;
  },

  save(form) {
    if (form === "json") download(`${run.name}.json`, "application/json", asJson());
    else download(`${run.name}.csv`, "text/csv", asCsv(this.table.shown));
  },

  // The units in the order of the table, to step from one to the next.
  order() {
    const shown = this.table ? this.table.shown : rows;
    return [...new Set(shown.map((row) => row.unit))];
  },
};

// A number means a unit, or a word in the name of a concept.
function matches(row, term) {
  if (/^\d+$/.test(term)) return String(row.unit) === term || row.words.has(term);
  return row.searched.includes(term);
}

function select(options, onchange) {
  return el(
    "select",
    { onchange },
    options.map(([value, text]) => el("option", { value }, text)),
  );
}

function tiles() {
  const proofs = explained.filter((row) => row.proven !== null);
  const dead = allUnits.filter((unit) => rowsByUnit.get(unit)[0].cluster === null).length;
  const asked = new Set(explained.flatMap((row) => row.asked)).size;
  const highest = explained.reduce((a, b) => (a === null || b.iou > a.iou ? b : a), null);
  const total = run.about.units;
  return el(
    "dl",
    { class: "tiles" },
    tile("Units", whole(allUnits.length), [
      typeof total === "number" && `of ${whole(total)} in the layer`,
      dead > 0 && `${whole(dead)} never ${dead === 1 ? "fires" : "fire"}`,
    ]),
    tile("Ranges explained", whole(explained.length), [`${count(asked, "concept", "concepts")}`]),
    tile("Median IoU", fixed(median(explained.map((row) => row.iou))), [
      highest && `highest ${fixed(highest.iou)}, unit ${highest.unit}`,
    ]),
    proofs.length > 0 &&
      tile("Proven", percent(proofs.filter((r) => r.proven).length / proofs.length, 0), [
        `of ${count(proofs.length, "formula", "formulas")}`,
      ]),
  );
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
