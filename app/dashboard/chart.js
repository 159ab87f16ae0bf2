/** Curves, drawn by uPlot; it is loaded with the first chart. */

import { h } from "./dom.js";

const LIBRARY = "/dashboard/vendor/uplot-1.6.32.min";
let loading;

function library() {
  loading ??= new Promise((done, failed) => {
    document.head.append(h("link", { rel: "stylesheet", href: `${LIBRARY}.css` }));
    document.head.append(
      h("script", { src: `${LIBRARY}.js`, onload: () => done(window.uPlot), onerror: failed }),
    );
  });
  return loading;
}

/** Colours of lines that differ for colour-blind eyes, too (Okabe and Ito 2008), and dashes. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7f00", "#7a7a7a"];
const DASHES = [[], [6, 4], [2, 3]];

/**
 * A chart in `place`: `lines` is `[{ name, points: [[x, y], …], dots }]`; y null is a gap.
 * Returns `{ update(lines), destroy() }`; a chart follows its place's width.
 */
export async function chart(place, { title, xLabel = "step", yLabel = "", logX = false, logY = false, height = 260 }, lines) {
  const uPlot = await library();
  let drawn;
  let shown = lines;
  const axis = (label, isLog, extra = {}) => {
    const line = { stroke: colour(place, "--line"), width: 1, ...(isLog && { filter: decades }) };
    return {
      label, stroke: colour(place, "--soft"), labelSize: 20, font: "12px system-ui", labelFont: "12px system-ui",
      grid: line, ticks: line, values: (_, values) => values.map(short), ...(isLog && { filter: decades }), ...extra,
    };
  };
  const build = () => {
    drawn?.destroy();
    const options = {
      width: Math.max(240, place.clientWidth),
      height,
      scales: { x: { time: false, distr: logX ? 3 : 1 }, y: { distr: logY ? 3 : 1 } },
      axes: [axis(xLabel, logX), axis(yLabel, logY, { size: 52 })],
      cursor: { drag: { x: true, y: false } },
      legend: { live: true },
      series: [
        { label: xLabel, value: (_, value) => short(value) },
        ...shown.map((line, index) => ({
          label: line.name,
          value: (_, value) => (value == null ? "" : String(Number(value.toPrecision(4)))),
          stroke: COLOURS[index % COLOURS.length],
          dash: DASHES[Math.floor(index / COLOURS.length) % DASHES.length],
          width: 2,
          spanGaps: true,
          points: { show: line.dots || line.points.length < 3, size: 5 },
        })),
      ],
    };
    place.replaceChildren();
    drawn = new uPlot(options, joined(uPlot, shown), place);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", described(title, shown));
  };
  const resized = new ResizeObserver(() => drawn?.setSize({ width: Math.max(240, place.clientWidth), height }));
  build();
  resized.observe(place);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("themechange", build);
  dark.addEventListener("change", build);
  return {
    update(next) {
      const same = next.length === shown.length && next.every((line, at) => line.name === shown[at].name);
      shown = next;
      if (same) drawn.setData(joined(uPlot, shown));
      else build();
      place.setAttribute("aria-label", described(title, shown));
    },
    destroy() {
      resized.disconnect();
      removeEventListener("themechange", build);
      dark.removeEventListener("change", build);
      drawn?.destroy();
    },
  };
}

/** A colour of the style sheet as a canvas takes it: its own `light-dark()` is no colour there. */
function colour(place, name) {
  const probe = place.appendChild(h("span"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Of the marks of a logarithmic axis, the powers of ten. */
const decades = (_, values) => values.map((value) => (value && Number.isInteger(Number(Math.log10(value).toFixed(9))) ? value : null));

/** A number as an axis shows it: 0.5, 1e-5, 400k. */
function short(value) {
  if (value == null) return "";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return size >= 1e4 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

/** The lines as columns over one x. */
function joined(uPlot, lines) {
  const tables = lines.map(({ points }) => [points.map(([x]) => x), points.map(([, y]) => y)]);
  return tables.length ? uPlot.join(tables) : [[]];
}

/** The chart in words, for those who do not see it. */
function described(title, lines) {
  const ends = lines.filter(({ points }) => points.length).map(({ name, points }) => {
    const [x, y] = points.at(-1);
    return `${name} ${y == null ? "not a number" : Number(y.toPrecision(4))} at ${x}`;
  });
  return `${title}: ${ends.join("; ") || "no points yet"}`;
}
