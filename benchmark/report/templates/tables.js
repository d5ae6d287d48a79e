// --- sorting: every table of class "sorts", the table of metrics, the cross tables --------------------
const words = (cell) => cell.dataset.key ?? cell.textContent.trim();
const figure = (cell) => {
  const text = words(cell).replace(/\u2212/g, "-").replace(/,/g, "");
  const found = text.match(/^[^\d.\-]*(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)/);
  return text === "" || text.startsWith("\u2014") || !found ? null : Number(found[1]);
};
const ordered = (rows, column, direction, numeric) => {
  const value = (row) => (numeric ? figure(row.cells[column]) : words(row.cells[column]) || null);
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);  // what is undefined stands last either way
    return direction * (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  });
  return keyed.map(([, row]) => row);
};
const sortable = (table, { heads, sorted }) => {
  heads.forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    if ($("a", head)) {
      button.setAttribute("aria-label", "Sort by " + head.textContent.trim());
      head.append(button);
    } else {
      button.append(...head.childNodes);
      head.append(button);
    }
    const first = head.dataset.first === "up" ? 1 : head.dataset.first === "down" ? -1 : null;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort"), column = head.cellIndex;
      const cells = $$("tbody tr:not(.group)", table).map((row) => row.cells[column]);
      const numeric = head.dataset.sort ? head.dataset.sort === "number" : cells.filter((cell) => figure(cell) !== null).length > cells.length / 2;
      const direction = now === "ascending" ? -1 : now === "descending" ? 1 : first ?? (numeric ? -1 : 1);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      sorted(head, direction, numeric);
    });
  });
};
const matcher = (field) => {
  const parts = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  return (text) => parts.every((part) => text.toLowerCase().includes(part));
};

// --- plain tables on small screens: every figure with the head of its column ----------------------------
$$("table.plain").forEach((table) => {
  const heads = $$("thead th", table).map((head) => head.textContent.trim());
  if (heads.length < 3 || $("tbody [rowspan]", table)) return;
  table.classList.add("labelled");
  $$("tbody tr", table).forEach((row) => Array.from(row.cells).forEach((cell, index) => {
    if (cell.tagName === "TD" && cell.colSpan === 1) cell.dataset.label = heads[index];
  }));
});

// --- plain tables: sort by any column; those with many rows also filter --------------------------------
$$("table.sorts").forEach((table) => {
  const body = $("tbody", table), heads = $$("thead th", table);
  if (body.rows.length < 2) return;
  sortable(table, {
    heads,
    sorted: (head, direction, numeric) => body.append(...ordered(Array.from(body.rows), head.cellIndex, direction, numeric)),
  });
  if (body.rows.length < 15) return;
  const bar = document.createElement("div"), label = document.createElement("label"), field = document.createElement("input"), shown = document.createElement("span");
  bar.className = "toolbar";
  field.type = "search";
  field.placeholder = "any word";
  shown.setAttribute("role", "status");
  label.append("Filter ", field);
  bar.append(label, shown);
  table.parentElement.before(bar);
  field.addEventListener("input", () => {
    const fits = matcher(field);
    let visible = 0;
    Array.from(body.rows).forEach((row) => {
      row.hidden = !fits(row.textContent);
      visible += row.hidden ? 0 : 1;
    });
    shown.textContent = field.value.trim() ? `${visible} of ${body.rows.length}` : "";
  });
});

// --- the table of metrics ------------------------------------------------------------------------------
{
  const table = $("#metric-table"), body = $("tbody", table), heads = $$("th[data-sort]", table), select = $("#metric-sort");
  $("#metric-tools").hidden = false;
  sortable(table, {
    heads,
    sorted: (head, direction, numeric) => {
      body.append(...ordered(Array.from(body.rows), head.cellIndex, direction, numeric));
      select.value = String(head.cellIndex);
    },
  });
  heads.forEach((head) => select.add(new Option(head.textContent.trim(), String(head.cellIndex))));
  select.addEventListener("change", () => {
    const head = heads.find((item) => String(item.cellIndex) === select.value);
    head.removeAttribute("aria-sort");
    $("button", head).click();
  });
  heads[1].setAttribute("aria-sort", "ascending");  // the page is written best verdict first
  select.value = "1";
  const filter = $("#metric-filter"), shown = $("#metric-shown");
  filter.addEventListener("input", () => {
    const fits = matcher(filter);
    let visible = 0;
    Array.from(body.rows).forEach((row) => {
      row.hidden = !fits(row.cells[0].textContent + " " + row.cells[1].textContent);
      visible += row.hidden ? 0 : 1;
    });
    shown.textContent = filter.value.trim() ? `${visible} of ${body.rows.length}` : "";
  });
}

