import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Series } from "./chart";

/** Draws lines over days into an element, in the colours of the current theme. */
export function makePlot(element: HTMLElement, days: string[], series: Series[], height: number): uPlot {
  const style = getComputedStyle(element);
  // A custom property with light-dark() has a colour only once it is used.
  const probe = document.createElement("span");
  element.append(probe);
  const color = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const grid = color("line");
  const text = color("quiet");
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const dates = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  const short = new Intl.NumberFormat(undefined, { notation: "compact" });
  const options: uPlot.Options = {
    width: element.clientWidth || 300,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
    cursor: { y: false, points: { size: 6 } },
    legend: { show: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 4)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, values: (_, splits) => splits.map((at) => dates.format(at * 1_000)) },
      { ...axis, size: 48, values: (_, splits) => splits.map((n) => (Number.isInteger(n) ? short.format(n) : "")) },
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.name,
        stroke: color(one.color),
        width: 2,
        points: { show: days.length < 40, size: 5, fill: color(one.color) },
      })),
    ],
  };
  probe.remove();
  const plot = new uPlot(
    options,
    [days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1_000), ...series.map((one) => one.values)],
    element,
  );
  return plot;
}
