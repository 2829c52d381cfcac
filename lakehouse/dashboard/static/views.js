// What three pages have beyond panels: a subscriber's profile, rejected messages, the state of the line.

import { ago, figure, h, said, size, wall } from "./format.js";

const grid = (head, rows, empty = "nothing") => rows.length ? h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => (cell instanceof Node ? h("td", {}, cell) : h("td", { class: typeof cell === "number" ? "n" : "" }, typeof cell === "number" ? figure(cell, "count") : said(String(cell ?? "–")))))))))) : h("p", { class: "empty" }, empty);
const block = (title, name, ...content) => h("section", { class: "panel wide", "data-view": name, "aria-label": title }, h("div", { class: "head" }, h("h2", {}, title)), content);

class Subscriber {
  constructor(app) {
    this.app = app;
    this.input = h("input", { type: "search", id: "subscriber", placeholder: "Number, user id or name", "aria-label": "Find a subscriber", size: 30 });
    this.found = h("div");
    this.history = h("div");
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); this.find(); } }, this.input, h("button", {}, "Find"));
    this.element = h("div", { class: "grid" }, block("Subscriber", "subscriber", form, this.found, this.history));
  }
  phone() { return this.app.view.filters.subscriber?.[0]; }
  hidesPanels() { return !this.phone(); }
  async find() {
    try {
      const told = await this.app.ask("api/subscribers", new URLSearchParams({ q: this.input.value }));
      const open = (phone) => h("button", { class: "row", onclick: () => this.app.go({ filters: { subscriber: [phone] } }) }, said(phone));
      if (told.rows.length === 1) { this.app.go({ filters: { subscriber: [told.rows[0][0]] } }); return; }
      this.found.replaceChildren(grid(["Number", "User id", "Name", "City", "Plan", "Status", "Remarks"], told.rows.map((row) => [open(row[0]), ...row.slice(1, 6), [row[6] && "known from events only", row[7] && "deleted"].filter(Boolean).join(", ") || "–"]), "Nobody is known by that."));
    } catch (error) { this.found.replaceChildren(h("p", { class: "error" }, error.message)); }
  }
  async load(signal) {
    const phone = this.phone();
    if (!phone) { this.history.replaceChildren(h("p", { class: "soft" }, "Find one, or click a number in any list of rows. Numbers may be typed as customers say them.")); return; }
    this.found.replaceChildren();
    let told;
    try { told = await this.app.ask(`api/subscriber/${encodeURIComponent(phone)}`, null, signal); } catch (error) { if (error.name !== "AbortError") this.history.replaceChildren(h("p", { class: "error" }, error.message)); return; }
    const of = (row, name) => row[told.columns.indexOf(name)];
    const moment = (at) => (String(at).startsWith("9999") ? "now" : String(at).startsWith("1900-01-01") ? "the beginning" : String(at).replace(/\.0+$/, ""));
    const latest = told.rows[0];
    const facts = latest ? ["name", "user_id", "email", "gender", "age_group", "activation_date"].map((name) => [name.replace("_", " "), of(latest, name)]).filter((one) => one[1]) : [];
    this.history.replaceChildren(h("h3", {}, said(phone)), h("dl", { class: "facts" }, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, said(String(value)))])),
      h("p", {}, h("button", { onclick: () => this.app.openRows("activity") }, "Everything they did, row by row")),
      h("h3", {}, "History of the number"),
      grid(["From", "Until", "User id", "Plan", "Status", "City", "Address", "Remarks"], told.rows.map((row) => [moment(of(row, "valid_from")), moment(of(row, "valid_to")), of(row, "user_id"), of(row, "plan_type"), of(row, "status"), of(row, "city"), of(row, "address"), [of(row, "is_inferred") && "known from events only", of(row, "is_deleted") && "deleted"].filter(Boolean).join(", ") || "–"]), "No event and no record has named this number."));
  }
}

class Quality {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "grid" }, block("Rejected messages", "quality", h("p", {}, "An event that breaks a rule is kept, with every reason. Open the rows and press ", h("em", {}, "why"), ": the message as it was sent, its Kafka position, each reason in words, the rule, and what would have to change."), h("p", {}, h("button", { id: "open-rejected", onclick: () => app.openRows("rejected") }, "Open the messages"))));
  }
  async load() {}
}

class PipelineView {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "grid" });
  }
  hidesPanels() { return true; }
  news() { this.load(); }
  async load(signal) {
    let told;
    try { told = await this.app.ask("api/pipeline", null, signal); } catch (error) { return; }
    if (!told.topics) { this.element.replaceChildren(block("Pipeline", "wait", h("p", { class: "empty" }, told.error === "not asked yet" ? "Asking Kafka and the catalog …" : told.error))); return; }
    const seconds = (s) => (s === null ? "longer than watched" : s === 0 ? "0 s" : `${figure(s, "count")} s`);
    const problems = [...told.problems, ...[told.error, told.copies_error].filter(Boolean)];
    this.element.replaceChildren(
      block("What is wrong", "problems", problems.length ? h("ul", {}, problems.map((one) => h("li", { class: "bad" }, one))) : h("p", { class: "good" }, "✓ Nothing is known to be wrong."), h("p", { class: "soft" }, `asked ${ago(told.asked_at)}`)),
      block("Topics", "topics", grid(["Source", "Topic", "Partitions", "Messages", "Not in silver yet", "Behind by", "Arriving a second"], told.topics.map((t) => [t.source, t.topic, t.partitions, t.end, t.lag, seconds(t.lag_s), t.rate ?? "–"]))),
      block("Layers", "layers", grid(["Layer", "Last", "When", "Waiting before it"], told.layers.map((l) => [l.layer, l.what, l.at ? ago(Date.parse(l.at) / 1000) : "never", `${figure(l.waiting, "count")} ${l.unit}`]))),
      block("Workers", "workers", grid(["Worker", "Partitions"], told.workers.map((w) => [w.worker, w.partitions.join(" ")]), "No worker is in the consumer group: nothing is read from Kafka.")),
      block("Builds", "builds", grid(["Build", "Planned", "Took", "Rows", "Facts moved", "Remarks"], told.builds.map((b) => [b.build, wall(b.planned_at), b.seconds === null ? "under way" : `${b.seconds} s`, b.rows, b.moved, [b.full && "made anew", ...Object.entries(b.errors).map(([t, e]) => `${t}: ${e}`), ...Object.entries(b.failed_checks).map(([t, c]) => `${t}: ${c.join("; ")}`)].filter(Boolean).join("; ") || "–"]))),
      block("Copies in ClickHouse", "copies", grid(["Table", "Build", "Copied", "Rows of that copy"], Object.entries(told.copies).sort().map(([t, c]) => [t === "*" ? "all of a build" : t, c.build, ago(c.at), c.rows]))),
      block("Full checks", "checks", grid(["Table", "Says", "Holds", "Against it", "When"], told.checks.map((c) => [c.table_name, c.says, c.passed ? "✓ yes" : `⚠ no (${c.severity})`, c.wrong ?? "–", ago(c.at)]), "They have not run yet: once an hour, or `lakehouse check`.")),
      block("Tables", "tables", grid(["Iceberg table", "Rows", "Files", "Size", "Snapshots"], told.tables.map((t) => [t.table, t.rows, t.files, size(t.bytes), t.snapshots]))));
  }
}

export const VIEWS = { subscriber: Subscriber, quality: Quality, pipeline: PipelineView };
