// One unit: its activations, and every range with its formula, metrics and images.

const SHOWS = {
  top: ["Top", "Images with most hits; of the highest range, those with the highest activation"],
  sample: ["Sample", "Random sample of the images with a higher IoU than the explanation"],
  misses: ["Misses", "Images with most hits outside the formula"],
  "false-alarms": ["False alarms", "Images with most pixels of the formula that are not hits"],
};
const OVERLAYS = { both: "Overlay", original: "Original", hits: "Hits only" };

const unitView = {
  unit: null,
  show: Object.keys(SHOWS).find((kind) => run.pictures.shows.includes(kind)),
  overlay: "both",

  async render(view, unit) {
    this.unit = unit;
    const own = rowsByUnit.get(unit);
    view.replaceChildren(this.head(unit));
    if (!own) {
      view.append(el("p", { class: "note" }, `There is no unit ${unit} in this report.`));
      return;
    }
    const loading = withPictures.has(unit) && el("p", { class: "dim" }, "Loading …");
    if (loading) view.append(loading);
    const part = await partOf(unit);
    if (this.unit !== unit) return;
    if (loading) loading.remove();
    if (withPictures.has(unit) && !part) {
      view.append(el("p", { class: "note" }, `data/unit-${unit}.js is not beside this page.`));
    }
    if (part && part.histogram) view.append(histogram(part.histogram, own));
    if (part && part.ranges.length) view.append(this.toolbar(view));
    for (const row of [...own].reverse()) view.append(this.card(row, part));
    this.fill(view);
  },

  head(unit) {
    const order = this.order(unit);
    const at = order.indexOf(unit);
    const link = (to, text, label) =>
      to === undefined
        ? el("span", { class: "dim" }, text)
        : el("a", { href: `#unit-${to}`, "aria-label": `${label} ${to}` }, text);
    return el(
      "div",
      { class: "unithead" },
      el("p", { class: "back" }, el("a", { href: "#ranges" }, "← All ranges")),
      el("h2", { tabindex: -1 }, `Unit ${unit}`),
      el(
        "p",
        { class: "steps" },
        link(order[at - 1], "‹ previous", "Previous unit, number"),
        el("span", { class: "dim" }, at < 0 ? "" : `${at + 1} of ${order.length}`),
        link(order[at + 1], "next ›", "Next unit, number"),
      ),
    );
  },

  order(unit) {
    const order = ranges.order();
    return order.includes(unit) ? order : allUnits;
  },

  step(by) {
    const order = this.order(this.unit);
    const next = order[order.indexOf(this.unit) + by];
    if (next !== undefined) window.location.hash = `unit-${next}`;
  },

  toolbar(view) {
    const kinds = Object.entries(SHOWS)
      .filter(([kind]) => run.pictures.shows.includes(kind))
      .map(([kind, texts]) => [kind, ...texts]);
    const again = () => this.fill(view);
    return el(
      "div",
      { class: "toolbar" },
      kinds.length > 1
        ? choices("Images", kinds, this.show, (kind) => {
            this.show = kind;
            again();
          })
        : kinds.map(([, name, about]) => el("span", { class: "only", title: about }, name)),
      choices("Overlay", Object.entries(OVERLAYS), this.overlay, (overlay) => {
        this.overlay = overlay;
        again();
      }),
      el(
        "p",
        { class: "legend" },
        el("span", { class: "hits", "--color": rgb(run.pictures.colors.hits, 1) }, "hits"),
        el(
          "span",
          { class: "tint", "--color": rgb(run.pictures.colors.formula, 1) },
          "formula holds",
        ),
      ),
    );
  },

  card(row, part) {
    const { record } = row;
    const seen = part && part.ranges.find((range) => range.cluster === row.cluster);
    if (row.cluster === null) {
      return el("p", { class: "note" }, "This unit never fires on these images.");
    }
    return el(
      "article",
      {
        class: "range",
        "--color": rangeColor(row.cluster, record.num_ranges),
        "data-cluster": row.cluster,
      },
      el(
        "header",
        null,
        el(
          "p",
          { class: "kicker" },
          `Range ${row.cluster}`,
          el("span", { class: "dim" }, ` (of 0 to ${record.num_ranges - 1}) · ${rangeText(record.range)} · `),
          el("span", { class: "dim" }, count(record.hits, "hit", "hits")),
        ),
        el("h3", null, row.formula === null ? formulaCell(row) : linked(row.formula)),
      ),
      row.iou !== null && verdict(row),
      el(
        "div",
        { class: "columns" },
        growth(record.by_length),
        metricList(row),
        others(record),
      ),
      seen && el("div", { class: "panels", "data-cluster": row.cluster }),
    );
  },

  // Fills every range with the chosen kind of images and overlay.
  fill(view) {
    const part = parts.get(this.unit);
    for (const panels of view.querySelectorAll(".panels")) {
      const range = part.ranges.find((each) => String(each.cluster) === panels.dataset.cluster);
      const images = range.shows[this.show] || [];
      panels.replaceChildren(
        ...images.map((image) => panel(part, range, image, this.overlay)),
        ...(images.length ? [] : [el("p", { class: "dim" }, nothing(this.show))]),
      );
    }
  },
};

