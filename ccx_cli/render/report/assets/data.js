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
const explained = rows.filter((row) => row.iou !== null);
const highestIou = explained.reduce((most, row) => Math.max(most, row.iou), 0);
const rangeNumbers = [...new Set(rows.map((row) => row.cluster))]
  .filter((number) => number !== null)
  .sort((a, b) => a - b);
const withPictures = new Set(run.pictures.units);
const withoutFile = new Set(run.pictures.missing);

function rowOf(record, index) {
  const numbers = { asked: [], excluded: [] };
  signed(record.labels, true, numbers);
  const concepts = [...numbers.asked, ...numbers.excluded].map((n) => conceptByNumber.get(n));
  const categories = new Set(concepts.map((concept) => concept.category));
  const measured = run.measured[index];
  return {
    record,
    index,
    unit: record.unit,
    cluster: record.cluster,
    formula: record.formula,
    iou: record.formula === null ? null : record.iou,
    proven: typeof record.proven === "boolean" ? record.proven : null,
    asked: numbers.asked,
    excluded: numbers.excluded,
    category: dominant(numbers.asked),
    metrics: Object.fromEntries(
      run.metrics.map(({ key }, at) => [key, measured ? measured[at] : null]),
    ),
    searched: [`unit ${record.unit}`, record.formula || "", ...categories].join(" ").toLowerCase(),
    words: new Set((record.formula || "").toLowerCase().split(/[\s()"]+/)),
  };
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
const categoryColor = (category) => `var(--category-${categories.indexOf(category) % 8})`;

function rangeColor(cluster, total) {
  const part = total > 1 ? Math.round((100 * cluster) / (total - 1)) : 100;
  return `color-mix(in oklab, var(--range-high) ${part}%, var(--range-low))`;
}

function dot(color) {
  return el("span", { class: "dot", "aria-hidden": "true", "--color": color });
}

const parts = new Map();

async function partOf(unit) {
  if (!withPictures.has(unit)) return null;
  if (!parts.has(unit)) {
    const part = run.parts === "beside" ? await loaded(unit) : await inside(unit);
    if (part) parts.set(unit, part);
  }
  return parts.get(unit) || null;
}

async function inside(unit) {
  if (!byId(`part-${unit}`)) await whenWhole();
  const element = byId(`part-${unit}`);
  return element ? JSON.parse(element.textContent) : null;
}

function whenWhole() {
  if (document.readyState !== "loading") return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
}

// A page that was opened as a file may load scripts from its directory, but not read files.
let arrived = null;
window.ccxUnit = (part) => {
  arrived = part;
};

function loaded(unit) {
  return new Promise((resolve) => {
    const script = el("script", { src: `data/unit-${unit}.js` });
    script.onload = () => {
      resolve(arrived && arrived.unit === unit ? arrived : null);
      script.remove();
    };
    script.onerror = () => {
      resolve(null);
      script.remove();
    };
    document.head.append(script);
  });
}

function pictureSource(image) {
  if (withoutFile.has(image)) return null;
  if (run.parts === "beside") return `images/${image}.jpg`;
  const element = byId(`picture-${image}`);
  return element ? `data:image/jpeg;base64,${element.textContent}` : null;
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

function asCsv(shown) {
  const names = [...new Set(shown.flatMap((row) => Object.keys(row.record)))];
  const metrics = run.metrics.map(({ key }) => key).filter((key) => !names.includes(key));
  const lines = shown.map((row) => [
    ...names.map((name) => csvCell(row.record[name])),
    ...metrics.map((name) => csvCell(row.metrics[name])),
  ]);
  return [[...names, ...metrics].map(csvCell), ...lines].map((l) => `${l.join(",")}\n`).join("");
}

function csvCell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
