// Charts, drawn by Apache ECharts. Colours are those of Okabe and Ito, told apart with any kind of colour blindness.

import { figure, shown, wall } from "./format.js";

const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C", "#B8A800"];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const utc = (wall) => Date.parse(`${wall.replace(" ", "T")}Z`);

function base() {
  const ink = css("--ink"), faint = css("--line");
  const axis = { axisLine: { lineStyle: { color: faint } }, axisLabel: { color: css("--soft") }, splitLine: { lineStyle: { color: faint } } };
  return {
    ink, axis,
    option: {
      color: COLOURS, animation: false, useUTC: true, textStyle: { fontFamily: "inherit", color: ink },
      grid: { left: 8, right: 14, top: 34, bottom: 6, containLabel: true },
      legend: { type: "scroll", top: 0, left: 0, icon: "roundRect", itemWidth: 12, itemHeight: 8, textStyle: { color: ink }, pageTextStyle: { color: ink } },
      aria: { enabled: true, decal: { show: false } },
      tooltip: { confine: true, backgroundColor: css("--paper"), borderColor: faint, textStyle: { color: ink, fontSize: 12 } },
    },
  };
}

export function draw(element, panel, data, context) {
  const chart = echarts.getInstanceByDom(element) || echarts.init(element, null, { renderer: "canvas" });
  const option = { bars: overTime, line: overTime, bar: ranked, heatmap: heat, map: cells }[panel.kind](panel, data, context, element);
  chart.setOption(option, true);
  chart.off("click");
  chart.on("click", (at) => at.data?.row && context.chosen(at.data.row));
  return chart;
}

const column = (data, name) => data.columns.indexOf(name);

function overTime(panel, data, context) {
  const { option, axis, ink } = base();
  const [kpi, group] = [context.kpis[panel.kpis[0]], panel.by.find((name) => name !== "time")];
  const at = { wall: column(data, "wall"), time: column(data, "time"), group: group ? column(data, group) : -1 };
  const bars = panel.kind === "bars";
  const names = group ? [...new Set(data.rows.map((row) => row[at.group]))] : panel.kpis;
  const totals = new Map(names.map((name) => [name, 0]));
  if (group) data.rows.forEach((row) => totals.set(row[at.group], totals.get(row[at.group]) + Number(row[column(data, kpi.name)])));
  if (group) names.sort((a, b) => totals.get(b) - totals.get(a));
  // Stacks are right only where every series has every bucket: what is not there is 0.
  const buckets = bars ? [...new Set(data.rows.map((row) => row[at.wall]))].sort() : [];
  const series = names.map((name) => {
    const value = column(data, group ? kpi.name : name);
    const rows = group ? data.rows.filter((row) => row[at.group] === name) : data.rows;
    return {
      name: group ? shown(name, context.type(panel.cube, group)) : context.kpis[name].title,
      type: bars ? "bar" : "line", stack: bars ? "all" : undefined, barMaxWidth: 40, showSymbol: rows.length < 40, symbolSize: 6, connectNulls: false,
      data: bars ? filled(rows, buckets, at.wall, value) : rows.map((row) => point(row, at.wall, value)),
    };
  });
  if (data.before?.length) series.push(before(panel, data, kpi, at, context));
  if (series[0] && context.marks.length) series[0].markLine = marks(context.marks, data, ink);
  return {
    ...option, series,
    legend: { ...option.legend, show: series.length > 1 },
    grid: { ...option.grid, top: series.length > 1 ? 34 : 12 },
    xAxis: { type: "time", min: utc(wall(data.from)), max: utc(wall(data.to)), ...axis, splitLine: { show: false } },
    yAxis: { type: "value", scale: !bars, ...axis, axisLabel: { ...axis.axisLabel, formatter: (n) => figure(n, kpi.unit, "", true) } },
    tooltip: { ...option.tooltip, trigger: "axis", axisPointer: { type: bars ? "shadow" : "line" }, valueFormatter: (n) => figure(n, kpi.unit, data.money) },
  };
}

const point = (row, at, value) => ({ value: [utc(row[at]), row[value] === null ? null : Number(row[value])], row });

function filled(rows, buckets, at, value) {
  const known = new Map(rows.map((row) => [row[at], row]));
  return buckets.map((bucket) => (known.has(bucket) ? point(known.get(bucket), at, value) : { value: [utc(bucket), 0] }));
}

