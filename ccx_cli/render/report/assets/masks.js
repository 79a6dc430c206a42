// Masks: decoded, combined and drawn over a picture.

function maskOf(text, size) {
  const bytes = Uint8Array.from(atob(text.slice(1)), (letter) => letter.charCodeAt(0));
  const mask = new Uint8Array(size);
  if (text[0] === "b") {
    for (let at = 0; at < size; at += 1) mask[at] = (bytes[at >> 3] >> (7 - (at & 7))) & 1;
    return mask;
  }
  let at = 0;
  let inside = 0;
  let length = 0;
  let shift = 0;
  for (const byte of bytes) {
    length |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      if (inside) mask.fill(1, at, at + length);
      at += length;
      inside = 1 - inside;
      length = 0;
      shift = 0;
    }
  }
  return mask;
}

// Where a formula holds, from the masks of its concepts.
function holds(labels, masks, size) {
  if (typeof labels === "number") {
    return masks[labels] ? maskOf(masks[labels], size) : new Uint8Array(size);
  }
  const [operator, ...operands] = labels;
  const [first, second] = operands.map((operand) => holds(operand, masks, size));
  if (operator === "NOT") return first.map((value) => 1 - value);
  return first.map((value, at) => (operator === "OR" ? value | second[at] : value & second[at]));
}

// The hits of a shot, and where its formula holds; null where it has none.
function masksOf({ concepts, hits, row, labels }) {
  const size = run.pictures.shape[0] * run.pictures.shape[1];
  const asked = row ? row.shown.labels : labels;
  return {
    hits: hits ? maskOf(hits, size) : null,
    formula: asked === null ? null : holds(asked, concepts, size),
  };
}

function overlapOf(shot) {
  const { hits, formula } = masksOf(shot);
  const found = { hits: 0, formula: 0, both: 0 };
  hits.forEach((hit, at) => {
    const is = formula ? formula[at] : 0;
    found.hits += hit;
    found.formula += is;
    found.both += hit & is;
  });
  const union = found.hits + found.formula - found.both;
  return { ...found, iou: union ? found.both / union : 0 };
}

// Shows hits in true color, the rest dimmed, and the formula by its edge, as ccx_cli/render/overlay.py
// does; "hits" blacks out the rest. A concept that is pointed at takes the place of both. The wider a
// picture is shown, the finer its lines.
function drawMasks(canvas, shot, overlay, shownWidth, concept) {
  const [height, width] = run.pictures.shape;
  const scale = Math.max(1, Math.round((2 * shownWidth) / width));
  canvas.width = width * scale;
  canvas.height = height * scale;
  if (overlay === "original" && concept === null) return;
  const pen = canvas.getContext("2d");
  const masks = concept === null ? masksOf(shot) : masksOf({ ...shot, hits: null, row: null, labels: concept });
  const bright = masks.hits || masks.formula;
  if (bright) {
    pen.fillStyle = overlay === "hits" ? "#000" : "rgb(24 24 24 / 60%)";
    pen.fill(runsOf(bright, 0, width, height, scale));
  }
  if (!masks.formula || (overlay === "hits" && concept === null)) return;
  const fine = shownWidth > 300 ? masks.formula : smoothed(masks.formula, width, height);
  const edges = edgesOf(fine, width, height, scale);
  const line = (canvas.width / shownWidth) * (shownWidth > 150 ? 1.6 : 1.2);
  // A picture on all of which the formula holds is framed.
  if (masks.formula.every(Boolean)) edges.rect(line, line, canvas.width - 2 * line, canvas.height - 2 * line);
  const style = getComputedStyle(document.documentElement);
  for (const [name, thickness] of [["--halo", 2.2], ["--formula-edge", 1]]) {
    pen.strokeStyle = style.getPropertyValue(name);
    pen.lineWidth = thickness * line;
    pen.lineCap = "square";
    pen.stroke(edges);
  }
}

// What most pixels around one are: in a small picture, the edges of specks would be all that is seen.
function smoothed(mask, width, height) {
  return mask.map((_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    let [inside, seen] = [0, 0];
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row += 1) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column += 1) {
        inside += mask[row * width + column];
        seen += 1;
      }
    }
    return 2 * inside > seen ? 1 : 0;
  });
}

function runsOf(mask, value, width, height, scale) {
  const area = new Path2D();
  for (let y = 0; y < height; y += 1) {
    let start = -1;
    for (let x = 0; x <= width; x += 1) {
      const is = x < width && mask[y * width + x] === value;
      if (is && start < 0) start = x;
      if (!is && start >= 0) {
        area.rect(start * scale, y * scale, (x - start) * scale, scale);
        start = -1;
      }
    }
  }
  return area;
}

// The border between a mask and its outside; the border of the picture is not part of it.
function edgesOf(mask, width, height, scale) {
  const path = new Path2D();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (x + 1 < width && mask[at] !== mask[at + 1]) {
        path.moveTo((x + 1) * scale, y * scale);
        path.lineTo((x + 1) * scale, (y + 1) * scale);
      }
      if (y + 1 < height && mask[at] !== mask[at + width]) {
        path.moveTo(x * scale, (y + 1) * scale);
        path.lineTo((x + 1) * scale, (y + 1) * scale);
      }
    }
  }
  return path;
}
