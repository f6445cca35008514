// A picture on a canvas: axes, lines, points, a map of heights. What it is told is in the units of the data.

import { Layers } from "./layers.js";

const MARGIN = { left: 58, right: 14, top: 10, bottom: 38 };

let known = new Map(), knownTheme = null;

/** The colour of a name in the page's style, such as "descent"; looked up once for each theme. */
export function colour(name) {
  const theme = document.documentElement.dataset.theme;
  if (theme !== knownTheme) { known = new Map(); knownTheme = theme; }
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || name);
  return known.get(name);
}

/** A number as it is shown: at most so many significant digits. */
export function shown(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 10 ** Math.max(6, digits) || size < 1e-4 ? value.toExponential(Math.min(digits - 1, 3)) : String(Number(value.toPrecision(digits)));
  return text.replace(/e\+?(-?)(\d+)/, "e$1$2").replaceAll("-", "−");
}

export class Chart {
  constructor(canvas) {
    this.layers = new Layers(canvas, MARGIN);
    this.pen = this.layers.pens[0];
  }

  /** Set the ranges; logX, logY: whether an axis is logarithmic; names: of the whole numbers across. Returns whether there is anything to draw on. */
  frame({ x, y, across, up, logX = false, logY = false, names = null }) {
    this.pen = this.layers.pens[0];
    if (!this.layers.fit()) return false;
    ({ width: this.width, height: this.height } = this.layers);
    const at = (range, log) => (log ? range.map((value) => Math.log10(Math.max(value, 1e-300))) : range);
    [this.x0, this.x1] = widened(at(x, logX)); [this.y0, this.y1] = widened(at(y, logY));
    this.logX = logX; this.logY = logY; this.names = names; this.across = across; this.up = up;
    this.left = MARGIN.left; this.right = this.width - MARGIN.right;
    this.top = MARGIN.top; this.bottom = this.height - MARGIN.bottom;
    return true;
  }

  px(x) { return this.left + ((this.logX ? Math.log10(x) : x) - this.x0) / (this.x1 - this.x0) * (this.right - this.left); }
  py(y) { return this.bottom - ((this.logY ? Math.log10(y) : y) - this.y0) / (this.y1 - this.y0) * (this.bottom - this.top); }
  /** The data's units at a place of the canvas. */
  at(px, py) {
    const x = this.x0 + (px - this.left) / (this.right - this.left) * (this.x1 - this.x0);
    const y = this.y0 + (this.bottom - py) / (this.bottom - this.top) * (this.y1 - this.y0);
    return [this.logX ? 10 ** x : x, this.logY ? 10 ** y : y];
  }

  /** Grid, ticks and names of the axes. */
  axes() {
    const pen = this.pen;
    pen.font = "11px system-ui, sans-serif"; pen.lineWidth = 1; pen.textBaseline = "middle";
    const grid = colour("grid"), faint = colour("faint");
    const across = this.names?.map((text, at) => ({ at, text: cut(pen, text, (this.right - this.left) / this.names.length) }));
    for (const tick of across ?? ticks(this.x0, this.x1, this.logX, (this.right - this.left) / 48)) {
      const px = this.left + (tick.at - this.x0) / (this.x1 - this.x0) * (this.right - this.left);
      stroke(pen, grid, px, this.top, px, this.bottom);
      pen.fillStyle = faint; pen.textAlign = "center"; pen.fillText(tick.text, px, this.bottom + 11);
    }
    for (const tick of ticks(this.y0, this.y1, this.logY, (this.bottom - this.top) / 32)) {
      const py = this.bottom - (tick.at - this.y0) / (this.y1 - this.y0) * (this.bottom - this.top);
      stroke(pen, grid, this.left, py, this.right, py);
      pen.fillStyle = faint; pen.textAlign = "right"; pen.fillText(tick.text, this.left - 6, py);
    }
    pen.fillStyle = colour("ink"); pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center"; pen.fillText(cut(pen, this.across, this.right - this.left), (this.left + this.right) / 2, this.height - 9);
    pen.save(); pen.translate(10, (this.top + this.bottom) / 2); pen.rotate(-Math.PI / 2);
    pen.fillText(cut(pen, this.up, this.bottom - this.top), 0, 0); pen.restore();
  }

  /** What is drawn from now on moves: it is drawn on an empty layer above the rest. */
  move() { this.pen = this.layers.pens[1]; this.layers.clear(); }

  /** Draw within the axes only. */
  clipped(draw) {
    this.pen.save(); this.pen.beginPath();
    this.pen.rect(this.left, this.top, this.right - this.left, this.bottom - this.top);
    this.pen.clip(); draw(); this.pen.restore();
  }

  line(x, y, { stroke: paint = "descent", width = 2, dash = [], alpha = 1, count = x.length } = {}) {
    const pen = this.pen;
    this.clipped(() => {
      pen.strokeStyle = colour(paint); pen.lineWidth = width; pen.setLineDash(dash); pen.globalAlpha = alpha; pen.lineJoin = "round";
      pen.beginPath();
      let begun = false;
      for (let i = 0; i < count; i++) {
        const px = this.px(x[i]), py = this.py(y[i]);
        if (!Number.isFinite(px) || !Number.isFinite(py)) { begun = false; continue; }
        const near = Math.max(-1e5, Math.min(1e5, py));
        if (begun) pen.lineTo(px, near); else pen.moveTo(px, near);
        begun = true;
      }
      pen.stroke();
    });
  }

