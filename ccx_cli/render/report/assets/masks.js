// Masks, decoded and drawn over a picture.

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

const rgb = (color, alpha) => `rgba(${color.join(",")},${alpha})`;

// "both" outlines the hits, dims the rest and hatches the formula; "hits" blacks out the rest.
// The wider a picture is shown, the finer its lines.
function drawMasks(canvas, masks, overlay, shownWidth) {
  const [height, width] = run.pictures.shape;
  const scale = Math.max(1, Math.round(448 / width));
  canvas.width = width * scale;
  canvas.height = height * scale;
  if (overlay === "original") return;
  const pen = canvas.getContext("2d");
  const hits = maskOf(masks.hits, width * height);
  const outside = runsOf(hits, 0, width, height, scale);
  if (overlay === "hits") {
    pen.fill(outside);
    return;
  }
  const line = (width * scale) / shownWidth;
  const formula = maskOf(masks.formula, width * height);
  const { colors } = run.pictures;
  pen.fillStyle = rgb([0, 0, 0], 0.38);
  pen.fill(outside);
  hatch(pen, runsOf(formula, 1, width, height, scale), colors.formula, line);
  const stroke = (edges, color, thickness) => {
    pen.strokeStyle = color;
    pen.lineWidth = thickness * line;
    pen.lineCap = "square";
    pen.stroke(edges);
  };
  stroke(edgesOf(formula, width, height, scale), rgb(colors.formula, 1), 1);
  const edges = edgesOf(hits, width, height, scale);
  // A picture that consists of hits is framed: otherwise it would look like one without hits.
  if (hits.every(Boolean)) edges.rect(line, line, canvas.width - 2 * line, canvas.height - 2 * line);
  stroke(edges, rgb([20, 20, 20], 0.6), 3);
  stroke(edges, rgb(colors.hits, 1), 1.6);
}

function hatch(pen, area, color, line) {
  const { width, height } = pen.canvas;
  pen.save();
  pen.clip(area);
  pen.fillStyle = rgb(color, 0.08);
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = rgb(color, 0.55);
  pen.lineWidth = 1.2 * line;
  pen.beginPath();
  for (let at = 0; at < width + height; at += 8 * line) {
    pen.moveTo(at, 0);
    pen.lineTo(at - height, height);
  }
  pen.stroke();
  pen.restore();
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
