// A chart over days, drawn by uPlot, which is fetched when there is a chart; the same numbers as a table below it.
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { useStore } from "../core/store.js";
import { t } from "../strings.js";
import { Table } from "./page.js";

const base = new URL("../../vendor/", import.meta.url);
let fetched = null;

function uPlotOf() {
  fetched ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${base}uPlot.min.css` });
    const script = Object.assign(document.createElement("script"), { src: `${base}uPlot.iife.min.js` });
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = () => {
      fetched = null;
      reject(new Error("uPlot"));
    };
    document.head.append(style, script);
  });
  return fetched;
}

const STROKES = ["--accent", "--warn", "--bad"];
const DASHES = [[], [6, 3], [2, 3]]; // not by colour alone

/** x: seconds since 1970; series: [{name, values, show}]. */
export function Chart({ title, x, series, bars }) {
  const place = useRef(null);
  const [failed, setFailed] = useState(false);
  const theme = useStore((state) => state.side && document.documentElement.dataset.theme);
  const dark = useDark();
  const shown = JSON.stringify([x, series.map((one) => one.values)]);
  useEffect(() => {
    let plot = null;
    let gone = false;
    let look = null;
    uPlotOf().then(
      (uPlot) => {
        if (gone) return;
        plot = new uPlot(optionsOf(uPlot, place.current, series, bars), [x, ...series.map((one) => one.values)], place.current);
        look = new ResizeObserver(() => plot.setSize({ width: place.current.clientWidth, height: 190 }));
        look.observe(place.current);
      },
      () => setFailed(true),
    );
    return () => {
      gone = true;
      look?.disconnect();
      plot?.destroy();
    };
  }, [shown, theme, dark]);
  const columns = [
    { name: t("chart.day"), of: (row) => new Date(x[row] * 1000).toISOString().slice(0, 10) },
    ...series.map((one) => ({ name: one.name, right: true, of: (row) => one.show(one.values[row]) })),
  ];
  const rows = x.map((_, n) => n).filter((n) => series.some((one) => one.values[n])).reverse();
  return html`<figure class="chart">
    <figcaption>${title}${series.length > 1 && html`<span class="legend">${series.map(
      (one, n) => html`<span class=${`legend-${n}`}>${one.name}</span>`,
    )}</span>`}</figcaption>
    <div class="plot" ref=${place} role="img" aria-label=${t("chart.label", { title })}></div>
    ${failed && html`<p class="hint">${t("chart.failed")}</p>`}
    <details><summary>${t("chart.table")}</summary><${Table} label=${title} columns=${columns} rows=${rows} /></details>
  </figure>`;
}

function useDark() {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const wish = matchMedia("(prefers-color-scheme: dark)");
    const look = () => setDark(wish.matches);
    wish.addEventListener("change", look);
    return () => wish.removeEventListener("change", look);
  }, []);
  return dark;
}

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7, 1e8];

function optionsOf(uPlot, box, series, bars) {
  const whole = series.every((one) => one.values.every((value) => value === null || Number.isInteger(value)));
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(name).trim();
  const axis = { stroke: colour("--ink-3"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px Inter, sans-serif" };
  return {
    width: box.clientWidth,
    height: 190,
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 8, 0, 0],
    scales: { x: { range: (_, low, high) => (bars ? [low - 43_200, high + 43_200] : [low - 20_000, high + 20_000]) }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 56, values: (_, marks) => marks.map((mark) => new Date(mark * 1000).toISOString().slice(5, 10)) },
      { ...axis, size: (_, marks) => 14 + 6.3 * Math.max(1, ...(marks || []).map((mark) => mark.length)), incrs: whole ? WHOLE : undefined,
        values: (_, marks) => marks.map((mark) => series[0].show(mark)) },
    ],
    series: [
      {},
      ...series.map((one, n) => ({
        label: one.name,
        stroke: colour(STROKES[n]),
        fill: bars ? colour("--accent") : undefined,
        width: bars ? 0 : 1.8,
        dash: DASHES[n],
        points: { show: !bars, size: 5 },
        spanGaps: true,
        paths: bars ? uPlot.paths.bars({ size: [0.66, 28] }) : undefined,
      })),
    ],
  };
}
