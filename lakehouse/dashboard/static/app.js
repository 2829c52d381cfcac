// The dashboard: reads the address, shows a page of panels, follows new data.

import * as address from "./address.js";
import { Refused, ask } from "./ask.js";
import { Filters } from "./filters.js";
import { ago, epochOf, figure, h, useZone, wall } from "./format.js";
import { PanelView } from "./panels.js";
import { Rows } from "./rows.js";
import { VIEWS } from "./views.js";

const $ = (id) => document.getElementById(id);
const KEYS = [["1 … 9", "go to a page"], ["l", "live mode"], ["c", "compare with the period before"], ["r", "refresh"], ["/", "first filter"], ["x", "remove all filters"], ["[ and ]", "an earlier, a later time range"], ["d", "light or dark"], ["Esc", "close"], ["?", "these keys"]];

const PATIENCE = 3000, MOST_PATIENCE = 60000; // ms until what failed is asked for again, twice as long each time

class App {
  patience = PATIENCE;

  async start() {
    this.theme(localStorage.getItem("theme"));
    await this.loadModel();
    useZone(this.model.zone);
    this.rows = new Rows(this);
    this.filters = new Filters(this);
    this.listen();
    this.view = address.read();
    this.show(true);
    this.follow();
  }

  async loadModel() {
    for (;;) {
      try { this.model = await ask("api/model"); return; } catch (error) { this.trouble(error.message); await new Promise((done) => setTimeout(done, 2000)); }
    }
  }

  page() { return this.model.pages.find((one) => one.name === this.view.page) ?? this.model.pages[0]; }
  scope() { return address.scope(this.view); }
  exportLink(path) { return `api/export/${path}?${this.scope()}`; }
  openRows(cube) { return this.rows.open(cube); }
  typeOf(name) { return Object.values(this.model.cubes).map((cube) => cube.dimensions[name]).find(Boolean)?.type ?? "text"; }
  titleOf(name) {
    const own = this.model.cubes[this.page().cube].dimensions[name];
    return (own ?? Object.values(this.model.cubes).map((cube) => cube.dimensions[name]).find(Boolean))?.title ?? name;
  }
  rangeText() { return this.view.range ? `the last ${this.view.range}` : `${wall(Number(this.view.from))} to ${wall(Number(this.view.to))}`; }

  async ask(path, parameters, signal) {
    try {
      return await ask(path, parameters, signal);
    } catch (error) {
      if (error instanceof Refused && (error.status === 0 || error.status === 503)) {
        this.trouble(`${error.message} Trying again by itself.`);
        this.retry ??= setTimeout(() => this.refreshNext(), this.patience);
      }
      throw error;
    }
  }

  trouble(text) { const box = $("trouble"); box.hidden = !text; box.textContent = text; }

  // Changes what is looked at; the address follows, so that "back" goes back.
  go(change, replace = false) {
    const next = { ...this.view, ...change }, moved = next.page !== this.view.page;
    if (moved && !change.filters) next.filters = this.kept(next);
    this.view = next;
    history[replace ? "replaceState" : "pushState"](null, "", address.link(next));
    this.show(moved);
  }

  // Filters that the other page can't apply to anything stay behind.
  kept(next) {
    const cubes = this.model.pages.find((one) => one.name === next.page)?.panels.map((panel) => this.model.cubes[panel.cube]) ?? [];
    return Object.fromEntries(Object.entries(next.filters).filter(([name]) => cubes.some((cube) => name in cube.dimensions)));
  }