// --- cross tables: another figure, fewer rows, fewer columns, another order --------------------------
$$("table[data-cross]").forEach((table) => {
  const stored = data.cross[table.dataset.cross], box = table.parentElement, bar = box.previousElementSibling;
  const legends = $$("[data-legend]", box.nextElementSibling), buttons = $$("[data-show]", bar), bodies = $$("tbody", table);
  const rows = $$("tr[data-row]", table), heads = Array.from($("thead tr", table).cells), FIRST = 2;
  // The table shows its first figure; the others wait in the data.
  const shownFirst = rows.map((row) => Array.from(row.cells).slice(FIRST).map((cell) => `${cell.firstChild.textContent}|${$("i", cell)?.textContent ?? ""}|${cell.className.slice(1)}`));
  const figures = [shownFirst, ...stored.figures].map((all) => all.map((row) => row.map((cell) => cell.split("|"))));
  let now = 0;
  bar.hidden = false;
  const home = rows.map((row) => row.parentElement);
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (!button) return;
    now = Number(button.dataset.show);
    buttons.forEach((item) => item.setAttribute("aria-pressed", String(item === button)));
    legends.forEach((legend) => { legend.hidden = legend.dataset.legend !== button.dataset.show; });
    $("caption", table).textContent = button.textContent + ", with its interval.";
    rows.forEach((row) => figures[now][Number(row.dataset.row)].forEach(([text, ends, shade], column) => {
      const cell = row.cells[column + FIRST];
      cell.className = "s" + shade;
      cell.textContent = text;
      if (ends) cell.append(Object.assign(document.createElement("i"), { textContent: ends }));
    }));
    const sorted = $("[aria-sort]", table);
    if (sorted) { // the order follows the figure that is shown
      const direction = sorted.getAttribute("aria-sort");
      sorted.setAttribute("aria-sort", direction === "ascending" ? "descending" : "ascending");
      $("button", sorted).click();
    }
  });
  sortable(table, {
    heads,
    sorted: (head, direction, numeric) => {
      const grouped = head.cellIndex === 0 && direction > 0;
      $$("tr.group", table).forEach((row) => { row.hidden = !grouped; });
      if (grouped) rows.forEach((row, index) => home[index].append(row));
      else bodies[0].append(...ordered(rows, head.cellIndex, direction, numeric));
      table.classList.toggle("flat", !grouped);
    },
  });
  heads[0].setAttribute("aria-sort", "ascending");
  const [byRow, byColumn] = [$("[data-rows]", bar), $("[data-columns]", bar)], shown = $(".shown", bar);
  const group = new Map(rows.map((row) => [row, $("tr.group", row.parentElement)?.textContent ?? ""]));
  // Where the screen has no room for a matrix, it shows one metric at a time.
  const narrow = matchMedia("screen and (max-width: 56rem)"), one = $("[data-one]", bar);
  heads.slice(FIRST).forEach((head, index) => one.add(new Option(head.textContent.trim(), String(index + FIRST))));
  const apply = () => {
    const fitsRow = matcher(byRow), fitsColumn = matcher(byColumn);
    const wide = heads.map((head, index) => index < FIRST || (narrow.matches ? one.value === String(index) : fitsColumn(head.textContent)));
    let visible = 0;
    rows.forEach((row) => {
      row.hidden = !fitsRow(group.get(row) + " " + row.cells[0].textContent);
      visible += row.hidden ? 0 : 1;
    });
    [$("thead tr", table), ...rows].forEach((row) => Array.from(row.cells).forEach((cell, index) => { cell.hidden = !wide[index]; }));
    bodies.forEach((body) => {
      const title = $("tr.group", body);
      if (title) title.hidden = table.classList.contains("flat") || $$("tr[data-row]", body).every((row) => row.hidden);
    });
    const n = wide.filter(Boolean).length - FIRST;
    shown.textContent = byRow.value.trim() || byColumn.value.trim() ? `${visible} of ${rows.length} rows, ${n} of ${heads.length - FIRST} metrics` : "";
  };
  [byRow, byColumn, one].forEach((field) => field.addEventListener("input", apply));
  narrow.addEventListener("change", apply);
  if (narrow.matches) apply();
  table.addEventListener("pointermove", (event) => {
    const cell = event.target.closest("td[class^=s]"), row = cell && cell.closest("tr[data-row]");
    if (!row) { tip.hide(); return; }
    const column = cell.cellIndex - FIRST, r = Number(row.dataset.row), at = cell.getBoundingClientRect();
    const lines = [["score", heads[cell.cellIndex].textContent.trim()], ["model", row.cells[0].textContent]];
    figures.forEach((all, index) => {
      const [text, ends] = all[r][column];
      lines.push(["kind", `${buttons[index].textContent}: ${text} ${ends}`]);
    });
    const [pairs, lineages] = stored.notes[r][column].split("|");
    lines.push(["kind", lineages ? `${pairs} pairs of ${lineages} lineages` : "no pair has a score"]);
    tip.show(at.left + at.width / 2, at.top, lines);
  });
  table.addEventListener("pointerleave", () => tip.hide());
});
