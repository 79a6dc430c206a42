// Pictures with the hits of a unit and the pixels of a formula over them.

const SMALL = 160;
const LARGE = 448;

function panel(part, range, image, overlay) {
  const masks = range.images[image];
  const [hits, formula, both] = masks.counts;
  const union = hits + formula - both;
  const iou = union ? both / union : 0;
  const name = part.names[image] || `image ${image}`;
  const about = `${name}: ${whole(hits)} hits, ${whole(formula)} pixels of the formula`;
  const button = el(
    "button",
    { type: "button", class: "picture", title: name },
    picture(image, masks, overlay, about, SMALL),
  );
  button.addEventListener("click", () => enlarge(image, masks, overlay, name, masks.counts, iou));
  return el(
    "figure",
    { class: "panel" },
    button,
    el("figcaption", null, el("span", { class: "dim" }, "IoU "), fixed(iou)),
  );
}

function picture(image, masks, overlay, about, shownWidth) {
  const source = pictureSource(image);
  const canvas = el("canvas", { "aria-hidden": "true" });
  drawMasks(canvas, masks, overlay, shownWidth);
  return el(
    "span",
    { class: "stack" },
    source
      ? el("img", { src: source, alt: about, loading: "lazy", width: 224, height: 224 })
      : el("span", { class: "lost", role: "img", "aria-label": about }, "picture missing"),
    canvas,
  );
}

function enlarge(image, masks, overlay, name, [hits, formula, both], iou) {
  const dialog = byId("large");
  const frame = el("div", null, picture(image, masks, overlay, name, LARGE));
  const redraw = (chosen) => frame.replaceChildren(picture(image, masks, chosen, name, LARGE));
  dialog.replaceChildren(
    frame,
    el("p", null, el("bdi", null, name)),
    el(
      "p",
      { class: "dim" },
      `${whole(hits)} hits, ${whole(formula)} pixels of the formula, ${whole(both)} in both: `,
      `IoU ${fixed(iou)}`,
    ),
    el(
      "div",
      { class: "toolbar" },
      choices("Overlay of the picture", Object.entries(OVERLAYS), overlay, redraw),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
  );
  dialog.showModal();
}
