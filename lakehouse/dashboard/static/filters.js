// Filters that narrow each other: each offers the values that are left under the others, with their counts.

import { figure, h, said, shown } from "./format.js";

export class Filters {
  constructor(app) {
    this.app = app;
    this.bar = document.getElementById("filters");
    this.chips = document.getElementById("chips");
    document.addEventListener("click", (event) => { if (!event.target.closest(".filter")) this.close(); });
  }

  show() {
    const { app } = this, page = app.page();
    this.bar.replaceChildren(...page.filters.map((name) => h("span", { class: "filter" }, h("button", { "aria-haspopup": "listbox", "data-filter": name, onclick: (event) => this.open(event.currentTarget, name) }, `${app.titleOf(name)} ▾`))));
    const chips = Object.entries(app.view.filters).flatMap(([name, values]) => values.map((value) => h("button", { class: "chip", title: "Remove this filter", onclick: () => app.toggle(name, value) }, `${app.titleOf(name)}: `, said(shown(value, app.typeOf(name))), " ×")));
    if (chips.length > 1) chips.push(h("button", { class: "chip", onclick: () => app.go({ filters: {} }) }, "Remove all ×"));
    this.chips.replaceChildren(...chips);
  }

  close() { this.bar.querySelectorAll(".options").forEach((one) => one.remove()); }

  async open(button, name) {
    const there = button.parentElement.querySelector(".options");
    this.close();
    if (there) return;
    const { app } = this, list = h("div", { class: "list", role: "listbox", "aria-multiselectable": "true" }, "…");
    const search = h("input", { type: "search", placeholder: "Find", "aria-label": "Find a value" });
    button.after(h("div", { class: "options" }, search, list));
    search.focus();
    let values;
    try { values = await app.ask(`api/values/${app.view.page}/${name}`, app.scope()); } catch (error) { list.replaceChildren(h("p", { class: "error" }, error.message)); return; }
    const chosen = app.view.filters[name] ?? [];
    for (const value of chosen) if (!values.some((one) => one[0] === value)) values.unshift([value, 0]);
    const fill = () => {
      const wanted = search.value.toLocaleLowerCase();
      const left = values.filter((one) => shown(one[0], app.typeOf(name)).toLocaleLowerCase().includes(wanted));
      list.replaceChildren(...left.map(([value, n]) => h("label", { role: "option", "aria-selected": String(chosen.includes(value)) }, h("input", { type: "checkbox", value, ...(chosen.includes(value) ? { checked: true } : {}), onchange: () => app.toggle(name, value, true) }), said(shown(value, app.typeOf(name))), h("span", { class: "n soft" }, figure(n, "count")))), left.length ? "" : h("p", { class: "empty" }, "nothing"));
    };
    search.addEventListener("input", fill);
    fill();
  }
}
