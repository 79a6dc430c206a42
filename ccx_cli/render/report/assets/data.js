// The run, which is embedded, and the parts of its units, which are read when they are opened.

const run = JSON.parse(byId("run").textContent);
const conceptByNumber = new Map(run.concepts.map((each) => [each.number, each]));
const conceptByText = new Map(run.concepts.map((each) => [each.text, each]));
const rows = run.records.map(rowOf);
const rowsByUnit = new Map();
for (const row of rows) {
  if (!rowsByUnit.has(row.unit)) rowsByUnit.set(row.unit, []);
  rowsByUnit.get(row.unit).push(row);
}
const allUnits = [...rowsByUnit.keys()];
const explained = rows.filter((row) => row.record.formula !== null);
const highest = (value) => explained.reduce((most, row) => Math.max(most, value(row) || 0), 0);
const highestIou = highest((row) => row.shown.iou);
const highestMcc = highest((row) => row.shown.mcc);
const rangeNumbers = [...new Set(rows.map((row) => row.cluster))]
  .filter((number) => number !== null)
  .sort((a, b) => a - b);
const withParts = new Set(run.pictures.parts);
const withoutFile = new Set(run.pictures.missing);

// A row has the explanation as it is stored, and its simplest form; ``shown`` is one of the two.
function rowOf(record, index) {
  const measured = run.measured[index];
  const stored = formOf(record, record);
  const simplest = run.simplest[index] ? formOf(record, run.simplest[index]) : stored;
  return {
    record,
    index,
    unit: record.unit,
    cluster: record.cluster,
    stored,
    simplest,
    shown: simplest,
    kept: new Set(run.kept[index]),
    common: run.common[index],
    proven: typeof record.proven === "boolean" ? record.proven : null,
    metrics: Object.fromEntries(
      run.metrics.map(({ key }, at) => [key, measured ? measured[at] : null]),
    ),
  };
}

// A formula of a range, what it is worth, and what a filter finds it by.
function formOf({ unit }, { formula, labels, iou, mcc, lift, pearson }) {
  const { asked, excluded } = conceptsIn(labels);
  const named = [...asked, ...excluded].map((number) => conceptByNumber.get(number)).filter(Boolean);
  const texts = [`unit ${unit}`, formula || "", ...named.map((each) => each.category)];
  return {
    formula,
    labels,
    iou: formula === null ? null : iou,
    mcc,
    lift,
    pearson,
    asked,
    excluded,
    category: dominant(asked),
    searched: texts.join(" ").toLowerCase(),
    words: new Set((formula || "").toLowerCase().split(/[\s()"]+/)),
  };
}

function conceptsIn(labels) {
  const numbers = { asked: [], excluded: [] };
  signed(labels, true, numbers);
  return numbers;
}

function signed(labels, positive, found) {
  if (typeof labels === "number") {
    const list = positive ? found.asked : found.excluded;
    if (!list.includes(labels)) list.push(labels);
  } else if (labels) {
    const [operator, ...operands] = labels;
    for (const operand of operands) signed(operand, positive !== (operator === "NOT"), found);
  }
}

// The category of most concepts; of several, the one that is named first.
function dominant(numbers) {
  const counts = new Map();
  for (const number of numbers) {
    const { category } = conceptByNumber.get(number);
    counts.set(category, (counts.get(category) || 0) + 1);
  }
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best), ["", 0])[0];
}

const categories = [...run.categories];
if (run.concepts.some((concept) => !categories.includes(concept.category))) categories.push("");
const categoryName = (category) => category || "unknown";
const categoryColor = (category) =>
  /^[a-z]+$/.test(category) ? `var(--category-${category}, var(--category-other))` : "var(--category-other)";

// As range_color of ccx_cli/design.py mixes them.
function rangeColor(cluster, total) {
  const place = total > 1 ? (200 * cluster) / (total - 1) : 200;
  return place > 100
    ? `color-mix(in oklab, var(--range-high) ${place - 100}%, var(--range-mid))`
    : `color-mix(in oklab, var(--range-mid) ${place}%, var(--range-low))`;
}

function dot(color) {
  return el("span", { class: "dot", "aria-hidden": "true", "--color": color });
}

const parts = new Map();

// The part of a unit, concept or image, by its name; null without one.
function partOf(name) {
  if (!withParts.has(name) && !name.startsWith("image-")) return Promise.resolve(null);
  if (!parts.has(name)) parts.set(name, run.parts === "beside" ? loaded(name) : inside(name));
  return parts.get(name);
}

async function inside(name) {
  const element = await wholeElement(name);
  return element && JSON.parse(element.textContent);
}

// An element is whole once something follows it; the page may still be on its way.
async function wholeElement(name) {
  for (;;) {
    const element = byId(name);
    if (document.readyState !== "loading" || (element && element.nextSibling)) return element;
    await new Promise((done) => setTimeout(done, 20));
  }
}

// A page that was opened as a file may load scripts from its directory, but not read files.
const arrived = new Map();
window.ccxPart = (name, part) => arrived.set(name, part);

function loaded(name) {
  return new Promise((resolve) => {
    const script = el("script", { src: `data/${name}.js` });
    script.onload = script.onerror = () => {
      resolve(arrived.get(name) || null);
      script.remove();
    };
    document.head.append(script);
  });
}

async function pictureSource(image) {
  if (withoutFile.has(image)) return null;
  if (run.parts === "beside") return `images/${image}.jpg`;
  const element = await wholeElement(`picture-${image}`);
  return element && `data:image/jpeg;base64,${element.textContent}`;
}

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function asJson() {
  const explanations = rows.map((row) =>
    run.measured[row.index] ? { ...row.record, metrics: row.metrics } : row.record,
  );
  const { name, about, identity, sessions } = run;
  return `${JSON.stringify({ name, about, identity, sessions, explanations }, null, 1)}\n`;
}

// The same as ccx_cli/records/flat.py.
function cellsOf(record) {
  const cells = Object.entries(record).flatMap(([key, value]) => {
    if (key === "labels") return [];
    if (key === "range") return [["range_low", value?.[0]], ["range_high", value?.[1]]];
    if (!Array.isArray(value)) return [[key, value]];
    const named = [[key, value.map((one) => one.formula ?? one).join("; ")]];
    if (value[0]?.iou !== undefined) named.push([`${key}_iou`, value.map((one) => one.iou).join("; ")]);
    return named;
  });
  return Object.fromEntries(cells);
}

function asCsv(shown) {
  const records = shown.map((row) => cellsOf(row.record));
  const names = [...new Set(records.flatMap(Object.keys))];
  const metrics = run.metrics.map(({ key }) => key).filter((key) => !names.includes(key));
  const lines = shown.map((row, n) => [
    ...names.map((name) => csvCell(records[n][name])),
    ...metrics.map((name) => csvCell(row.metrics[name])),
  ]);
  return [[...names, ...metrics].map(csvCell), ...lines].map((l) => `${l.join(",")}\n`).join("");
}

function csvCell(value) {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
