// Numbers, times and elements. Text only ever becomes text nodes, so that no value can become markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// What people typed anywhere may run right to left: each such text finds its own direction.
export const said = (text) => h("bdi", { dir: "auto" }, text);

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const fixed = (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const [one, two] = [fixed(1), fixed(2)];

export function figure(value, unit, money = "", short = false) {
  if (value === null || value === undefined || value === "") return "–";
  const n = Number(value);
  if (!Number.isFinite(n)) return String(value);
  switch (unit) {
    case "percent": return `${one.format(n)} %`;
    case "seconds": return `${one.format(n)} s`;
    case "minutes": return `${one.format(n)} min`;
    case "hours": return `${short && n >= 1e6 ? compact.format(n) : one.format(n)} h`;
    case "ms": return `${one.format(n)} ms`;
    case "dbm": return `${one.format(n)} dBm`;
    case "score": return two.format(n);
    case "money": return `${short && Math.abs(n) >= 1e6 ? compact.format(n) : two.format(n)} ${money}`;
    case "per_subscriber": return `${two.format(n)} ${money}`;
    default: return short && n >= 1e7 ? compact.format(n) : whole.format(n);
  }
}

export function ago(epoch) {
  if (!epoch) return "never";
  const s = Math.max(0, Date.now() / 1000 - epoch);
  return s < 90 ? `${Math.round(s)} s ago` : s < 5400 ? `${Math.round(s / 60)} min ago` : s < 172800 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86400)} days ago`;
}

export function size(bytes) {
  return bytes >= 1e9 ? `${one.format(bytes / 1e9)} GB` : bytes >= 1e6 ? `${one.format(bytes / 1e6)} MB` : `${whole.format(bytes / 1e3)} kB`;
}

// The operator's zone, not the browser's: a call of 23:30 belongs to the operator's day.
let clock = null;
export function useZone(zone) {
  clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
}
export const wall = (epoch) => clock.format(new Date(epoch * 1000));
const offset = (epoch) => Date.parse(`${wall(epoch).replace(" ", "T")}Z`) / 1000 - Math.floor(epoch);
export function epochOf(text) {
  const guess = Date.parse(`${text.length === 16 ? `${text}:00` : text}Z`) / 1000;
  return guess - offset(guess - offset(guess));
}

const DAYS = ["", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
export function shown(value, type = "text") {
  if (value === "" || value === null) return "unknown";
  if (type === "weekday") return DAYS[Number(value)] ?? value;
  return String(value);
}
