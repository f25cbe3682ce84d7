// Candid dashboards. No inline handlers, no eval, no style attributes: runs under style-src 'self'.
(function () {
  "use strict";
  const $ = (s, r) => (r || document).querySelector(s);
  const $$ = (s, r) => Array.from((r || document).querySelectorAll(s));
  const root = document.documentElement;

  /* Figures carry colours as "var(--token)". The browser resolves them here, so one figure
     JSON serves light, dark and print, and the server never knows the theme. */
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const TOKEN = /^var\(--[\w-]+\)$/;
  let cache = new Map();
  function token(v) {
    if (!cache.has(v)) { probe.style.color = v; cache.set(v, getComputedStyle(probe).color); }
    return cache.get(v);
  }
  function resolve(x) {
    if (typeof x === "string") return TOKEN.test(x) ? token(x) : x;
    if (Array.isArray(x)) return x.map(resolve);
    if (x && typeof x === "object") { const o = {}; for (const k in x) o[k] = resolve(x[k]); return o; }
    return x;
  }
  const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false, plotlyServerURL: "" };
  let template = null;
  async function draw(el) {
    const fig = JSON.parse($("#" + el.dataset.figure).textContent);
    const f = resolve(fig), narrow = el.clientWidth < 560;
    const layout = Object.assign({}, f.layout, { template: resolve(template), dragmode: false, autosize: true });
    if (narrow) {
      layout.margin = Object.assign({ l: 40, r: 14, t: 10, b: 30 }, f.layout.meta && f.layout.meta.narrowMargin);
      layout.annotations = (layout.annotations || []).filter(a => a.name !== "edge");
      layout.xaxis = Object.assign({}, layout.xaxis, { nticks: 4 });
    }
    await Plotly.react(el, f.data, layout, CONFIG);
  }
  async function drawAll() {
    const els = $$(".plot[data-figure]");
    if (!els.length || !window.Plotly) return;
    if (!template) template = await (await fetch(els[0].dataset.template)).json();
    cache = new Map();
    await Promise.all(els.map(draw));
    root.dataset.plots = "ready";
  }

  /* The server renders the theme from this cookie, so that no page flashes in the wrong one. */
  function setTheme(t) {
    const age = t === "auto" ? 0 : 365 * 24 * 3600, secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = "candid_theme=" + t + "; path=/; max-age=" + age + "; samesite=lax" + secure;
    if (t === "auto") delete root.dataset.theme; else root.dataset.theme = t;
    markTheme(); drawAll();
  }
  function markTheme() { const now = root.dataset.theme || "auto"; $$(".theme button").forEach(b => b.setAttribute("aria-pressed", String(b.value === now))); }

  /* The clipboard exists on https and on localhost only; elsewhere the text is selected. */
  async function copy(el) {
    try { await navigator.clipboard.writeText(el.textContent); return true; } catch (e) { getSelection().selectAllChildren(el); return false; }
  }

  document.addEventListener("click", async ev => {
    const t = ev.target.closest("[data-act]");
    $$("details.menu[open]").forEach(d => { if (!d.contains(ev.target)) d.open = false; });
    if (!t) return;
    const act = t.dataset.act;
    if (act === "theme") setTheme(t.value);
    if (act === "nav") { const open = $("#nav").classList.toggle("open"); t.setAttribute("aria-expanded", String(open)); if (open) $("#nav a").focus(); }
    if (act === "copy") {
      const old = t.textContent; t.textContent = (await copy($("#" + t.dataset.from))) ? "Copied" : "Press Ctrl+C";
      setTimeout(() => { t.textContent = old; }, 1600);
    }
    if (act === "png") {
      const el = $(".plot.js-plotly-plot"); if (!el) return;
      const url = await Plotly.toImage(el, { format: "png", width: 1200, height: 500, scale: 2 });
      const a = document.createElement("a"); a.href = url; a.download = (document.body.dataset.page || "plot") + ".png"; a.click();
      root.dataset.png = String(url.length);
    }
  });
  document.addEventListener("keydown", ev => {
    if (ev.key !== "Escape") return;
    $$("details.menu[open]").forEach(d => { d.open = false; $("summary", d).focus(); });
    const nav = $("#nav.open"); if (nav) { nav.classList.remove("open"); const b = $('[data-act="nav"]'); b.setAttribute("aria-expanded", "false"); b.focus(); }
  });
  /* On wide screens the filter <details> is always open: its summary is hidden. */
  const wide = matchMedia("(min-width: 761px)");
  const syncFilters = () => { const fd = $("details.filters"); if (fd) fd.open = wide.matches; };
  wide.addEventListener("change", () => { syncFilters(); drawAll(); }); syncFilters();

  /* htmx replaces the content below the page's title: what it takes away is purged, what it brings is drawn. */
  document.addEventListener("htmx:before:swap", () => { delete root.dataset.plots; if (window.Plotly) $$(".js-plotly-plot").forEach(el => Plotly.purge(el)); });
  document.addEventListener("htmx:after:swap", () => { markTheme(); drawAll(); });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { root.dataset.wasTheme = root.dataset.theme || ""; root.dataset.theme = "light"; drawAll(); });
  addEventListener("afterprint", () => { const w = root.dataset.wasTheme; w ? root.dataset.theme = w : delete root.dataset.theme; drawAll(); });
  document.addEventListener("securitypolicyviolation", e => { root.dataset.csp = (root.dataset.csp || "") + e.effectiveDirective + " "; });

  markTheme(); drawAll();
})();
