// One panel: its figures, its definition, its freshness, and the ways on: filter, rows, file, table.

import { ago, figure, h, said, shown } from "./format.js";
import { draw } from "./charts.js";

const DRAWN = ["bars", "line", "bar", "heatmap", "map"];

export class PanelView {
  constructor(panel, app) {
    this.panel = panel;
    this.app = app;
    this.asTable = false;
    this.body = h("div", { class: "body" });
    this.foot = h("footer");
    this.note = h("div", { class: "definition", hidden: true });
    const kpis = panel.kpis.map((name) => app.model.kpis[name]);
    const button = (sign, label, act, more = {}) => h("button", { class: "tool", title: label, "aria-label": `${label}: ${panel.title}`, onclick: act, ...more }, sign);
    const tools = [button("i", "What it means", () => { this.note.hidden = !this.note.hidden; })];
    if (DRAWN.includes(panel.kind)) tools.push(button("▦", "As a table or drawn", () => { this.asTable = !this.asTable; this.show(); }));
    tools.push(button("☰", "Rows behind it", () => app.openRows(panel.cube)));
    const menu = h("span", { class: "menu", hidden: true }, ["csv", "parquet"].map((form) => h("a", { class: "download", href: "#", onclick: (event) => { event.currentTarget.href = app.exportLink(`panel/${app.view.page}/${panel.name}.${form}`); menu.hidden = true; } }, form.toUpperCase())));
    tools.push(button("↓", "Download", () => { menu.hidden = !menu.hidden; }), menu);
    if (panel.kind === "map") tools.unshift(h("select", { "aria-label": "Colour shows", onchange: (event) => { this.colour = event.target.value; this.show(); } }, panel.kpis.slice(1).map((name) => h("option", { value: name }, app.model.kpis[name].title))));
    this.note.append(...kpis.map((kpi) => h("div", {}, h("strong", {}, kpi.title), ": ", kpi.meaning, h("code", {}, kpi.formula), h("small", {}, `Source: ${kpi.source}. Reads: ${kpi.from.join(", ")}.`))));
    this.element = h("section", { class: `panel ${panel.kind}${panel.wide ? " wide" : ""}`, "data-panel": panel.name, "aria-label": panel.title },
      h("div", { class: "head" }, h("h2", {}, panel.title), h("span", { class: "tools" }, tools)), this.note, this.body, this.foot);
  }

  async load(signal) {
    this.element.setAttribute("aria-busy", "true");
    const parameters = this.app.scope();
    if (this.app.view.compare) parameters.set("compare", "1");
    try {
      this.data = await this.app.ask(`api/panel/${this.app.view.page}/${this.panel.name}`, parameters, signal);
      this.error = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.error = error;
    }
    this.element.removeAttribute("aria-busy");
    this.show();
  }

  show() {
    this.element.classList.toggle("stale", Boolean(this.error));
    if (this.error && !this.data) { this.body.replaceChildren(h("p", { class: "error" }, this.error.message)); return; }
    if (!this.data) return;
    const { panel, data, app } = this;
    if (panel.kind === "number") this.body.replaceChildren(...this.number());
    else if (!data.rows.length) { this.dispose(); this.body.replaceChildren(h("p", { class: "empty" }, "Nothing in this range with these filters.")); }
    else if (this.asTable || panel.kind === "table") { this.dispose(); this.body.replaceChildren(this.table()); }
    else {
      if (!this.canvas?.isConnected) { this.canvas = h("div", { class: "canvas", role: "img", "aria-label": `${panel.title}; ▦ shows it as a table` }); this.body.replaceChildren(this.canvas); }
      this.chart = draw(this.canvas, panel, data, {
        kpis: app.model.kpis, filters: app.view.filters, marks: app.marks(), colour: this.colour, chosen: (row) => this.choose(row),
        type: (cube, name) => app.model.cubes[cube].dimensions[name].type,
      });
    }
    this.foot.replaceChildren(...this.told());
  }

  dispose() { if (this.chart) { this.chart.dispose(); this.chart = null; this.canvas = null; } }

