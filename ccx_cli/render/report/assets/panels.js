// Pictures with the unit's hits and the formula's pixels over them.

const SMALL = 160;
const LARGE = 448;

function panel(part, range, image, look) {
  const masks = range.images[image];
  const [hits, formula, both] = masks.counts;
  const union = hits + formula - both;
  const iou = union ? both / union : 0;
  const name = part.names[image] || `image ${image}`;
  const about = `${name}: ${whole(hits)} pixels in range, ${whole(formula)} of the formula`;
  const button = el(
    "button",
    { type: "button", class: "picture", title: name },
    picture(image, masks, look, about, SMALL),
  );
  button.addEventListener("click", () => enlarge(image, masks, look, name, masks.counts, iou));
  return el(
    "figure",
    { class: "panel" },
    button,
    el("figcaption", null, el("span", { class: "dim" }, "IoU "), fixed(iou, 2)),
  );
}

function picture(image, masks, look, about, shownWidth) {
  const source = pictureSource(image);
  const canvas = el("canvas", { "aria-hidden": "true" });
  drawMasks(canvas, masks, look, shownWidth);
  return el(
    "span",
    { class: "stack" },
    source
      ? el("img", { src: source, alt: about, loading: "lazy", width: 224, height: 224 })
      : el("span", { class: "lost", role: "img", "aria-label": about }, "picture missing"),
    canvas,
  );
}

function enlarge(image, masks, look, name, [hits, formula, both], iou) {
  const dialog = byId("large");
  const place = el("div", null, picture(image, masks, look, name, LARGE));
  const relook = (chosen) => place.replaceChildren(picture(image, masks, chosen, name, LARGE));
  dialog.replaceChildren(
    place,
    el("p", null, el("bdi", null, name)),
    el(
      "p",
      { class: "dim" },
      `${whole(hits)} pixels in range, ${whole(formula)} of the formula, ${whole(both)} of both: `,
      `IoU ${fixed(iou)}`,
    ),
    el(
      "div",
      { class: "toolbar" },
      choices("Picture's look", Object.entries(LOOKS), look, relook),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
  );
  dialog.showModal();
}
