// The rows behind a figure, in a drawer: filters kept, more by pages, all of them as a file.

import { figure, h, said } from "./format.js";

const HIDDEN = { rejected: ["kafka_topic_id"] };

export class Rows {
  constructor(app) {
    this.app = app;
    this.dialog = document.getElementById("drawer");
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
  }

  async open(cube) {
    this.cube = cube;
    this.dialog.replaceChildren(h("p", { class: "empty" }, "Reading the rows …"));
    if (!this.dialog.open) this.dialog.showModal();
    await this.show(0);
  }

  async show(offset) {
    const { app, cube } = this, parameters = app.scope();
    parameters.set("offset", offset);
    const close = h("button", { onclick: () => this.dialog.close() }, "Close");
    let data;
    try { data = await app.ask(`api/rows/${cube}`, parameters); } catch (error) { this.dialog.replaceChildren(close, h("p", { class: "error" }, error.message)); return; }
    const last = offset + data.rows.length;
    const file = (form) => h("a", { class: "download", href: app.exportLink(`rows/${cube}.${form}`) }, form.toUpperCase());
    const filters = Object.entries(app.view.filters).map(([name, values]) => `${app.titleOf(name)}: ${values.map((v) => v || "unknown").join(", ")}`);
    this.dialog.replaceChildren(
      h("div", { class: "head" }, h("h2", {}, `${app.model.cubes[cube].title}: rows`), h("span", { class: "soft", id: "row-count", "data-total": data.total }, data.total ? `${figure(offset + 1, "count")}–${figure(last, "count")} of ${figure(data.total, "count")}` : "none"),
        h("button", { disabled: offset === 0, onclick: () => this.show(Math.max(0, offset - 200)) }, "‹ newer"), h("button", { disabled: last >= data.total, onclick: () => this.show(last) }, "older ›"), "Download all:", file("csv"), file("parquet"), close),
      h("p", { class: "soft" }, `${app.rangeText()}${filters.length ? `; ${filters.join("; ")}` : ""}${data.ignored.length ? `; not filtered by ${data.ignored.map((n) => app.titleOf(n)).join(", ")}` : ""}${data.cut ? "; long texts are shortened here (…), a file has them whole" : ""}`),
      h("div", { class: "scroll tall" }, this.table(data)));
  }

  table(data) {
    const hidden = HIDDEN[this.cube] ?? [], names = data.columns.filter((name) => !hidden.includes(name));
    const cell = (row, name) => {
      const value = row[data.columns.indexOf(name)];
      if (value === null || value === "") return h("td", { class: "soft" }, "–");
      if (["phone_number", "from_phone_number", "to_phone_number", "other_party"].includes(name)) return h("td", {}, h("button", { class: "row", title: "This subscriber", onclick: () => { this.dialog.close(); this.app.go({ page: "subscribers", filters: { subscriber: [value] } }); } }, said(String(value))));
      return h("td", { class: typeof value === "number" ? "n" : "" }, said(String(value)));
    };
    const explain = this.cube === "rejected";
    const rows = data.rows.map((row) => h("tr", {}, explain ? h("td", {}, h("button", { class: "row", onclick: (event) => this.explain(event.target, row, data.columns) }, "why")) : null, names.map((name) => cell(row, name))));
    return h("table", {}, h("thead", {}, h("tr", {}, explain ? h("th") : null, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows));
  }

  // A rejected message: why in words, the rule, what would have to change, and the message as it was sent.
  async explain(button, row, columns) {
    const line = button.closest("tr");
    if (line.nextSibling?.classList?.contains("why")) { line.nextSibling.remove(); return; }
    const of = (name) => row[columns.indexOf(name)];
    const cell = h("td", { colspan: columns.length + 1 }, "Looking for the message …");
    line.after(h("tr", { class: "why" }, cell));
    try {
      const position = new URLSearchParams({ topic_id: of("kafka_topic_id"), partition: of("kafka_partition"), offset: of("kafka_offset"), taken: of("kafka_timestamp") });
      const [reasons, message] = await Promise.all([
        this.app.ask(`api/reason/${of("source")}`, new URLSearchParams({ codes: of("rejection_reason") })),
        this.app.ask(`api/message/${of("source")}`, position).catch((error) => ({ error: error.message })),
      ]);
      cell.replaceChildren(
        h("dl", {}, reasons.flatMap((one) => [h("dt", {}, h("code", {}, one.code)), h("dd", {}, one.says, one.rule ? [h("br"), "Rule: ", one.rule] : null, one.fix ? [h("br"), "To change: ", one.fix] : null)])),
        h("p", { class: "soft" }, `${of("kafka_topic")}[${of("kafka_partition")}] offset ${of("kafka_offset")}${message.layer ? `, from ${message.layer}` : ""}; key: ${message.key ? text(message.key) : "none"}`),
        h("pre", { dir: "auto", class: "raw" }, message.error ?? (message.layer === null ? "Not committed to bronze yet (it follows silver by seconds), or bronze was off: try again." : message.value === null ? "(no value)" : text(message.value))));
    } catch (error) { cell.replaceChildren(h("p", { class: "error" }, error.message)); }
  }
}

function text(base64) {
  const bytes = Uint8Array.from(atob(base64.replace(/\s/g, "")), (c) => c.charCodeAt(0));
  return new TextDecoder("utf-8").decode(bytes);
}