  points(x, y, { fill = "data", size = 3, alpha = 0.75, ring = null, fills = null } = {}) {
    const paints = new Map([...new Set(fills ?? [fill])].map((name) => [name, dot(colour(name), size, ring && colour(ring), this.layers.ratio)]));
    const half = size + 2;
    this.clipped(() => {
      this.pen.globalAlpha = alpha;
      for (let i = 0; i < x.length; i++) {
        const px = this.px(x[i]), py = this.py(y[i]);
        if (px > -half && px < this.width + half && py > -half && py < this.height + half) this.pen.drawImage(paints.get(fills ? fills[i] : fill), px - half, py - half, 2 * half, 2 * half);
      }
    });
  }

  /** Heights `[rows, columns]` as colours, the first row at the bottom; shade: 0…1 → [r, g, b]. */
  map(values, columns, rows, shade) {
    const image = new ImageData(columns, rows), bytes = image.data;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const place = 4 * ((rows - 1 - r) * columns + c), [red, green, blue] = shade(values[r * columns + c]);
      bytes[place] = red; bytes[place + 1] = green; bytes[place + 2] = blue; bytes[place + 3] = 255;
    }
    const small = document.createElement("canvas"); small.width = columns; small.height = rows;
    small.getContext("2d").putImageData(image, 0, 0);
    this.clipped(() => {
      this.pen.imageSmoothingEnabled = true; this.pen.imageSmoothingQuality = "high";
      this.pen.drawImage(small, this.left, this.top, this.right - this.left, this.bottom - this.top);
    });
  }

  mark(x, y, { fill = "exact", shape = "circle", size = 6 } = {}) {
    const pen = this.pen, px = this.px(x), py = this.py(y);
    if (!Number.isFinite(px) || !Number.isFinite(py)) return;
    this.clipped(() => {
      pen.fillStyle = colour(fill); pen.strokeStyle = colour("paper"); pen.lineWidth = 2; pen.beginPath();
      if (shape === "star") for (let i = 0; i < 10; i++) {
        const far = i % 2 ? size * 0.45 : size * 1.25, turn = Math.PI * (i / 5 - 0.5);
        pen[i ? "lineTo" : "moveTo"](px + far * Math.cos(turn), py + far * Math.sin(turn));
      } else if (shape === "square") pen.rect(px - size + 1, py - size + 1, 2 * size - 2, 2 * size - 2);
      else pen.arc(px, py, size, 0, 7);
      pen.closePath(); pen.stroke(); pen.fill();
    });
  }

  arrow(x0, y0, x1, y1, paint) {
    const pen = this.pen, a = this.px(x0), b = this.py(y0), c = this.px(x1), d = this.py(y1);
    const far = Math.hypot(c - a, d - b);
    if (!(far > 3)) return;
    const turn = Math.atan2(d - b, c - a);
    this.clipped(() => {
      pen.strokeStyle = pen.fillStyle = colour(paint); pen.lineWidth = 2; pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke();
      pen.beginPath(); pen.moveTo(c, d);
      for (const side of [2.6, -2.6]) pen.lineTo(c + 9 * Math.cos(turn + side), d + 9 * Math.sin(turn + side));
      pen.fill();
    });
  }
}

const dots = new Map();

/** A point as a picture of its own, made once: a thousand of them are put down faster than they are drawn. */
function dot(paint, size, ring, ratio) {
  const name = [paint, size, ring, ratio].join();
  if (dots.has(name)) return dots.get(name);
  const one = document.createElement("canvas"), pen = one.getContext("2d"), half = size + 2;
  one.width = one.height = Math.ceil(2 * half * ratio);
  pen.scale(one.width / (2 * half), one.width / (2 * half));
  pen.fillStyle = paint; pen.beginPath(); pen.arc(half, half, size, 0, 7); pen.fill();
  if (ring) { pen.strokeStyle = ring; pen.lineWidth = 1.5; pen.stroke(); }
  dots.set(name, one);
  return one;
}

function stroke(pen, paint, x0, y0, x1, y1) {
  pen.strokeStyle = paint; pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke();
}

function widened([low, high]) {
  if (high > low) return [low, high];
  const by = Math.abs(low) * 0.1 || 1;
  return [low - by, high + by];
}

/** Places of ticks, on a log axis at powers of ten (or 2 and 5 times them where there are few). */
function ticks(low, high, log, most) {
  if (log) {
    const every = Math.max(1, Math.ceil((high - low) / Math.max(2, most)));
    const found = [];
    for (let power = Math.ceil(low); power <= high; power++) if (power % every === 0) found.push({ at: power, text: power >= -3 && power <= 4 ? shown(10 ** power) : `1e${power}`.replace("-", "−") });
    if (found.length > 1) return found;
    return [1, 2, 5].flatMap((part) => [Math.floor(low), Math.ceil(high)].map((power) => ({ at: power + Math.log10(part), text: shown(part * 10 ** power) })))
      .filter((tick) => tick.at >= low && tick.at <= high);
  }
  const rough = (high - low) / Math.max(2, Math.min(8, most)), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= 0.75 * rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) {
    const near = Math.abs(at) < step * 1e-9 ? 0 : at;
    found.push({ at: near, text: shown(Number(near.toPrecision(10)), 6) });
  }
  return found;
}

function cut(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  while (text.length > 3 && pen.measureText(`${text}…`).width > width) text = text.slice(0, -1);
  return `${text}…`;
}

/** From least to most, with a little room; over numbers only. */
export function range(...lists) {
  let low = Infinity, high = -Infinity;
  for (const list of lists) for (const value of list ?? []) if (Number.isFinite(value)) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return [0, 1];
  const room = 0.04 * (high - low) || Math.abs(low) * 0.05 || 0.5;
  return [low - room, high + room];
}
