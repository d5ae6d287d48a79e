// --- numbers as the page stores them -------------------------------------------------------------------
const unpack = (text, Kind) => new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const unpackScores = (stored) => (stored.w ? unpack(stored.w, Float64Array) : unpack(stored.s, Float32Array));
const short = (value) => {
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : "\u2212\u221e";
  return String(Number(value.toPrecision(5))).replace("-", "\u2212");
};

// --- score plots: which pair is a dot? -------------------------------------------------------------------
const SVG = "http://www.w3.org/2000/svg";
const positions = (path) => {
  const x = [], y = [];
  let px = 0, py = 0;
  for (const [, dx, dy] of path.getAttribute("d").matchAll(/m(-?\d+)\s?(-?\d+)h0/g)) {
    px += Number(dx); py += Number(dy);
    x.push(px); y.push(py);
  }
  return { x, y };
};
const ringIn = (field) => {
  const ring = document.createElement("div");
  ring.className = "ring";
  ring.hidden = true;
  field.append(ring);
  return ring;
};
const plots = $$(".field[data-plot]").map((field) => {
  const stored = data.plots[field.dataset.plot];
  const rows = $$(".row:not(.axis, .heads)", field).map((element, index) => ({ element, svg: $("svg", element), dots: $("path.dot", element), stored: stored[index] }));
  rows.forEach((row) => {
    // Read only when somebody points at a plot: most are never touched.
    row.places = () => (row.at ??= row.dots ? positions(row.dots) : { x: [], y: [] });
    row.pairs = () => (row.p ??= unpack(row.stored.p, Uint16Array));
    row.scores = () => (row.s ??= unpackScores(row.stored));
    row.names = (dot) => [data.models[row.pairs()[2 * dot]], data.models[row.pairs()[2 * dot + 1]]];
    row.says = (dot) => (row.stored.m ? "derived: " + row.stored.m[(row.k ??= unpack(row.stored.k, Uint16Array))[dot]] : row.stored.says);
  });
  return { field, rows, ring: ringIn(field), row: -1, dot: -1 };
});
let again = null;  // shows once more what was reached by key
const showDot = (plot, r, d, keyed) => {
  const row = plot.rows[r], place = row.places(), box = row.svg.getBoundingClientRect(), home = plot.field.getBoundingClientRect();
  const x = box.left + (place.x[d] / data.width) * box.width, y = box.top + place.y[d];
  const [a, b] = row.names(d), score = short(row.scores()[d]);
  Object.assign(plot, { row: r, dot: d });
  again = keyed ? () => showDot(plot, r, d, true) : null;
  plot.ring.hidden = false;
  plot.ring.style.left = x - home.left + "px";
  plot.ring.style.top = y - home.top + "px";
  tip.show(x, y, [["score", score], ["model", a], ["model", b], ["kind", row.says(d)]]);
  if (keyed) live.textContent = `${score}: ${a} and ${b}, ${row.says(d)}`;
};
const hide = () => { again = null; tip.hide(); $$(".ring").forEach((ring) => { ring.hidden = true; }); };
const nearestDot = (plot, event, reach) => {
  let best = null;
  plot.rows.forEach((row, r) => {
    const box = row.svg.getBoundingClientRect();
    if (event.clientY < box.top - reach || event.clientY > box.bottom + reach) return;
    const place = row.places(), perUnit = box.width / data.width;
    for (let d = 0; d < place.x.length; d += 1) {
      const dx = box.left + place.x[d] * perUnit - event.clientX, dy = box.top + place.y[d] - event.clientY;
      const far = dx * dx + dy * dy;
      if (far <= reach * reach && (!best || far < best.far)) best = { r, d, far };
    }
  });
  return best;
};
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], Home: [-1e9, 0], End: [1e9, 0] };
const within = (value, n) => Math.min(Math.max(value, 0), n - 1);
plots.forEach((plot) => {
  const point = (event) => {
    const hit = nearestDot(plot, event, event.pointerType === "touch" ? 24 : 12);
    if (hit) showDot(plot, hit.r, hit.d, false); else hide();
  };
  plot.field.addEventListener("pointermove", point);
  plot.field.addEventListener("pointerdown", point);
  plot.field.addEventListener("pointerleave", hide);
  plot.field.addEventListener("blur", hide);
  plot.field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return; }
    const filled = plot.rows.map((row, index) => (row.places().x.length ? index : -1)).filter((index) => index >= 0);
    const step = STEPS[event.key];
    if (!step || !filled.length) return;
    event.preventDefault();
    if (plot.row < 0) { showDot(plot, filled[0], plot.rows[filled[0]].places().x.length - 1, true); return; }
    let r = plot.row, d = plot.dot;
    if (step[1]) {
      const here = plot.rows[r].places().x[d];
      r = filled[within(filled.indexOf(r) + step[1], filled.length)];
      const xs = plot.rows[r].places().x;
      d = xs.reduce((near, x, index) => (Math.abs(x - here) < Math.abs(xs[near] - here) ? index : near), 0);
    } else {
      d = within(d + step[0], plot.rows[r].places().x.length);
    }
    showDot(plot, r, d, true);
  });
});

