// Formulas as elements: concepts underlined in the color of their category.

const WORD = /"(?:[^"\\]|\\.)*"|[^\s()"]+/gs;
const OPERATORS = new Set(["AND", "OR", "NOT"]);

// With ``kept``, other concepts add less and are dimmed.
function formulaElement(text, { links = false, kept = null } = {}) {
  const element = el("span", { class: "formula", dir: "ltr" });
  if (text === null || text === undefined) {
    element.append(MISSING);
    return element;
  }
  let last = 0;
  for (const found of text.matchAll(WORD)) {
    if (found.index > last) element.append(text.slice(last, found.index));
    element.append(wordElement(found[0], links, kept));
    last = found.index + found[0].length;
  }
  element.append(text.slice(last));
  return element;
}

function wordElement(word, links, kept) {
  if (OPERATORS.has(word)) return el("span", { class: "operator" }, word);
  const concept = conceptByText.get(word);
  if (!concept) return el("bdi", { class: "concept" }, word);
  const name = concept.short === concept.name ? word : concept.short;
  const dimmed = kept && !kept.has(concept.number);
  const shown = {
    class: ["concept", name.length > 24 && "long", dimmed && "less"].filter(Boolean).join(" "),
    "--color": categoryColor(concept.category),
    title: concept.category || null,
    "data-concept": concept.number,
  };
  return links
    ? el("a", { ...shown, href: `#concept-${concept.number}` }, el("bdi", null, name))
    : el("bdi", shown, name);
}

function formulaOf(row, links = false) {
  if (row.cluster === null) return el("span", { class: "dim" }, "never fires");
  if (row.shown.formula === null) {
    const why = row.record.skipped ? "holds zero, skipped" : "no concept meets this range";
    return el("span", { class: "dim" }, why);
  }
  return [
    formulaElement(row.shown.formula, { links, kept: row.shown === row.stored ? row.kept : null }),
    row.common &&
      el("span", { class: "tag", title: "A common formula of the untrained network" }, "untrained too"),
  ];
}

function rangeChip(row) {
  if (row.cluster === null) return MISSING;
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
