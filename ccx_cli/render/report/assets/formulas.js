// Formulas as elements: concepts underlined in the color of their category.

const WORD = /"(?:[^"\\]|\\.)*"|[^\s()"]+/gs;
const OPERATORS = new Set(["AND", "OR", "NOT"]);

function formulaElement(text, { links = false } = {}) {
  const element = el("span", { class: "formula", dir: "ltr" });
  if (text === null || text === undefined) {
    element.append("–");
    return element;
  }
  let last = 0;
  for (const found of text.matchAll(WORD)) {
    if (found.index > last) element.append(text.slice(last, found.index));
    element.append(wordElement(found[0], links));
    last = found.index + found[0].length;
  }
  element.append(text.slice(last));
  return element;
}

function wordElement(word, links) {
  if (OPERATORS.has(word)) return el("span", { class: "operator" }, word);
  const concept = conceptByText.get(word);
  if (!concept) return el("bdi", { class: "concept" }, word);
  const shown = {
    class: "concept",
    "--color": categoryColor(concept.category),
    title: concept.category || null,
  };
  return links
    ? el("a", { ...shown, href: `#concept-${concept.number}` }, el("bdi", null, word))
    : el("bdi", shown, word);
}

function rangeChip(row) {
  if (row.cluster === null) return "–";
  return el(
    "span",
    { class: "chip" },
    dot(rangeColor(row.cluster, row.record.num_ranges)),
    String(row.cluster),
  );
}

function categoryLabel(category) {
  return el("span", { class: "chip" }, dot(categoryColor(category)), categoryName(category));
}