// --- drawings with two axes: curves say their values, dots their pairs -----------------------------------
const NORMAL_CDF = (z) => { // Abramowitz & Stegun 7.1.26; good to 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(z) / Math.SQRT2);
  const erf = 1 - t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-z * z / 2);
  return z < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
};
const probit = (p) => { // by halving: four digits are more than a pointer can tell
  let low = -8, high = 8;
  for (let i = 0; i < 40; i += 1) { const middle = (low + high) / 2; if (NORMAL_CDF(middle) < p) low = middle; else high = middle; }
  return low;
};
const BEND = { linear: [(v) => v, (v) => v], log: [Math.log10, (v) => 10 ** v], probit: [probit, NORMAL_CDF] };
const axis = (text) => {
  const [kind, low, high, start, length, ...label] = text.split(" ");
  const [bend, back] = BEND[kind], from = bend(Number(low)), to = bend(Number(high));
  return { label: label.join(" "), value: (place) => back(from + ((place - Number(start)) / Number(length)) * (to - from)) };
};
const scoredAt = (anchor, threshold) => { // the pair whose score a threshold is, where its dot is drawn
  const plot = plots.find((one) => one.field.dataset.plot === anchor);
  for (const row of plot ? plot.rows : []) {
    const scores = row.dots ? row.scores() : [];
    for (let d = 0; d < scores.length; d += 1) {
      if (Math.abs(scores[d] - threshold) <= 1e-6 * Math.max(Math.abs(threshold), 1e-6)) return row.names(d);
    }
  }
  return null;
};
const readPanel = (field) => {
  const svg = $("svg.panel", field), x = axis(svg.dataset.x), y = axis(svg.dataset.y), lines = [];
  $$("path.line[data-label]", svg).forEach((path) => {
    const at = path.dataset.at ? path.dataset.at.split(" ") : [];
    const places = Array.from(path.getAttribute("d").matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g), ([, px, py], index) => {
      const says = [["score", path.dataset.label]];
      if (field.dataset.of) says.unshift(["kind", field.dataset.of]);
      says.push(["kind", `${x.label} ${short(Number(x.value(Number(px)).toPrecision(3)))}`], ["kind", `${y.label} ${short(Number(y.value(Number(py)).toPrecision(3)))}`]);
      return { x: Number(px), y: Number(py), says, at: at[index] };
    });
    lines.push(places);
  });
  const dots = $("path.dot", svg), stored = data.decays[field.dataset.decay];
  if (dots && stored) {
    const texts = unpack(stored.d, Uint16Array), scores = unpackScores(stored);
    lines.push(Array.from(dots.getAttribute("d").matchAll(/M([\d.]+) ([\d.]+)h0/g), ([, px, py], index) => {
      const [a, b, how] = data.texts[texts[index]].split("|");
      return { x: Number(px), y: Number(py), says: [["score", short(scores[index])], ["model", a], ["model", b], ["kind", how]] };
    }));
  }
  return { svg, lines, line: -1, place: -1 };
};
$$(".pointed").forEach((field) => {
  let read = null;
  const ring = ringIn(field);
  const panel = () => (read ??= readPanel(field));
  const show = (l, p, keyed) => {
    const one = panel(), spot = one.lines[l][p], box = one.svg.getBoundingClientRect(), home = field.getBoundingClientRect();
    const zoom = box.width / one.svg.viewBox.baseVal.width, x = box.left + spot.x * zoom, y = box.top + spot.y * zoom;
    Object.assign(one, { line: l, place: p });
    again = keyed ? () => show(l, p, true) : null;
    ring.hidden = false;
    ring.style.left = x - home.left + "px";
    ring.style.top = y - home.top + "px";
    if (spot.at !== undefined && !spot.named) {
      const threshold = Number(spot.at), pair = scoredAt(field.closest(".metric")?.id, threshold);
      spot.says.push(["kind", `threshold ${short(threshold)}${pair ? ", the score of" : ""}`], ...(pair ?? []).map((name) => ["model", name]));
      spot.named = true;
    }
    tip.show(x, y, spot.says);
    if (keyed) live.textContent = spot.says.map(([, text]) => text).join(", ");
  };
  const point = (event) => {
    const one = panel(), box = one.svg.getBoundingClientRect(), zoom = box.width / one.svg.viewBox.baseVal.width;
    const reach = event.pointerType === "touch" ? 28 : 16;
    let best = null;
    one.lines.forEach((places, l) => places.forEach((spot, p) => {
      const far = Math.hypot(box.left + spot.x * zoom - event.clientX, box.top + spot.y * zoom - event.clientY);
      if (far <= reach && (!best || far < best.far)) best = { l, p, far };
    }));
    if (best) show(best.l, best.p, false); else hide();
  };
  field.addEventListener("pointermove", point);
  field.addEventListener("pointerdown", point);
  field.addEventListener("pointerleave", hide);
  field.addEventListener("blur", hide);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return; }
    const step = STEPS[event.key], one = panel();
    if (!step || !one.lines.length) return;
    event.preventDefault();
    if (one.line < 0) { show(0, 0, true); return; }
    const l = within(one.line + step[1], one.lines.length);
    show(l, within(one.place + step[0], one.lines[l].length), true);
  });
});