const linked = (text) => formulaElement(text, { links: true });

function nothing(show) {
  return show === "sample"
    ? "No image has a higher IoU than the explanation."
    : "There is no such image.";
}

function choices(name, options, chosen, onchoice) {
  const group = `choice-${name}`;
  return el(
    "fieldset",
    { class: "choices" },
    el("legend", { class: "unseen" }, name),
    options.map(([value, text, about]) =>
      el(
        "label",
        { title: about },
        el("input", {
          type: "radio",
          name: group,
          value,
          checked: value === chosen,
          onchange: () => onchoice(value),
        }),
        el("span", null, text),
      ),
    ),
  );
}

function verdict(row) {
  const proof = row.proven ? "proven over the search space" : `not proven: ${boundText(row)}`;
  return el(
    "p",
    { class: "verdict" },
    el("span", { class: "big" }, fixed(row.iou)),
    el("span", { class: "dim" }, "IoU"),
    meter(row.iou),
    row.proven !== null && el("span", { class: "proof", title: proofText(row) }, proof),
    typeof row.record.held_out_iou === "number" &&
      el("span", { class: "proof" }, `held-out IoU ${fixed(row.record.held_out_iou)}`),
  );
}

function growth(levels) {
  const good = (Array.isArray(levels) ? levels : []).filter(
    (level) => level && typeof level.formula === "string" && typeof level.iou === "number",
  );
  if (!good.length) return null;
  const highest = Math.max(...good.map((level) => level.iou), 1e-9);
  return el(
    "section",
    { class: "growth" },
    el("h4", null, "By length"),
    el(
      "ol",
      null,
      good.map((level, at) =>
        el(
          "li",
          null,
          el("span", { class: "figure" }, fixed(level.iou)),
          meter(level.iou, highest),
          at > 0 && level.formula === good[at - 1].formula
            ? el("span", { class: "dim" }, `no higher IoU with ${level.length}`)
            : linked(level.formula),
        ),
      ),
    ),
  );
}

function metricList(row) {
  const { metrics } = row;
  const repeats = (key) => key === "iou" && Math.abs(metrics.iou - row.iou) < 1e-9;
  const shown = run.metrics.filter(({ key }) => typeof metrics[key] === "number" && !repeats(key));
  if (!shown.length) return null;
  return el(
    "section",
    { class: "metrics" },
    el("h4", null, "Metrics"),
    el(
      "dl",
      null,
      shown.map(({ key, title, description, decimals }) =>
        el(
          "div",
          { title: description },
          el("dt", null, key === "iou" ? `${title}, all images` : title),
          el("dd", null, fixed(metrics[key], decimals)),
        ),
      ),
    ),
  );
}

function others(record) {
  const list = (key) => (Array.isArray(record[key]) ? record[key] : []);
  const texts = (some) => some.filter((each) => each && typeof each.formula === "string");
  const tied = texts(list("tied")).filter((each) => each.formula !== record.formula);
  const near = texts(list("near"));
  if (!tied.length && !near.length) return null;
  const item = (each, sign) =>
    el(
      "li",
      null,
      el("span", { class: "figure" }, `${sign} ${fixed(each.iou ?? record.iou)}`),
      linked(each.formula),
    );
  const more = record.more_near || 0;
  return el(
    "section",
    { class: "others" },
    el("h4", null, "Formulas with the same or nearly the same score"),
    el(
      "ul",
      null,
      tied.map((each) => item(each, "=")),
      near.map((each) => item(each, "≈")),
      more > 0 && el("li", { class: "dim" }, `and ${whole(more)} more`),
    ),
  );
}
