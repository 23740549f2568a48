// A chart over days, loaded when it is first needed, with its numbers as a table for everyone who cannot see it.
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { theme } from "../state";
import { count } from "./text";

export interface Series {
  name: string;
  /** The name of a custom property with the colour. */
  color: string;
  values: number[];
}

const HEIGHT = 220;

export function Chart({ label, days, series }: { label: string; days: string[]; series: Series[] }) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = theme.value;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let plot: uPlot | undefined;
    let gone = false;
    let draw = () => {};
    void import("./plot").then(({ makePlot }) => {
      if (gone) return;
      draw = () => {
        plot?.destroy();
        plot = makePlot(element, days, series, HEIGHT);
      };
      draw();
    });
    const resized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => draw();
    dark.addEventListener("change", redraw);
    return () => {
      gone = true;
      resized.disconnect();
      dark.removeEventListener("change", redraw);
      plot?.destroy();
    };
  }, [JSON.stringify([days, series]), scheme]);
  return (
    <figure class="chart">
      <ul class="legend" aria-hidden="true">
        {series.map((one) => (
          <li class={one.color}>{one.name}</li>
        ))}
      </ul>
      <div ref={box} class="plot" role="img" aria-label={`${label}. The numbers follow as a table.`} />
      <details>
        <summary>Numbers</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`${label}, as a table`}>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Day (UTC)</th>
                {series.map((one) => (
                  <th scope="col" class="numeric">
                    {one.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {days.map((day, index) => (
                <tr>
                  <th scope="row">{day}</th>
                  {series.map((one) => (
                    <td class="numeric">{count(one.values[index] ?? 0)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