// --- spots: metrics in the drawing of shape and descent ----------------------------------------------------
$$("[data-tip]").forEach((spot) => {
  const show = () => {
    const box = $("circle", spot).getBoundingClientRect(), [name, ...more] = spot.dataset.tip.split("|");
    tip.show(box.left + box.width / 2, box.top + box.height / 2, [["score", name], ...more.map((text) => ["kind", text])]);
  };
  spot.addEventListener("pointerenter", show);
  spot.addEventListener("focus", () => { show(); again = show; });
  ["pointerleave", "blur"].forEach((kind) => spot.addEventListener(kind, hide));
});

// A tip stands still on the screen: it goes when the page moves under a pointer, and follows a dot reached by key.
window.addEventListener("scroll", () => { if (again) again(); else hide(); }, { passive: true });

// --- find a model: its pairs stand out in every plot -------------------------------------------------------
$("#find").addEventListener("input", (event) => {
  const word = event.target.value.trim().toLowerCase();
  const wanted = new Set(data.models.flatMap((name, index) => (word && name.toLowerCase().includes(word) ? [index] : [])));
  plots.forEach((plot) => {
    plot.field.classList.toggle("searching", word !== "");
    plot.rows.forEach((row) => {
      $$("path.found", row.svg).forEach((path) => path.remove());
      if (!wanted.size || !row.dots) return;
      const place = row.places(), pairs = row.pairs();
      const d = place.x.map((x, i) => (wanted.has(pairs[2 * i]) || wanted.has(pairs[2 * i + 1]) ? `M${x} ${place.y[i]}h0` : "")).join("");
      if (!d) return;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.setAttribute("class", row.dots.getAttribute("class").replace("dot", "found"));
      path.setAttribute("stroke-width", String(Number(row.dots.getAttribute("stroke-width")) + 1));
      row.svg.append(path);
    });
  });
  live.textContent = word ? `${wanted.size} models match` : "";
});
