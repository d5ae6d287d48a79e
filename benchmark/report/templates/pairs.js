// --- one pair under every metric, and the pairs of one derivation method: views with an address of their own -----
const view = $("#view"), PAIR = "#pair/", PAIRS = "#pairs/", MOST = 500;
const addressOf = (a, b) => PAIR + [a, b].map(encodeURIComponent).join("/");
const element = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);
const link = (text, href) => element("a", text, { href });
let found = null;  // for every pair, in either order, what each metric drew of it
const ofPair = (a, b) => {
  if (!found) {
    found = new Map();
    plots.forEach((plot) => plot.rows.forEach((row) => row.scores().forEach((score, dot) => {
      const key = Array.from(row.pairs().slice(2 * dot, 2 * dot + 2)).sort((x, y) => x - y).join();
      if (!found.has(key)) found.set(key, new Map());
      found.get(key).set(plot.field.dataset.plot, { score, says: row.says(dot) });
    })));
  }
  return found.get([a, b].map((name) => data.models.indexOf(name)).sort((x, y) => x - y).join()) ?? new Map();
};
const table = (heads, rows) => {
  const made = element("table", "", { className: "plain" }), head = made.createTHead().insertRow(), body = made.createTBody();
  head.append(...heads.map((text) => element("th", text, { scope: "col" })));
  rows.forEach((cells) => body.insertRow().append(...cells.map((cell, index) => {
    const box = document.createElement(index ? "td" : "th");
    if (!index) box.scope = "row"; else box.className = "num";
    box.append(cell);
    return box;
  })));
  return made;
};
const showPair = (a, b) => {
  const scores = ofPair(a, b);
  const rows = Object.entries(data.calls).filter(([anchor]) => scores.has(anchor)).map(([anchor, [name, threshold, origin]]) => {
    const { score } = scores.get(anchor);
    const called = threshold === null ? "no threshold" : score >= threshold ? "called derived" : "not called";
    return [link(name, "#" + anchor), short(score), threshold === null ? "\u2014" : `${short(threshold)} ${origin}`, called];
  });
  const left = Object.keys(data.calls).length - rows.length;
  const relation = scores.size ? scores.values().next().value.says : "not drawn on this page";
  return [
    element("h2", `${a} and ${b}`),
    element("p", `Relation by the catalog: ${relation}.`),
    table(["Metric", "Score", "Threshold", "Call"], rows),
    element("p", left ? `${left} of ${left + rows.length} metrics have no score for this pair, or draw a sample that leaves it out; every score is in scores.parquet.` : "", { className: "key" }),
    element("p", "Weigh this pair: ", { className: "key" }),
    element("code", `lookalike compare ${a} ${b} --calibration RUN`),
  ];
};
const showPairs = (anchor, method) => {
  const plot = plots.find((one) => one.field.dataset.plot === anchor), [name, threshold] = data.calls[anchor] ?? [anchor, null];
  // A method stands in one row, whose dots go by rising score.
  const pairs = (plot ? plot.rows : []).flatMap((row) => Array.from(row.scores(), (score, dot) => ({ score, row, dot })))
    .filter(({ row, dot }) => row.says(dot) === `derived: ${method}`);
  const missed = threshold === null ? "" : `; ${pairs.filter(({ score }) => score < threshold).length} below the threshold ${short(threshold)}`;
  return [
    element("h2", `${method} under ${name}`),
    element("p", `${pairs.length} derived pairs with a score, lowest first${missed}. ${pairs.length > MOST ? `The first ${MOST}:` : ""}`),
    table(["Pair", "Score"], pairs.slice(0, MOST).map(({ score, row, dot }) => {
      const [a, b] = row.names(dot);
      return [link(`${a} and ${b}`, addressOf(a, b)), short(score)];
    })),
  ];
};
const route = () => {
  const kind = [PAIR, PAIRS].find((start) => location.hash.startsWith(start));
  if (!kind) { if (view.open) view.close(); return; }
  const parts = location.hash.slice(kind.length).split("/").map(decodeURIComponent);
  const close = element("button", "Close", { type: "button", className: "close" });
  close.addEventListener("click", () => view.close());
  view.replaceChildren(close, ...(kind === PAIR ? showPair : showPairs)(...parts));
  if (!view.open) view.showModal();
  view.scrollTop = 0;
};
view.addEventListener("close", () => {
  if ([PAIR, PAIRS].some((start) => location.hash.startsWith(start))) history.pushState(null, "", location.pathname + location.search);
});
window.addEventListener("hashchange", route);
plots.forEach((plot) => {
  const open = () => {
    if (plot.row < 0 || plot.ring.hidden) return;
    const [a, b] = plot.rows[plot.row].names(plot.dot);
    hide();
    location.hash = addressOf(a, b);
  };
  plot.field.addEventListener("click", open);
  plot.field.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
});
$$("#survival-table tr[data-row] td[class^=s]").forEach((cell) => {
  const row = cell.parentElement, heads = $("#survival-table thead tr").cells;
  cell.addEventListener("click", () => {
    const anchor = $("a", heads[cell.cellIndex]).hash.slice(1);
    location.hash = PAIRS + [anchor, row.cells[0].textContent].map(encodeURIComponent).join("/");
  });
});
route();
