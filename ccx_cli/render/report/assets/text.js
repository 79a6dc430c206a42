// Elements and numbers. Text from data reaches the page by text nodes only.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

// Numbers are written as ccx_cli/design.py writes them.
const MISSING = "–";
const written = (write) => (value) =>
  typeof value === "number" ? write(value).replaceAll("-", "−") : MISSING;
const whole = written((value) => value.toLocaleString("en"));
const iouText = written((value) => value.toFixed(4));
const mccText = written((value) => value.toFixed(3));
const liftText = written((value) =>
  value >= 9.95 ? `${whole(Math.round(value))}×` : `${value.toFixed(1)}×`,
);
const percent = written((value) =>
  value > 0 && value < 0.0005 ? "<0.1%" : `${(100 * value).toFixed(1)}%`,
);
const short = written((value) => {
  const size = Math.abs(value);
  if (size >= 9999.5 && size < 1e6) return whole(Math.round(value));
  if (value && (size < 1e-4 || size >= 1e6)) {
    const [, digits, sign, power] = /(.*)e(.)(.*)/.exec(value.toExponential(3));
    return `${+digits}e${sign}${power.padStart(2, "0")}`;
  }
  return String(+value.toPrecision(4));
});
const METRIC_TEXTS = { mcc: mccText, lift: liftText, equivalent: percent };
const metricText = ({ key }, value) => (METRIC_TEXTS[key] || iouText)(value);

function rangeText(range) {
  if (!range) return MISSING;
  const [lower, upper] = range;
  const between = (lower === null || lower < 0) && (upper === null || upper > 0) ? "…0…" : "…";
  return `${lower === null ? "−∞" : short(lower)} ${between} ${upper === null ? "∞" : short(upper)}`;
}

function count(n, one, many) {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

// A short bar that shows a share, beside its number.
function meter(value, limit = 1) {
  const part = typeof value === "number" ? Math.min(1, Math.max(0, value / limit)) : 0;
  return el("span", { class: "meter", "aria-hidden": "true", "--part": part });
}
