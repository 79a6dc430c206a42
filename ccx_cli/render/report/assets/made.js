// How the run was made, and what can be exported.

const SESSION_KEYS = ["started", "finished", "units", "command"];

const made = {
  render(view) {
    view.append(
      el("h2", { class: "unseen", tabindex: -1 }, "How it was made"),
      block("Run", definitions({ name: run.name, ...run.about })),
      block("What the results depend on", definitions(run.identity)),
      block("Sessions", run.sessions.map(session)),
      references(),
      block(
        "Export",
        el("p", null, "Everything on this page except the pictures."),
        el(
          "p",
          null,
          el("button", { type: "button", onclick: () => save("json") }, "JSON"),
          " ",
          el("button", { type: "button", onclick: () => save("csv") }, "CSV of the table"),
        ),
      ),
      block("Keyboard shortcuts", shortcuts()),
    );
  },
};

function block(title, ...content) {
  return el("section", { class: "block" }, el("h3", null, title), ...content);
}

function definitions(values) {
  return el(
    "dl",
    { class: "definitions" },
    flat(values).map(([name, value]) =>
      el("div", null, el("dt", null, name), el("dd", null, el("bdi", null, value))),
    ),
  );
}

// Nested values with their paths; null and what is empty are left out.
function flat(values, path = []) {
  return Object.entries(values).flatMap(([key, value]) => {
    const here = [...path, key.replaceAll("_", " ")];
    if (value === null || value === undefined || value.length === 0) return [];
    if (typeof value === "object" && !Array.isArray(value)) return flat(value, here);
    const text = Array.isArray(value) ? value.map(plain).join(", ") : plain(value);
    return [[here.join(" › "), text]];
  });
}

function plain(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function session(one, at) {
  const versions = Object.entries(one)
    .filter(([key, value]) => !SESSION_KEYS.includes(key) && typeof value === "string")
    .map(([key, value]) => `${key === "program" ? "ccx" : key} ${value}`);
  const ended = one.finished ? `to ${one.finished}` : "not finished";
  return el(
    "div",
    { class: "session" },
    el(
      "p",
      null,
      `${at + 1}. ${one.started || "?"} ${ended}`,
      typeof one.units === "number" && ` · ${count(one.units, "unit", "units")}`,
    ),
    one.command && el("pre", { tabindex: 0 }, plain(one.command)),
    versions.length > 0 && el("p", { class: "dim" }, versions.join(" · ")),
  );
}

function references() {
  if (!run.references.length) return null;
  return block(
    "Please cite",
    el("ol", { class: "references" }, run.references.map((each) => el("li", null, each.text))),
    el(
      "details",
      null,
      el("summary", null, "BibTeX"),
      el("pre", { tabindex: 0 }, run.references.map((each) => each.bibtex).join("\n\n")),
    ),
  );
}

function shortcuts() {
  const listed = [
    ["/", "filter"],
    ["j, k", "next and previous row; in a unit, next and previous unit"],
    ["←, →", "in a unit, previous and next unit; in a large picture, previous and next picture"],
    ["Enter", "open"],
    ["u", "back to the list"],
    ["t", "light, dark or system theme"],
  ];
  return el(
    "dl",
    { class: "definitions" },
    listed.map(([key, what]) =>
      el("div", null, el("dt", null, el("kbd", null, key)), el("dd", null, what)),
    ),
  );
}
