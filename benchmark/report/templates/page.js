const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => Array.from(root.querySelectorAll(selector));
const data = JSON.parse($("#data").textContent);
const live = $("#live");

// --- theme: system, light, dark ---------------------------------------------------------------------
{
  const theme = $("#theme"), themes = ["system", "light", "dark"];
  const show = () => { theme.textContent = "Theme: " + (document.documentElement.dataset.theme || "system"); };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "system") + 1) % 3];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    // A page opened from a file may be denied storage; the choice then lasts as long as the page.
    try { next === "system" ? localStorage.removeItem("lookalike-theme") : localStorage.setItem("lookalike-theme", next); } catch (denied) { /* as said */ }
    show();
  });
  show();
}

// --- the tip: what a pointer is near ----------------------------------------------------------------
const tip = {
  element: $("#tip"),
  show(x, y, lines) {
    this.element.replaceChildren(...lines.map(([kind, text]) => {
      const line = document.createElement("div");
      line.className = "tip-" + kind;
      line.textContent = text;
      return line;
    }));
    this.element.hidden = false;
    const size = this.element.getBoundingClientRect();
    this.element.style.left = Math.min(Math.max(8, x - size.width / 2), document.documentElement.clientWidth - size.width - 8) + "px";
    this.element.style.top = (y - size.height - 14 > 8 ? y - size.height - 14 : y + 16) + "px";
  },
  hide() { this.element.hidden = true; },
};

// --- anchors inside closed parts ----------------------------------------------------------------------
{
  const open = () => {
    let element = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
  };
  window.addEventListener("hashchange", open);
  open();
}
