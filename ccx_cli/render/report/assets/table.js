// A sortable table that makes its rows as they come near the window, and the form that filters it.

const CHUNK = 40;

class SortableTable {
  // columns: title, value(row) to sort by, cell(row), right, wide (only where there is room),
  // largest (sorted in descending order first)
  constructor(caption, columns, all, { open, sort = columns[0], descending = false }) {
    this.columns = columns;
    this.all = all;
    this.open = open;
    this.fits = () => true;
    this.shown = [];
    this.rendered = 0;
    this.sort = sort;
    this.descending = descending;
    this.heads = columns.map((column) => this.head(column));
    this.body = el("tbody", { role: "rowgroup" });
    const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, this.heads));
    this.table = el(
      "table",
      { class: "records", role: "table" },
      el("caption", { class: "unseen" }, caption),
      head,
      this.body,
    );
    this.end = el("div", { class: "end" });
    this.element = el("div", { class: "table" }, this.table, this.end);
    new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.more(), {
      rootMargin: "1200px",
    }).observe(this.end);
    window.addEventListener("beforeprint", () => this.more(Infinity));
    this.order();
  }

  head(column) {
    const button = el(
      "button",
      { type: "button", title: column.about, onclick: () => this.sortBy(column) },
      column.title,
    );
    return el("th", { scope: "col", role: "columnheader", class: classes(column) }, button);
  }

  sortBy(column) {
    this.descending = this.sort === column ? !this.descending : Boolean(column.largest);
    this.sort = column;
    this.order();
  }

  order() {
    this.ordered = sorted(this.all, this.sort.value, this.descending);
    this.columns.forEach((column, at) => {
      const direction = this.descending ? "descending" : "ascending";
      this.heads[at].setAttribute("aria-sort", column === this.sort ? direction : "none");
    });
    this.filter(this.fits);
  }

  filter(fits) {
    this.fits = fits;
    this.shown = this.ordered.filter(fits);
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    this.body.replaceChildren();
    this.rendered = 0;
    this.more();
  }

  more(amount = CHUNK) {
    const some = this.shown.slice(this.rendered, this.rendered + amount);
    this.body.append(...some.map((row, at) => this.row(row, this.rendered + at + 2)));
    this.rendered += some.length;
    this.end.hidden = this.rendered >= this.shown.length;
  }

  row(row, number) {
    const cells = this.columns.map((column) =>
      el(
        "td",
        { role: "cell", class: classes(column), "data-title": column.title },
        column.cell(row),
      ),
    );
    const open = this.open;
    const opened = (event) => {
      if (!event.target.closest("a, button") && !String(window.getSelection())) {
        window.location.hash = open(row);
      }
    };
    return el(
      "tr",
      { role: "row", "aria-rowindex": number, class: "opens", onclick: opened },
      cells,
    );
  }

  // Moves the focus by a number of rows.
  step(by) {
    const links = [...this.body.querySelectorAll("a.open")];
    const at = links.indexOf(document.activeElement);
    const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
    if (!next) return;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

function classes(column) {
  return [`c-${column.name}`, column.right && "right", column.wide && "wide"].filter(Boolean).join(" ");
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

function filterForm(field, ...rest) {
  return el(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    el("label", { class: "grow" }, "Filter ", field),
    ...rest,
  );
}

function searchField(placeholder, oninput, id = null) {
  const attributes = { type: "search", autocomplete: "off", spellcheck: "false" };
  return el("input", { ...attributes, id, placeholder, oninput });
}

const termsOf = (field) => field.value.toLowerCase().split(/\s+/).filter(Boolean);