// The period before, moved onto this one: one dashed line, of stacked bars their sum.
function before(panel, data, kpi, at, context) {
  const moved = (data.from - data.before_from) * 1000, value = column(data, kpi.name), sums = new Map();
  for (const row of data.before) {
    const when = utc(row[at.wall]) + moved;
    sums.set(when, (sums.get(when) ?? 0) + Number(row[value]));
  }
  return { name: "period before", type: "line", showSymbol: false, lineStyle: { type: "dashed", width: 1.5, color: "#8C8C8C" }, itemStyle: { color: "#8C8C8C" }, data: [...sums].sort((a, b) => a[0] - b[0]).map((one) => ({ value: one })) };
}

function marks(notable, data, ink) {
  const within = notable.filter((one) => one.at >= data.from && one.at < data.to).slice(-12);
  return {
    symbol: ["none", "pin"], symbolSize: 14, silent: false, lineStyle: { color: ink, type: "dotted", opacity: 0.6 }, label: { show: false },
    emphasis: { label: { show: true, formatter: (one) => one.name, color: ink } },
    data: within.map((one) => ({ name: one.says, xAxis: utc(one.wall) })),
  };
}

function ranked(panel, data, context) {
  const { option, axis } = base();
  const kpi = context.kpis[panel.kpis[0]], value = column(data, kpi.name), group = column(data, panel.by[0]);
  const rows = [...data.rows].reverse(), type = context.type(panel.cube, panel.by[0]);
  const earlier = new Map((data.before ?? []).map((row) => [row[group], Number(row[value])]));
  const chosen = context.filters[panel.by[0]] ?? [];
  const series = [{
    name: kpi.title, type: "bar", barMaxWidth: 22,
    data: rows.map((row) => ({ value: row[value] === null ? null : Number(row[value]), row, itemStyle: { opacity: chosen.length && !chosen.includes(row[group]) ? 0.35 : 1 } })),
    label: { show: true, position: "right", color: css("--soft"), fontSize: 11, formatter: (one) => figure(one.value, kpi.unit, "", true) },
  }];
  if (data.before) series.push({ name: "period before", type: "scatter", symbol: "rect", symbolSize: [3, 14], itemStyle: { color: css("--ink") }, data: rows.map((row) => earlier.get(row[group]) ?? null) });
  const others = panel.kpis.slice(1).map((name) => [context.kpis[name], column(data, name)]);
  return {
    ...option, series, legend: { ...option.legend, show: Boolean(data.before) },
    grid: { ...option.grid, top: data.before ? 34 : 6, right: 60 },
    xAxis: { type: "value", ...axis, axisLabel: { ...axis.axisLabel, hideOverlap: true, formatter: (n) => figure(n, kpi.unit, "", true) } },
    yAxis: { type: "category", ...axis, data: rows.map((row) => shown(row[group], type)), axisTick: { show: false }, axisLabel: { ...axis.axisLabel, width: 120, overflow: "truncate" } },
    tooltip: { ...option.tooltip, trigger: "item", formatter: (one) => {
      if (!one.data?.row) return echarts.format.encodeHTML(`${one.seriesName}: ${figure(one.value, kpi.unit, data.money)}`);
      const told = [[kpi, value], ...others].map(([k, i]) => `${k.title}: ${figure(one.data.row[i], k.unit, data.money)}`);
      return [shown(one.data.row[group], type), ...told].map(echarts.format.encodeHTML).join("<br>");
    } },
  };
}

function heat(panel, data, context) {
  const { option, axis } = base();
  const kpi = context.kpis[panel.kpis[0]], value = column(data, kpi.name), [x, y] = panel.by.map((name) => column(data, name));
  const values = data.rows.map((row) => Number(row[value]));
  return {
    ...option, legend: { show: false }, grid: { ...option.grid, top: 6, bottom: 46 },
    xAxis: { type: "category", data: [...Array(24).keys()].map(String), ...axis, splitLine: { show: false } },
    yAxis: { type: "category", data: [7, 6, 5, 4, 3, 2, 1].map((day) => shown(day, "weekday")), ...axis, splitLine: { show: false } },
    visualMap: { min: 0, max: Math.max(1, ...values), orient: "horizontal", left: 0, bottom: 0, itemHeight: 120, itemWidth: 12, calculable: true, textStyle: { color: css("--soft") }, inRange: { color: [css("--cool"), "#56B4E9", "#0072B2", "#E69F00", "#D55E00"] }, formatter: (n) => figure(n, kpi.unit, "", true) },
    tooltip: { ...option.tooltip, formatter: (one) => echarts.format.encodeHTML(`${shown(one.data.row[y], "weekday")}, ${one.data.row[x]}:00 – ${figure(one.data.row[value], kpi.unit, data.money)}`) },
    series: [{ type: "heatmap", data: data.rows.map((row) => ({ value: [Number(row[x]), 7 - Number(row[y]), Number(row[value])], row })), emphasis: { itemStyle: { borderColor: css("--ink"), borderWidth: 1 } } }],
  };
}

