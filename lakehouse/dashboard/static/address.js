// What is looked at lives in the address, so that a link, a bookmark and the back button restore it.

const FILTER = "f.";
export const RANGES = ["1h", "24h", "7d", "30d", "90d"];

export function read() {
  const said = new URLSearchParams(location.search);
  const filters = {};
  for (const [name, value] of said) if (name.startsWith(FILTER)) (filters[name.slice(2)] ??= []).push(value);
  return {
    page: said.get("page") || "overview",
    range: said.get("range") || (said.get("from") ? "" : "7d"),
    from: said.get("from"), to: said.get("to"),
    compare: said.get("compare") === "1",
    live: said.get("live") === "1",
    window: said.get("window") || "30",
    filters,
  };
}

export function scope(view) {
  const found = new URLSearchParams();
  if (view.range) found.set("range", view.range);
  else { found.set("from", view.from); found.set("to", view.to); }
  if (view.window !== "30") found.set("window", view.window);
  for (const name of Object.keys(view.filters).sort()) for (const value of view.filters[name]) found.append(FILTER + name, value);
  return found;
}

export function link(view) {
  const found = new URLSearchParams({ page: view.page });
  for (const [name, value] of scope(view)) found.append(name, value);
  if (view.compare) found.set("compare", "1");
  if (view.live) found.set("live", "1");
  return `?${found}`;
}