  number() {
    const { panel, data, app } = this, kpi = app.model.kpis[panel.kpis[0]];
    const at = data.columns.indexOf(kpi.name), value = data.rows[0]?.[at], parts = [];
    parts.push(h("p", { class: "value", "data-value": value ?? "", title: figure(value, kpi.unit, data.money) }, figure(value, kpi.unit, data.money, true)));
    if (data.before) {
      const was = data.before[0]?.[at], change = was && Number(was) ? (Number(value) / Number(was) - 1) * 100 : null;
      const good = change === null || !kpi.better ? "" : (change > 0) === (kpi.better === "up") ? " good" : " bad";
      const sign = change === null ? "" : change > 0 ? "▲" : change < 0 ? "▼" : "=";
      parts.push(h("p", { class: `change${good}` }, change === null ? "nothing in the period before" : `${sign} ${Math.abs(change).toFixed(1)} %`, h("small", {}, change === null ? "" : ` before: ${figure(was, kpi.unit, data.money, true)}${good ? (good === " good" ? ", better" : ", worse") : ""}`)));
    }
    return parts;
  }

  table() {
    const { panel, data, app } = this, index = (name) => data.columns.indexOf(name);
    const groups = panel.by.map((name) => (name === "time" ? { title: "Time", at: index("wall"), type: "text" } : { ...app.model.cubes[panel.cube].dimensions[name], at: index(name) }));
    const kpis = panel.kpis.map((name) => ({ ...app.model.kpis[name], at: index(name) }));
    const key = (row) => panel.by.map((name) => row[index(name)]).join("\u0000");
    const earlier = data.before && !panel.by.includes("time") ? new Map(data.before.map((row) => [key(row), row[kpis[0].at]])) : null;
    const head = [...groups, ...kpis].map((one, i) => h("th", { scope: "col", class: i < groups.length ? "" : "n" }, one.title));
    if (earlier) head.splice(groups.length + 1, 0, h("th", { scope: "col", class: "n" }, "before"));
    const rows = data.rows.slice(0, 1000).map((row) => {
      const cells = groups.map((one, i) => h("td", {}, i ? said(shown(row[one.at], one.type)) : h("button", { class: "row", onclick: () => this.choose(row) }, said(shown(row[one.at], one.type)))));
      kpis.forEach((one, i) => {
        cells.push(h("td", { class: "n", "data-value": row[one.at] }, figure(row[one.at], one.unit, data.money)));
        if (earlier && !i) cells.push(h("td", { class: "n soft" }, figure(earlier.get(key(row)), one.unit, data.money)));
      });
      return h("tr", {}, cells);
    });
    return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
  }

  // The first choice of a bar or row filters everything; of one that is chosen already, the rows behind it are opened.
  choose(row) {
    const { panel, data, app } = this, filters = {};
    for (const name of panel.by) if (name !== "time") filters[name] = row[data.columns.indexOf(name)];
    const time = panel.by.includes("time") ? [row[data.columns.indexOf("time")], row[data.columns.indexOf("until")]] : null;
    app.choose(panel, filters, time && data.bucket_minutes > 1 ? time : null, Boolean(time));
  }

  told() {
    const { data, error, app } = this, state = data.state, parts = [];
    if (error) parts.push(h("span", { class: "bad" }, `⚠ not refreshed: ${error.message}`));
    if (state.problems.length) parts.push(h("span", { class: "bad", title: state.problems.join("\n") }, `⚠ ${state.problems.length} ${state.problems.length > 1 ? "checks" : "check"} not right`));
    else parts.push(h("span", { class: "good", title: "every check of these tables holds" }, this.panel.kind === "number" ? "✓" : "✓ checks"));
    const waiting = state.waiting ? `${figure(state.waiting, "count")} events on the way` : "nothing on the way";
    parts.push(h("span", { title: `build ${state.build}; ${waiting}; answered in ${data.took_ms} ms` }, this.panel.kind === "number" ? `copied ${ago(state.copied_at)}` : `build ${state.build ?? "none"}, copied ${ago(state.copied_at)}; ${waiting}`));
    const ignored = data.ignored.map((name) => app.titleOf(name));
    if (ignored.length) parts.push(h("span", { class: "soft" }, `not filtered by ${ignored.join(", ")}`));
    if (data.cut) parts.push(h("span", { class: "soft" }, "shortened; a file has all of it"));
    if (this.panel.kind !== "number") parts.push(h("span", { class: "soft took" }, `${data.took_ms} ms`));
    return parts;
  }
}
