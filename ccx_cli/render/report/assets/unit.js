// One unit: its sentence, its images range by range, each with formula and metrics, and activations.

const SHOWS = {
  top: ["Top", "Images with most hits; of the highest range, those with the highest activation"],
  sample: ["Sample", "Random sample of the images with a higher IoU than the explanation"],
  misses: ["Misses", "Images with most hits outside the formula"],
  "false-alarms": ["False alarms", "Images with most pixels of the formula that are not hits"],
};

const unitView = {
  unit: null,
  show: Object.keys(SHOWS).find((kind) => run.pictures.shows.includes(kind)),

  async render(view, unit) {
    this.unit = unit;
    const own = rowsByUnit.get(unit);
    const name = `unit-${unit}`;
    view.replaceChildren(this.head(view, unit));
    if (!own) {
      view.append(el("p", { class: "note" }, `There is no unit ${unit} in this report.`));
      return;
    }
    view.append(
      el("p", { class: "sentence" }, el("bdi", null, run.sentences[unit])),
      run.roles[unit] ? el("p", { class: "dim" }, `Contributes to ${run.roles[unit]}.`) : "",
    );
    const loading = withParts.has(name) && el("p", { class: "dim" }, "Loading …");
    if (loading) view.append(loading);
    const part = await partOf(name);
    if (this.unit !== unit) return;
    if (loading) loading.remove();
    if (withParts.has(name) && !part) {
      view.append(el("p", { class: "note" }, `data/${name}.js is not beside this page.`));
    }
    const ranged = own.filter((row) => row.cluster !== null);
    view.append(...ranged.reverse().map((row) => this.card(row, part)));
    if (part && part.histogram) view.append(histogram(part.histogram, own));
    this.part = part;
    this.fill(view);
  },

  head(view, unit) {
    const order = unitOrder().includes(unit) ? unitOrder() : allUnits;
    const at = order.indexOf(unit);
    const link = (to, text, label) =>
      to === undefined
        ? el("span", { class: "dim" }, text)
        : el("a", { href: `#unit-${to}`, "aria-label": `${label} ${to}` }, text);
    return el(
      "div",
      { class: "unithead" },
      el(
        "div",
        { class: "bar" },
        el("h2", { tabindex: -1 }, `Unit ${unit}`),
        el(
          "p",
          { class: "steps" },
          link(order[at - 1], "‹ previous", "Previous unit, number"),
          el("span", { class: "dim" }, at < 0 ? "" : `${at + 1} of ${order.length}`),
          link(order[at + 1], "next ›", "Next unit, number"),
        ),
      ),
      withParts.has(`unit-${unit}`) && this.toolbar(view),
    );
  },

  step(by) {
    const order = unitOrder().includes(this.unit) ? unitOrder() : allUnits;
    const next = order[order.indexOf(this.unit) + by];
    if (next !== undefined) window.location.hash = `unit-${next}`;
  },

  toolbar(view) {
    const kinds = Object.entries(SHOWS)
      .filter(([kind]) => run.pictures.shows.includes(kind))
      .map(([kind, texts]) => [kind, ...texts]);
    return el(
      "div",
      { class: "toolbar" },
      kinds.length > 1
        ? choices("Images", "images", kinds, this.show, (kind) => {
            this.show = kind;
            this.fill(view);
          })
        : kinds.map(([, name, about]) => el("span", { class: "only", title: about }, name)),
      overlays("overlay", overlay, (chosen) => {
        overlay = chosen;
        this.fill(view);
      }),
      legend(),
    );
  },

  card(row, part) {
    const { record } = row;
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
          el("strong", null, `Range ${row.cluster}`),
          ` (of 0 to ${record.num_ranges - 1}) · activation ${rangeText(record.range)} · `,
          count(record.hits, "hit", "hits"),
        ),
        el("h3", null, formulaOf(row, true)),
      ),
      part && el("div", { class: "shots" }),
      row.shown.iou !== null && verdict(row),
      el("div", { class: "columns" }, growth(row), metricList(row), others(record)),
    );
  },

  // Fills every range with the chosen kind of images and overlay.
  fill(view) {
    for (const shots of view.querySelectorAll(".shots")) {
      const { cluster } = shots.closest("article").dataset;
      const row = rowsByUnit.get(this.unit).find((each) => String(each.cluster) === cluster);
      const kind = this.show;
      shotsOf(this.part, row, kind).then((found) => {
        if (kind === this.show) shots.replaceChildren(panels(found, shotCaption, nothing(kind)));
      });
    }
  },
};

