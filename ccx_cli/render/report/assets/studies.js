// What was found of the run as a whole: plots, as wide as the window allows, and tables of studies.

const plotWidth = () => Math.min(760, document.documentElement.clientWidth - 32);

function histogram(found, own) {
  const { lower, upper, counts, zeros } = found;
  const width = plotWidth();
  const [left, base] = [2, 110];
  const across = (value) => left + ((value - lower) / (upper - lower || 1)) * (width - 2 * left);
  const most = Math.log1p(Math.max(...counts));
  const step = (width - 2 * left) / counts.length;
  const bars = counts.map((n, at) => {
    const edge = (bin) => lower + (bin / counts.length) * (upper - lower);
    const within = mostOf(edge(at), edge(at + 1), own);
    const tall = n ? Math.max(1.5, (Math.log1p(n) / most) * (base - 6)) : 0;
    return svg("rect", {
      x: left + at * step + 0.5,
      y: base - tall,
      width: step - 1,
      height: tall,
      "--fill": within ? rangeColor(within.cluster, within.record.num_ranges) : "var(--line)",
    });
  });
  const bands = own
    .filter(({ record }) => record.range)
    .map(({ record, cluster }) => {
      const from = across(Math.max(lower, record.range[0] ?? lower));
      const to = across(Math.min(upper, record.range[1] ?? upper));
      const wide = Math.max(2, to - from - 1);
      return [
        svg("rect", {
          x: from,
          y: base + 4,
          width: wide,
          height: 5,
          rx: 2,
          "--fill": rangeColor(cluster, record.num_ranges),
        }),
        wide > 14 && svg("text", { x: from + wide / 2, y: base + 22, class: "middle" }, String(cluster)),
      ];
    });
  const ends = [
    svg("text", { x: left, y: base + 38 }, short(lower)),
    svg("text", { x: width - left, y: base + 38, class: "last" }, short(upper)),
    svg("text", { x: width / 2, y: base + 38, class: "middle" }, "activation"),
  ];
  const label = `Histogram of activations from ${short(lower)} to ${short(upper)}`;
  return el(
    "figure",
    { class: "plot" },
    svg("svg", { width, viewBox: `0 0 ${width} ${base + 44}`, role: "img", "aria-label": label }, bars, bands, ends),
    el(
      "figcaption",
      { class: "dim" },
      "The unit's activations, colored by range, on a logarithmic scale. ",
      zeros > 0 && `Zeros (${percent(zeros)}) are left out.`,
    ),
  );
}

// The row whose range covers most of a bar; none if most of it is in no range.
function mostOf(from, to, own) {
  let [best, most, outside] = [null, 0, to - from];
  for (const row of own) {
    if (!row.record.range) continue;
    const [low, high] = row.record.range;
    const taken = Math.max(0, Math.min(to, high ?? to) - Math.max(from, low ?? from));
    outside -= taken;
    if (taken > most) [best, most] = [row, taken];
  }
  return most >= outside ? best : null;
}

const MOST_LINES = 12;

const studies = {
  render(view) {
    view.append(
      el("h2", { class: "unseen", tabindex: -1 }, "Studies"),
      explained.length ? iouPlot() : el("p", { class: "note" }, "No range has a formula."),
      explained.length ? categoryPlot() : "",
      ...run.sections.map(section),
      el(
        "p",
        { class: "dim" },
        "What ccx analyze, stability, importance, ablate, roles and metrics --null find of this run is shown here in a report made afterwards.",
      ),
    );
  },
};

// A table of a study; a long one is shown in part first.
function section({ title, about, head, lines }) {
  const drawn = (some) => plainTable(head, some.map((line) => line.map(studyCell)));
  const part = el("div", null, drawn(lines.slice(0, MOST_LINES)));
  const all = () => part.replaceChildren(drawn(lines));
  return el(
    "section",
    { class: "plot" },
    el("h3", null, title),
    el("p", { class: "dim" }, about),
    part,
    lines.length > MOST_LINES &&
      el("button", { type: "button", onclick: (event) => (all(), event.target.remove()) }, `All ${whole(lines.length)}`),
  );
}

function studyCell(value) {
  if (typeof value === "string") return value;
  if ("unit" in value) return el("a", { href: `#unit-${value.unit}` }, String(value.unit));
  return linked(value.formula);
}

