// Pictures with the hits of a unit and the edge of a formula, small, large and in a row.
// A shot is one: an image, the pixels of its concepts, its hits, and the row or labels that it shows.

const OVERLAYS = { both: "Overlay", original: "Original", hits: "Hits only" };
const SMALL = 220;
const LARGE = 512;
const redraws = new WeakMap();
let overlay = "both";

const rangeOf = (part, row) => part && part.ranges.find((each) => each.cluster === row.cluster);

async function shotOf(image, more) {
  const found = await partOf(`image-${image}`);
  return { image, name: `image ${image}`, concepts: {}, ...found, ...more };
}

const shotOfRow = (part, row, image) =>
  shotOf(image, { row, hits: rangeOf(part, row).hits[image], peak: part.peaks[image] });

function shotsOf(part, row, kind) {
  const range = rangeOf(part, row);
  return Promise.all(((range && range.shows[kind]) || []).map((image) => shotOfRow(part, row, image)));
}

function picture(shot, shownWidth, as = overlay) {
  const { name } = shot;
  const canvas = el("canvas", { "aria-hidden": "true" });
  const image = el("img", { alt: name, width: 224, height: 224 });
  const stack = el("span", { class: "stack" }, image, canvas);
  const draw = (concept) => drawMasks(canvas, shot, as, shownWidth, concept);
  draw(null);
  redraws.set(stack, draw);
  pictureSource(shot.image).then((source) => {
    if (source) image.src = source;
    else image.replaceWith(el("span", { class: "lost", role: "img", "aria-label": name }, "picture missing"));
  });
  return stack;
}

// What is made only when it comes near the window, or is printed.
const waiting = new Map();
const near = new IntersectionObserver(
  (seen) => seen.filter((each) => each.isIntersecting).forEach(({ target }) => arrive(target)),
  { rootMargin: "600px" },
);

function arrive(element) {
  const make = waiting.get(element);
  near.unobserve(element);
  waiting.delete(element);
  if (make) make();
}

function whenNear(element, make) {
  waiting.set(element, make);
  near.observe(element);
  return element;
}

// What is printed is made at once: the rows first, then their pictures.
window.addEventListener("beforeprint", () => {
  for (const finish of feeds) finish();
  for (const element of [...waiting.keys()]) {
    if (!element.isConnected) waiting.delete(element);
    else if (!element.closest("[hidden]")) arrive(element);
  }
});

function thumbnail(row, shownWidth) {
  const frame = el("span", { class: "thumbnail" });
  if (!withParts.has(`unit-${row.unit}`)) return frame;
  return whenNear(frame, async () => {
    const part = await partOf(`unit-${row.unit}`);
    const range = rangeOf(part, row);
    if (!range || range.best === null) return;
    frame.append(picture(await shotOfRow(part, row, range.best), shownWidth, "both"));
  });
}

// A row of pictures that open large; without any, a sentence.
function panels(shots, caption, none) {
  return el(
    "div",
    { class: "panels" },
    shots.map((shot, at) =>
      el(
        "figure",
        { class: "panel" },
        el(
          "button",
          { type: "button", class: "picture", "aria-haspopup": "dialog", onclick: () => enlarge(shots, at, caption) },
          picture(shot, SMALL),
        ),
        el("figcaption", null, caption(shot)),
      ),
    ),
    !shots.length && el("p", { class: "dim" }, none),
  );
}

// Shows one picture of a row large, with those before and after it at hand.
function enlarge(shots, at, caption, as = overlay) {
  const dialog = byId("large");
  const shot = shots[at];
  const { name, row } = shot;
  const frame = el("div", { class: "frame" });
  const redraw = () => frame.replaceChildren(picture(shot, LARGE, as));
  const step = (by, text, key) =>
    el(
      "button",
      {
        type: "button",
        "data-key": key,
        disabled: !shots[at + by],
        onclick: () => {
          enlarge(shots, at + by, caption, as);
          const next = dialog.querySelector(`[data-key=${key}]`);
          (next.disabled ? dialog.querySelector("[data-key]:enabled") || dialog : next).focus();
        },
      },
      text,
    );
  redraw();
  const facts = row ? overlapFacts(shot) : caption(shot);
  dialog.replaceChildren(
    frame,
    el("p", { class: "about" }, row ? [el("strong", null, `Unit ${row.unit}`), `, range ${row.cluster}: `, formulaOf(row)] : conceptName(shot.labels)),
    el("p", { class: "dim" }, facts),
    el("p", { class: "dim" }, el("bdi", null, name)),
    el(
      "div",
      { class: "toolbar" },
      step(-1, "‹ Previous", "ArrowLeft"),
      el("span", { class: "dim", "aria-live": "polite" }, `${at + 1} of ${shots.length}`),
      step(1, "Next ›", "ArrowRight"),
      overlays("large", as, (chosen) => {
        as = chosen;
        redraw();
      }),
      el("button", { type: "button", class: "close", onclick: () => dialog.close() }, "Close"),
    ),
  );
  if (!dialog.open) dialog.showModal();
}

function overlapFacts(shot) {
  const { hits, formula, both, iou } = overlapOf(shot);
  return (
    `peak activation ${short(shot.peak)} · IoU ${iouText(iou)}: ${whole(both)} of ` +
    `${count(hits, "hit", "hits")} are on the formula's ${count(formula, "pixel", "pixels")}`
  );
}

function conceptName(number) {
  const { name, short: shown } = conceptByNumber.get(number);
  return el("bdi", { title: name }, shown);
}

const overlays = (name, chosen, onchoice) =>
  choices("Overlay", name, Object.entries(OVERLAYS), chosen, onchoice);

function choices(title, name, options, chosen, onchoice) {
  return el(
    "fieldset",
    { class: "choices" },
    el("legend", { class: "unseen" }, title),
    options.map(([value, text, about]) =>
      el(
        "label",
        { title: about },
        el("input", {
          type: "radio",
          name: `choice-${name}`,
          value,
          checked: value === chosen,
          onchange: () => onchoice(value),
        }),
        el("span", null, text),
      ),
    ),
  );
}

function legend() {
  return el(
    "p",
    { class: "legend" },
    el("span", { class: "hits" }, "hits in true color"),
    el("span", { class: "edge" }, "edge of the formula"),
  );
}

// A concept that is pointed at, or has the focus, shows its pixels in the pictures around it.
let pointed = null;

function point({ target }) {
  const word = target instanceof Element ? target.closest("[data-concept]") : null;
  if (word === pointed) return;
  const draw = (from, concept) => {
    const scope = from.closest("article, tr, li, dialog");
    for (const stack of scope ? scope.querySelectorAll(".stack") : []) redraws.get(stack)(concept);
  };
  if (pointed) draw(pointed, null);
  pointed = word;
  if (word) draw(word, Number(word.dataset.concept));
}

for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, point);