const linked = (text) => formulaElement(text, { links: true });
const shotCaption = (shot) => `IoU ${iouText(overlapOf(shot).iou)}`;

function nothing(show) {
  return show === "sample"
    ? "No image has a higher IoU than the explanation."
    : "There is no such image.";
}

function verdict(row) {
  const { mcc, iou, lift, pearson } = row.shown;
  const proof = row.proven ? "proven" : `not proven: ${boundText(row)}`;
  const simpler = row.shown !== row.stored;
  return el(
    "div",
    { class: "verdict" },
    el("span", null, el("span", { class: "big" }, mccText(mcc)), " MCC "),
    meter(mcc, highestMcc),
    el("span", null, el("span", { class: "big" }, iouText(iou)), " IoU"),
    typeof lift === "number" && el("span", { class: "dim" }, `${liftText(lift)} chance`),
    typeof pearson === "number" &&
      el(
        "span",
        { class: "dim", title: "Correlation of the activation and the formula, pixel by pixel" },
        `Pearson ${mccText(pearson)}`,
      ),
    row.proven !== null && !simpler && el("span", { class: "proof", title: proofText(row) }, proof),
    typeof row.record.held_out_iou === "number" &&
      el("span", { class: "proof" }, `held-out IoU ${iouText(row.record.held_out_iou)}`),
    simpler &&
      el(
        "details",
        { class: "stored" },
        el("summary", null, "within 1% of the stored formula"),
        el("p", null, formulaElement(row.stored.formula, { links: true, kept: row.kept })),
        el(
          "p",
          { class: "dim" },
          `MCC ${mccText(row.stored.mcc)}, IoU ${iouText(row.stored.iou)}`,
          row.proven !== null && `, ${proof}`,
        ),
      ),
  );
}

function growth({ record }) {
  const levels = record.by_length;
  const highest = Math.max(...levels.map((level) => level.iou), 1e-9);
  if (!levels.length) return null;
  return el(
    "section",
    { class: "growth" },
    el("h4", null, "By length"),
    el(
      "ol",
      null,
      levels.map((level, at) =>
        el(
          "li",
          null,
          el("span", { class: "figure" }, iouText(level.iou)),
          meter(level.iou, highest),
          at > 0 && level.formula === levels[at - 1].formula
            ? el("span", { class: "dim" }, `nothing better with ${level.length}`)
            : linked(level.formula),
        ),
      ),
    ),
  );
}

function metricList(row) {
  const { metrics, record } = row;
  const repeats = (key) => typeof record[key] === "number" && Math.abs(metrics[key] - record[key]) < 1e-9;
  const shown = run.metrics.filter(({ key }) => typeof metrics[key] === "number" && !repeats(key));
  if (!shown.length) return null;
  return el(
    "section",
    { class: "metrics" },
    el("h4", null, row.shown === row.stored ? "Metrics" : "Metrics of the stored formula"),
    el(
      "dl",
      null,
      shown.map((metric) =>
        el(
          "div",
          { title: metric.description },
          el("dt", null, metric.key in record ? `${metric.title}, all images` : metric.title),
          el("dd", null, metricText(metric, metrics[metric.key])),
        ),
      ),
    ),
  );
}

function others(record) {
  const tied = (record.tied || []).filter((each) => each.formula !== record.formula);
  const near = record.near || [];
  if (!tied.length && !near.length) return null;
  const item = (each, sign) =>
    el("li", null, el("span", { class: "figure" }, `${sign} ${iouText(each.iou)}`), linked(each.formula));
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