// One row per range: the distribution of the IoU, and its median.
function iouPlot() {
  const bins = 40;
  const limit = Math.max(0.05, Math.ceil(highestIou * 20) / 20);
  const [width, left, tall, gap] = [plotWidth(), 104, 46, 14];
  const across = (value) => left + (value / limit) * (width - left - 12);
  const table = [["range", "explanations", "lowest", "median", "highest"]];
  const highestFirst = [...rangeNumbers].reverse();
  const drawn = highestFirst.map((number, at) => {
    const own = explained.filter((row) => row.cluster === number);
    const base = (at + 1) * (tall + gap);
    const ious = own.map((row) => row.simplest.iou);
    const counts = new Array(bins).fill(0);
    for (const iou of ious) counts[Math.min(bins - 1, Math.floor((iou / limit) * bins))] += 1;
    const most = Math.max(...counts, 1);
    const corner = (n, x) => `${across((x / bins) * limit)},${base - (n / most) * tall}`;
    const outline = counts.flatMap((n, x) => [corner(n, x), corner(n, x + 1)]);
    const middle = median(ious);
    table.push([
      String(number),
      whole(own.length),
      iouText(own.length ? Math.min(...ious) : null),
      iouText(middle),
      iouText(own.length ? Math.max(...ious) : null),
    ]);
    return [
      svg("polygon", {
        points: [`${left},${base}`, ...outline, `${across(limit)},${base}`].join(" "),
        "--fill": rangeColor(number, rangeNumbers.length),
      }),
      svg("line", { class: "axis", x1: left, x2: across(limit), y1: base, y2: base }),
      svg("text", { x: 0, y: base - tall / 2, class: "strong" }, `Range ${number}`),
      middle !== null && [
        svg("text", { x: 0, y: base - tall / 2 + 16 }, `median ${iouText(middle)}`),
        svg("line", {
          class: "median",
          x1: across(middle),
          x2: across(middle),
          y1: base - tall - 3,
          y2: base + 3,
        }),
      ],
    ];
  });
  const bottom = rangeNumbers.length * (tall + gap);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    svg("text", { x: across(part * limit), y: bottom + 20, class: "middle" }, short(part * limit)),
  );
  return plotFigure(
    "How well the ranges are explained",
    "Distribution of the IoU of each range, scaled to its highest bar; the line marks the median.",
    svg(
      "svg",
      { width, viewBox: `0 0 ${width} ${bottom + 26}`, role: "img", "aria-label": "IoU by range" },
      drawn,
      ticks,
    ),
    table,
  );
}

// One bar per range: the categories of the concepts in formulas.
function categoryPlot() {
  const [width, left, tall, gap] = [plotWidth(), 104, 26, 12];
  const table = [["range", ...categories.map(categoryName)]];
  const drawn = [...rangeNumbers].reverse().map((range, at) => {
    const counts = new Map(categories.map((category) => [category, 0]));
    for (const row of explained.filter((each) => each.cluster === range)) {
      for (const number of row.simplest.asked) {
        const { category } = conceptByNumber.get(number);
        counts.set(category, counts.get(category) + 1);
      }
    }
    const total = [...counts.values()].reduce((a, b) => a + b, 0) || 1;
    table.push([String(range), ...categories.map((each) => percent(counts.get(each) / total))]);
    const y = at * (tall + gap);
    let x = left;
    const bars = categories.map((category) => {
      const wide = (counts.get(category) / total) * (width - left);
      const share = percent(counts.get(category) / total);
      const bar = [
        svg(
          "rect",
          { x, y, width: Math.max(0, wide - 1.5), height: tall, "--fill": categoryColor(category) },
          svg("title", null, `${categoryName(category)}: ${share}`),
        ),
        wide > 44 && svg("text", { x: x + wide / 2, y: y + 17, class: "middle on" }, share),
      ];
      x += wide;
      return bar;
    });
    return [svg("text", { x: 0, y: y + 17, class: "strong" }, `Range ${range}`), bars];
  });
  return plotFigure(
    "Categories of the concepts",
    "Shares of the concepts in the formulas of each range; those under NOT are left out.",
    svg(
      "svg",
      {
        width,
        viewBox: `0 0 ${width} ${rangeNumbers.length * (tall + gap)}`,
        role: "img",
        "aria-label": "Categories by range",
      },
      drawn,
    ),
    table,
    el("p", { class: "legend" }, categories.map(categoryLabel)),
  );
}

function plotFigure(title, about, drawing, [head, ...lines], legend = null) {
  return el(
    "figure",
    { class: "plot" },
    el("h3", null, title),
    el("p", { class: "dim" }, about),
    legend,
    el("div", { class: "scroll" }, drawing),
    el(
      "details",
      null,
      el("summary", null, "As a table"),
      plainTable(head, lines),
    ),
  );
}

// Columns of words are aligned to the left, of numbers to the right.
function plainTable(head, lines) {
  const isText = head.map((_, at) => lines.some((line) => /\p{L}/u.test(line[at].textContent ?? line[at])));
  const cells = (tag, texts, attributes) =>
    texts.map((text, at) => el(tag, { ...attributes, class: isText[at] ? "text" : null }, text));
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "plain" },
      el("thead", null, el("tr", null, cells("th", head, { scope: "col" }))),
      el("tbody", null, lines.map((line) => el("tr", null, cells("td", line)))),
    ),
  );
}