  toggle(name, value, keepOpen = false) {
    const chosen = this.view.filters[name] ?? [], values = chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value];
    const filters = { ...this.view.filters, [name]: values };
    if (!values.length) delete filters[name];
    this.keepOpen = keepOpen;
    this.go({ filters });
  }

  choose(panel, filters, time, isTime) {
    const same = Object.entries(filters).every(([name, value]) => { const chosen = this.view.filters[name]; return chosen?.length === 1 && chosen[0] === value; });
    if (time) { this.go({ range: "", from: String(time[0]), to: String(time[1]), live: false }); return; }
    if (same || isTime) { this.openRows(panel.cube); return; }
    this.go({ filters: { ...this.view.filters, ...Object.fromEntries(Object.entries(filters).map(([name, value]) => [name, [value]])) } });
  }

  show(whole) {
    const page = this.page();
    document.title = `${page.title} · Telecom lakehouse`;
    $("pages").replaceChildren(...this.model.pages.map((one) => h("a", { href: address.link({ ...this.view, page: one.name, filters: this.kept({ ...this.view, page: one.name }) }), "aria-current": one === page ? "page" : null, onclick: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); this.go({ page: one.name }); } }, one.title)));
    $("pages").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.showControls();
    if (!this.keepOpen) this.filters.show(); else { this.keepOpen = false; const open = $("filters").querySelector(".options"); this.filters.show(); if (open) { const name = open.previousElementSibling.dataset.filter; const button = $("filters").querySelector(`[data-filter="${name}"]`); this.filters.open(button, name); } }
    if (whole) {
      this.panels?.forEach((panel) => panel.dispose());
      this.panels = page.panels.map((panel) => new PanelView(panel, this));
      this.extra = page.view ? new VIEWS[page.view](this) : null;
      const placed = (tiles) => this.panels.filter((one) => (one.panel.kind === "number") === tiles).map((one) => one.element);
      $("main").replaceChildren(...(this.extra ? [this.extra.element] : []), h("div", { id: "panels" }, h("div", { class: "grid tiles" }, placed(true)), h("div", { class: "grid" }, placed(false))));
    }
    this.refresh();
  }

  async refresh() {
    this.loading?.abort();
    this.loading = new AbortController();
    clearTimeout(this.retry);
    this.retry = null;
    this.newer = false;
    const signal = this.loading.signal;
    const shown = this.extra && this.extra.hidesPanels?.() ? [] : this.panels;
    $("panels").toggleAttribute("hidden", shown.length === 0);
    this.shownBuild = this.news?.build;
    try {
      await Promise.all([...shown.map((panel) => panel.load(signal)), this.extra?.load(signal)]);
    } finally {
      if (!signal.aborted) this.loading = null;
    }
    if (signal.aborted) return;
    this.patience = this.retry ? Math.min(2 * this.patience, MOST_PATIENCE) : PATIENCE;
    // not at the first answer: some may have been kept from before the trouble, and the others are still to be asked for
    if (!this.retry) this.trouble("");
    document.body.dataset.loaded = address.link(this.view);
    if (this.newer) this.refresh();
  }

  // After what is being loaded, not in place of it: where panels take longer than builds, nothing would ever be whole.
  refreshNext() { if (this.loading) this.newer = true; else this.refresh(); }

  showControls() {
    const { view } = this, custom = !view.range;
    const stamp = (epoch) => wall(Number(epoch)).replace(" ", "T").slice(0, 16);
    const from = h("input", { type: "datetime-local", "aria-label": "From", value: custom ? stamp(view.from) : "" });
    const to = h("input", { type: "datetime-local", "aria-label": "To", value: custom ? stamp(view.to ?? Date.now() / 1000) : "" });
    const apply = () => { if (from.value && to.value && from.value < to.value) this.go({ range: "", from: String(epochOf(from.value)), to: String(epochOf(to.value)), live: false }); };
    from.addEventListener("change", apply);
    to.addEventListener("change", apply);
    const ranges = address.RANGES.map((range) => h("button", { "aria-pressed": String(view.range === range), onclick: () => this.go({ range, from: null, to: null }) }, range));
    const window = h("input", { type: "number", min: 1, max: 366, value: view.window, onchange: (event) => { if (event.target.checkValidity()) this.go({ window: event.target.value }); } });
    const usesWindow = this.page().panels.some((panel) => panel.cube === "usage");
    $("ranges").replaceChildren(...ranges, from, "–", to, h("small", { class: "soft" }, this.model.zone), ...(usesWindow ? [h("label", { class: "switch", title: "A subscriber is active who did anything in so many days up to the end of the range" }, "active within", window, "days")] : []));
    $("compare").checked = view.compare;
    $("live").setAttribute("aria-pressed", String(view.live));
    $("controls").hidden = this.page().view === "pipeline";
  }

  // Builds and alarms worth a mark in charts over time.
  marks() {
    return (this.news?.notable ?? []).map((one) => ({ at: one.completed_at ?? one.planned_at, wall: wall(one.completed_at ?? one.planned_at), says: `build ${one.build}: ${[one.full && "made anew", one.moved && `${figure(one.moved, "count")} facts to other members`, Object.keys(one.errors).length && `could not load ${Object.keys(one.errors).join(", ")}`, Object.keys(one.failed_checks).length && `checks failed: ${Object.keys(one.failed_checks).join(", ")}`].filter(Boolean).join("; ")}` }));
  }

  follow() {
    const source = new EventSource("api/events");
    source.onmessage = (event) => {
      const news = JSON.parse(event.data), fresh = this.news && news.build !== this.news.build, turned = this.news && !this.news.error !== !news.error;
      this.news = news;
      this.tell();
      // what is shown may be an answer from before ClickHouse stopped: ask again, so that it is marked as such
      if (turned || (fresh && this.view.live)) this.refreshNext();
      this.extra?.news?.();
    };
    source.onerror = () => { this.tell(true); };
    setInterval(() => this.tell(), 1000);
  }

  tell(lost = false) {
    if (!this.news) return;
    const { build, copied_at, error, problems, waiting } = this.news, chip = $("freshness");
    const newer = build !== this.shownBuild && !this.view.live && this.shownBuild !== undefined;
    const bad = lost || error || problems.length;
    chip.className = `chip ${bad ? "bad" : "good"}`;
    chip.title = [error, ...problems].filter(Boolean).join("\n") || "every check holds";
    chip.replaceChildren(lost ? "⚠ the dashboard does not answer" : error ? "⚠ ClickHouse does not answer" : `${problems.length ? `⚠ ${problems.length} not right · ` : "✓ "}build ${build ?? "none"}, copied ${ago(copied_at)}${waiting ? ` · ${figure(waiting, "count")} events on the way` : ""}`, ...(newer && !bad ? [h("button", { onclick: () => this.refresh() }, "show newer")] : []));
  }

  theme(name) {
    if (name) { document.documentElement.dataset.theme = name; localStorage.setItem("theme", name); }
    this.panels?.forEach((panel) => panel.show());
  }
  otherTheme() {
    const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.theme(now === "dark" ? "light" : "dark");
  }

  shift(direction) {
    const hours = { m: 1 / 60, h: 1, d: 24 }, { range } = this.view;
    const length = range ? parseInt(range, 10) * hours[range.at(-1)] * 3600 : Number(this.view.to) - Number(this.view.from);
    const end = (range ? Date.now() / 1000 : Number(this.view.to)) + direction * length;
    this.go({ range: "", from: String(Math.floor(end - length)), to: String(Math.floor(end)), live: false });
  }

  listen() {
    addEventListener("popstate", () => { const before = this.view.page; this.view = address.read(); this.show(before !== this.view.page); });
    addEventListener("resize", () => this.panels?.forEach((panel) => panel.chart?.resize()));
    $("compare").onchange = (event) => this.go({ compare: event.target.checked });
    $("live").onclick = () => this.go({ live: !this.view.live, ...(this.view.live ? {} : { range: this.view.range || "24h" }) });
    $("theme").onclick = () => this.otherTheme();
    $("help").onclick = () => this.help();
    const acts = { l: () => $("live").click(), c: () => $("compare").click(), r: () => this.refresh(), d: () => this.otherTheme(), x: () => this.go({ filters: {} }), "?": () => this.help(), "[": () => this.shift(-1), "]": () => this.shift(1), "/": () => $("filters").querySelector("button")?.click() };
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.filters.close();
      // a dialog that was just closed keeps the focus until the next frame
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
      const page = /^[1-9]$/.test(event.key) ? this.model.pages[Number(event.key) - 1] : null;
      if (page) this.go({ page: page.name });
      else if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
    });
  }

  help() {
    const dialog = $("keys");
    dialog.replaceChildren(h("h2", {}, "Keys"), h("dl", {}, KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])), h("p", {}, "A click on a bar or row filters everything by it; the next one opens the rows behind it."), h("button", { onclick: () => dialog.close() }, "Close"));
    dialog.showModal();
  }
}

new App().start();
