// Lists: rows that are sorted and filtered by a state, which the address holds, and ways to show them.

const CHUNK = 40;
const lists = {};
const feeds = [];

class List {
  // columns: name, title, value(row) to sort by, cell(row), right, wide (only where there is room),
  // largest (sorted in descending order first). fits(row, state) tells which rows pass.
  constructor(all, columns, state, fits) {
    Object.assign(this, { all, columns, fits, state, first: { ...state }, views: [], shown: all });
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.update();
    writeAddress();
  }

  // Takes the state that an address has; what it lacks is as at first.
  read(text) {
    const given = Object.fromEntries(new URLSearchParams(text));
    for (const key of Object.keys(this.first)) this.state[key] = given[key] ?? this.first[key];
    this.update();
  }

  get address() {
    const changed = Object.entries(this.state).filter(([key, value]) => value !== this.first[key]);
    return changed.length ? `?${new URLSearchParams(changed)}` : "";
  }

  // The column that is sorted by, and whether in descending order.
  get sorting() {
    const descending = this.state.sort.startsWith("-");
    const name = this.state.sort.slice(descending ? 1 : 0);
    return { column: this.columns.find((each) => each.name === name) || this.columns[0], descending };
  }

  update() {
    const { column, descending } = this.sorting;
    const ordered = sorted(this.all, column.value, descending);
    this.shown = ordered.filter((row) => this.fits(row, this.state));
    for (const view of this.views) view();
  }

  sortBy(column) {
    const { sort } = this.state;
    const down = sort === column.name || (column.largest && sort !== `-${column.name}`);
    this.set({ sort: `${down ? "-" : ""}${column.name}` });
  }
}

// Rows without a value come last either way; ties keep their order.
function sorted(list, value, descending) {
  const collator = new Intl.Collator("en", { numeric: true });
  const sign = descending ? -1 : 1;
  const keyed = list.map((row) => [value(row), row]);
  const missing = (key) => key === null || key === undefined || key === "";
  keyed.sort(([a], [b]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
  });
  return keyed.map(([, row]) => row);
}

// Makes elements of items as they come near the window; says so where there are none.
function feed(container, make, items, none) {
  const end = el("div", { class: "end" });
  const nothing = el("div", { class: "nothing" });
  let left = [];
  let made = 0;
  const more = (amount) => {
    container.append(...left.splice(0, amount).map((item) => make(item, (made += 1))));
    end.hidden = !left.length;
  };
  const start = () => {
    left = [...items()];
    made = 0;
    container.replaceChildren();
    nothing.replaceChildren(...(left.length ? [] : [none()]));
    more(CHUNK);
  };
  new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && more(CHUNK), {
    rootMargin: "1200px",
  }).observe(end);
  feeds.push(() => container.isConnected && !container.closest("[hidden]") && more(Infinity));
  start();
  return { start, after: [end, nothing] };
}

function table(caption, list, open) {
  const heads = list.columns.map((column) =>
    el(
      "th",
      { scope: "col", role: "columnheader", class: classes(column) },
      column.title === null
        ? el("span", { class: "unseen" }, "Picture")
        : el("button", { type: "button", title: column.about, onclick: () => list.sortBy(column) }, column.title),
    ),
  );
  const body = el("tbody", { role: "rowgroup" });
  const element = el(
    "table",
    { class: list.columns === RANGE_COLUMNS ? "records ranged" : "records", role: "table" },
    el("caption", { class: "unseen" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    body,
  );
  const row = (item, number) =>
    opens(
      el(
        "tr",
        { role: "row", "aria-rowindex": number + 1 },
        list.columns.map((column) =>
          el("td", { role: "cell", class: classes(column) }, column.cell(item)),
        ),
      ),
      () => open(item),
    );
  const rows = feed(body, row, () => list.shown, () => noneOf(list));
  const update = () => {
    const { column, descending } = list.sorting;
    const direction = descending ? "descending" : "ascending";
    list.columns.forEach((each, at) => {
      if (each.title !== null) heads[at].setAttribute("aria-sort", each === column ? direction : "none");
    });
    element.setAttribute("aria-rowcount", list.shown.length + 1);
  };
  list.views.push(() => (update(), rows.start()));
  update();
  return el("div", { class: "table" }, element, rows.after);
}

function classes(column) {
  return [`c-${column.name}`, column.right && "right", column.wide && "wide"].filter(Boolean).join(" ");
}

// An element that leads somewhere, wherever it is clicked.
function opens(element, address) {
  element.classList.add("opens");
  element.addEventListener("click", (event) => {
    if (!event.target.closest("a, button") && !String(window.getSelection())) {
      window.location.hash = address();
    }
  });
  return element;
}

function noneOf(list) {
  const clear = () => {
    list.read("");
    writeAddress();
  };
  return el(
    "p",
    { class: "note" },
    list.address ? "Nothing matches the filter. " : "There is nothing to list.",
    list.address && el("button", { type: "button", onclick: clear }, "Clear the filter"),
  );
}

// Moves the focus by a number of rows.
function stepFocus(view, by) {
  const links = [...view.querySelectorAll("a.open")];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// The controls of a list's state: each has the name of what it sets.
function filterForm(list, controls, ...rest) {
  const form = el(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    controls,
    ...rest,
  );
  form.addEventListener("input", ({ target }) => list.set({ [target.name]: valueOf(target) }));
  const update = () => {
    for (const control of form.querySelectorAll("[name]")) {
      const value = list.state[control.name];
      if (control.type === "checkbox") control.checked = value === "1";
      else if (control.name === "sort") control.value = wayOf(list.sorting.column);
      else if (control.value !== value) control.value = value;
    }
  };
  list.views.push(update);
  update();
  return form;
}

const wayOf = ({ name, largest }) => `${largest ? "-" : ""}${name}`;
const valueOf = (control) => (control.type === "checkbox" ? (control.checked ? "1" : "") : control.value);

function searchField(placeholder, id = null) {
  const attributes = { type: "search", name: "text", autocomplete: "off", spellcheck: "false" };
  return el("label", { class: "grow" }, "Filter ", el("input", { ...attributes, id, placeholder }));
}

function select(title, name, options) {
  return el(
    "label",
    null,
    `${title} `,
    el("select", { name }, options.map(([value, text]) => el("option", { value }, text))),
  );
}

const termsOf = ({ text }) => text.toLowerCase().split(/\s+/).filter(Boolean);
