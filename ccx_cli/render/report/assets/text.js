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

const whole = (value) => (typeof value === "number" ? value.toLocaleString("en") : "–");
const fixed = (value, decimals = 4) => (typeof value === "number" ? value.toFixed(decimals) : "–");
const percent = (value, decimals = 1) =>
  typeof value === "number" ? `${(100 * value).toFixed(decimals)}%` : "–";

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(4));
}

function rangeText(range) {
  if (!range) return "–";
  const [lower, upper] = range;
  return `${lower === null ? "−∞" : short(lower)} … ${upper === null ? "∞" : short(upper)}`;
}

function count(n, one, many) {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

// A short bar that shows a share, beside its number.
function meter(value, limit = 1) {
  const part = typeof value === "number" ? Math.min(1, Math.max(0, value / limit)) : 0;
  return el("span", { class: "meter", "aria-hidden": "true", "--part": part });
}