// Degrees on both axes, a degree of longitude as long as it is at that latitude; no tiles from anywhere.
function cells(panel, data, context, element) {
  const { option, axis } = base();
  const kpi = context.kpis[context.colour ?? panel.kpis[1]], sized = context.kpis[panel.kpis[0]];
  const [lon, lat] = panel.position.map((name) => column(data, `m_${name}`)), value = column(data, kpi.name), weight = column(data, sized.name), group = column(data, panel.by[0]);
  const rows = data.rows.filter((row) => row[lon] !== null && row[lat] !== null);
  const most = Math.max(1, ...rows.map((row) => Number(row[weight])));
  const colours = kpi.better === "down" ? ["#56B4E9", "#E69F00", "#D55E00"] : ["#D55E00", "#E69F00", "#56B4E9"];
  const values = rows.map((row) => row[value]).filter((n) => n !== null).map(Number).sort((a, b) => a - b);
  const edge = (share) => values[Math.floor(share * (values.length - 1))] ?? 0;
  const [xs, ys] = [rows.map((row) => row[lon]), rows.map((row) => row[lat])];
  const box = { west: Math.min(...xs), east: Math.max(...xs), south: Math.min(...ys), north: Math.max(...ys) };
  const shape = Math.cos(((box.south + box.north) / 2) * Math.PI / 180), room = (element.clientWidth - 90) / (element.clientHeight - 90);
  const tall = Math.max(0.2, (box.north - box.south) * 1.1, ((box.east - box.west) * 1.1 * shape) / room), broad = (tall * room) / shape;
  const mid = { x: (box.west + box.east) / 2, y: (box.south + box.north) / 2 };
  const degrees = (letters) => (n) => `${Math.abs(n).toFixed(1)}° ${n < 0 ? letters[1] : letters[0]}`;
  return {
    ...option, legend: { show: false }, grid: { ...option.grid, top: 10, right: 70 },
    xAxis: { type: "value", min: mid.x - broad / 2, max: mid.x + broad / 2, ...axis, axisLabel: { ...axis.axisLabel, formatter: degrees("EW"), showMinLabel: false, showMaxLabel: false } },
    yAxis: { type: "value", min: mid.y - tall / 2, max: mid.y + tall / 2, ...axis, axisLabel: { ...axis.axisLabel, formatter: degrees("NS"), showMinLabel: false, showMaxLabel: false } },
    dataZoom: [{ type: "inside", xAxisIndex: 0, filterMode: "none" }, { type: "inside", yAxisIndex: 0, filterMode: "none" }],
    visualMap: { min: edge(0.02), max: Math.max(edge(0.98), edge(0.02) + 1e-9), dimension: 3, right: 0, top: "middle", itemWidth: 12, calculable: true, precision: 2, textStyle: { color: css("--soft") }, inRange: { color: colours }, formatter: (n) => figure(n, kpi.unit, "", true) },
    tooltip: { ...option.tooltip, formatter: (one) => [shown(one.data.row[group]), ...panel.by.slice(1).map((name) => shown(one.data.row[column(data, name)])), ...panel.kpis.map((name) => `${context.kpis[name].title}: ${figure(one.data.row[column(data, name)], context.kpis[name].unit, data.money)}`)].map(echarts.format.encodeHTML).join("<br>") },
    series: [{ type: "scatter", encode: { x: 0, y: 1 }, symbolSize: (n) => 4 + 18 * Math.sqrt(n[2] / most), itemStyle: { opacity: 0.8, borderColor: css("--paper"), borderWidth: 0.5 }, data: rows.map((row) => ({ value: [row[lon], row[lat], Number(row[weight]), row[value] === null ? null : Number(row[value])], row })) }],
  };
}
