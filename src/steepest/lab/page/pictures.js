// The pictures of a descent. Each draws what `stays()`, then what `moves(i)` in frame i above it, and says its state as a `sentence(i)`.

import { Chart, colour, range, shown } from "./chart.js";
import { row } from "./ask.js";

const PINS = ["predicted", "test", "residual", "data"];
const CLASSES = ["data", "residual", "test", "exact", "predicted", "descent"];
const SHADES = {
  light: [[11, 55, 99], [29, 92, 148], [74, 138, 191], [134, 181, 218], [189, 216, 236], [226, 238, 247], [246, 250, 253]],
  dark: [[169, 212, 245], [114, 174, 222], [68, 133, 187], [42, 98, 148], [29, 70, 109], [23, 47, 72], [20, 29, 40]],
};

const key = (name, kind, text) => `<span class="key"><i class="${kind}" style="color:${colour(name)};border-color:${colour(name)}"></i>${text}</span>`;

/** The frame of another run at a step: the last that it had by then. */
function frameAt({ frames, last }, step) {
  let low = 0, high = last;
  while (low < high) { const middle = (low + high + 1) >> 1; if (frames.step[middle] <= step) low = middle; else high = middle - 1; }
  return low;
}

class Picture {
  constructor(figure) {
    this.figure = figure;
    this.caption = figure.querySelector("figcaption");
    this.state = figure.querySelector(".state");
    this.chart = new Chart(figure.querySelector("canvas"));
  }
  title(text, ...keys) { this.caption.innerHTML = `<span></span>${keys.filter(Boolean).join("")}`; this.caption.firstChild.textContent = text; }
  begin(run, pins) { this.run = run; this.pins = pins; this.drawn = this.stays(); }
  /** words: whether the sentence is to be that of this frame, too. */
  /** Take everything away. */
  empty() { this.run = null; this.drawn = false; this.chart.layers.fit(); this.say("Nothing is fitted yet."); }
  show(i, playing, words) {
    if (!this.drawn || (playing && !this.chart.layers.seen)) return;
    this.frame = i;
    this.chart.move();
    this.moves(i);
    if (words) this.say(this.sentence(i));
  }
  /** The pinned runs, each with its colour and its frame at the step of frame i; at the end of this run with its own last. */
  others(i) { return this.pins.map((pin, k) => [pin, PINS[k % 4], i === this.run.last ? pin.last : frameAt(pin, this.run.frames.step[i])]); }
  say(text) { if (this.state.textContent !== text) this.state.textContent = text; }
}

/** The rows and what the model says of them. */
export class DataPicture extends Picture {
  stays() {
    const { picture } = this.run;
    const one = picture.kind === "curve" || picture.kind === "probability";
    this.title(one ? "Data and fit" : picture.kind === "regions" ? "Classes and fit" : "Predicted and actual",
      ...(picture.codes && !one ? picture.labels.slice(0, 6).map((label, k) => key(CLASSES[k], "dot", escaped(label))) : [key("data", "dot", "rows")]), one && key("descent", "", "this step"), one && picture.exact && key("exact", "dashed", "exact answer"));
    const classed = picture.kind === "actual" && picture.codes ? picture.labels : null;
    this.fills = picture.codes && !one ? Array.from(picture.codes, (code) => CLASSES[code % CLASSES.length]) : null;
    const y = picture.kind === "curve" ? [picture.low, picture.high] : picture.kind === "probability" ? [-0.08, 1.08]
      : picture.kind === "regions" ? range(picture.y) : picture.codes ? [-0.05, 1.05] : [picture.low, picture.high];
    const x = classed ? [-0.5, classed.length - 0.5] : range(picture.x, picture.grid && one ? picture.grid : []);
    if (!this.chart.frame({ x, y, across: picture.across, up: picture.up, names: classed })) return false;
    this.chart.axes();
    const many = picture.x.length > 400;
    if (one) {
      this.chart.points(picture.x, picture.y, { size: many ? 2.5 : 3.5, alpha: many ? 0.4 : 0.75 });
      if (picture.exact) this.chart.line(picture.grid, picture.exact, { stroke: "exact", width: 2, dash: [7, 5] });
    }
    if (picture.kind === "actual" && !picture.codes) this.chart.line(y, y, { stroke: "exact", dash: [7, 5] });
    this.left = picture.total > picture.x.length ? ` ${picture.x.length.toLocaleString("en")} of ${picture.total.toLocaleString("en")} rows are drawn.` : "";
    this.tip = this.run.experiment.data === "drawing" ? " Click to add a point, drag to move, double-click to remove." : picture.kind === "curve" && picture.x.length <= 1000 ? " Drag a row to move it." : "";
    return true;
  }
  /** An empty plane, and the points on it so far. */
  plane(points) {
    this.run = null; this.drawn = false;
    this.title("Points of my own");
    if (!this.chart.frame({ x: [-1, 1], y: [-1, 1], across: "x", up: "y" })) return;
    this.chart.axes();
    this.chart.points(points.map(([x]) => x), points.map(([, y]) => y), { size: 3.5 });
    this.say("Click to put a point there; two are needed.");
  }
  moves(i) {
    const { picture, predicted } = this.run;
    if (picture.kind === "curve" || picture.kind === "probability") {
      for (const [pin, paint, at] of this.others(i)) if (pin.picture.kind === picture.kind) this.chart.line(pin.picture.grid, row(pin.picture.curves, at), { stroke: paint, width: 2, dash: [2, 4] });
      this.chart.line(picture.grid, row(picture.curves, i), { width: 3 });
    }
    if (picture.kind === "regions") {
      const side = picture.curves.shape[1], dark = document.documentElement.dataset.theme === "dark";
      const tints = CLASSES.map((name) => tint(colour(name), dark));
      this.chart.map(row(picture.curves, i), side, side, (code) => tints[code % tints.length]);
      this.chart.points(picture.x, picture.y, { fills: this.fills, alpha: 1, ring: "paper", size: 4 });
    }
    if (picture.kind === "actual") {
      const x = picture.codes ? Array.from(picture.codes, (code, k) => code + 0.5 * ((k * 0.618) % 1) - 0.25) : picture.x;
      this.chart.points(x, row(predicted, i), { size: 3, alpha: 0.6, fills: this.fills });
    }
  }
  sentence(i) { return `At step ${this.run.frames.step[i].toLocaleString("en")} the loss is ${shown(this.run.frames.objective[i])}.${this.left}${this.tip}`; }
}

function tint(text, dark) {
  const number = parseInt(text.slice(1), 16), parts = [number >> 16, (number >> 8) & 255, number & 255], paper = dark ? 18 : 255;
  return parts.map((part) => Math.round(0.28 * part + 0.72 * paper));
}

/** What is left between rows and model. */
export class ResidualPicture extends Picture {
  stays() {
    const { predicted, actual, picture } = this.run, classes = picture.codes !== null && picture.codes !== undefined;
    this.title(classes ? "Probability of each row's own class" : "Residuals", key("residual", "dot", classes ? "rows" : "actual − predicted"), this.run.picture.kind === "curve" && picture.exact && key("exact", "dashed", "exact answer"));
    const ends = [row(predicted, 0), row(predicted, this.run.last)];
    const column = picture.kind === "curve" || picture.kind === "probability";
    this.across = column ? picture.x : classes ? picture.index : null;
    this.classes = classes;
    const left = ends.map((said) => Array.from(said, (value, k) => (classes ? value : actual[k] - value)));
    const wide = range(left[1]), begun = range(left[0]);
    const reach = [Math.min(wide[0], Math.max(begun[0], wide[0] - 3 * (wide[1] - wide[0]))), Math.max(wide[1], Math.min(begun[1], wide[1] + 3 * (wide[1] - wide[0])))];
    const x = this.across ? range(this.across) : range(ends[1], classes ? [0, 1] : actual);
    if (!this.chart.frame({ x, y: classes ? [-0.05, 1.05] : reach, across: column ? picture.across : classes ? "row" : "predicted", up: classes ? "probability" : "residual" })) return false;
    this.chart.axes();
    this.chart.line(x, [classes ? 0.5 : 0, classes ? 0.5 : 0], { stroke: "axis", width: 1.5 });
    return true;
  }
  /** What is left of each row in frame i. */
  left(i) {
    const said = row(this.run.predicted, i), actual = this.run.actual;
    return this.classes ? said : said.map((value, k) => actual[k] - value);
  }
  moves(i) {
    const left = this.left(i), many = left.length > 400;
    const { kind, exact, grid, curves } = this.run.picture;
    if (kind === "curve" && exact) { const now = row(curves, i); this.chart.line(grid, exact.map((value, k) => value - now[k]), { stroke: "exact", dash: [7, 5] }); }
    this.chart.points(this.across ?? row(this.run.predicted, i), left, { fill: "residual", size: many ? 2.5 : 3.5, alpha: many ? 0.45 : 0.8 });
  }
  sentence(i) {
    const left = this.left(i), sizes = left.map(Math.abs).sort();
    return this.classes ? `${left.filter((value) => value < 0.5).length} of ${left.length} rows have less than half.` : `Half of the rows are within ${shown(sizes[sizes.length >> 1])}; the farthest is ${shown(sizes.at(-1))} away.`;
  }
}

/** Loss and gap, step by step. */
export class LossPicture extends Picture {
  stays() {
    const { frames, summary, words } = this.run, step = Array.from(frames.step);
    const fine = Array.from(frames.gap, (value) => (value > 0 ? value : NaN));
    this.gap = fine.filter(Number.isFinite).length > 1;
    this.values = this.gap ? fine : Array.from(frames.objective);
    this.title(this.gap ? "Gap to the exact answer" : `Loss (${words.loss})`, key("descent", "", "this run"), !this.gap && summary.exact_objective !== null && key("exact", "dashed", "exact answer"), ...this.pins.map((pin, k) => key(PINS[k % 4], "dashed", pin.label)));
    const others = this.pins.map((pin) => Array.from(this.gap ? pin.frames.gap : pin.frames.objective, (value) => (!this.gap || value > 0 ? value : NaN)));
    const all = [this.values, ...others], positive = all.every((list) => list.every((value) => !(value <= 0)));
    const best = this.gap ? null : summary.exact_objective;
    if (best !== null) all.push([best]);
    const [low, high] = range(...all), least = Math.min(...all.flat().filter((value) => value > 0));
    this.log = positive && (this.gap || high > 20 * least);
    const y = this.log ? [least * 0.7, Math.max(...all.flat().filter(Number.isFinite)) * 1.4] : [low, high];
    const x = range(step, ...this.pins.map((pin) => Array.from(pin.frames.step)));
    if (!this.chart.frame({ x: [0, Math.max(1, x[1])], y, across: "step", up: this.gap ? "gap F − F*" : "loss F", logY: this.log })) return false;
    this.chart.axes();
    others.forEach((list, k) => this.chart.line(Array.from(this.pins[k].frames.step), list, { stroke: PINS[k % 4], dash: [5, 4] }));
    this.chart.line(step, this.values, { stroke: "descent", width: 1.5, alpha: 0.35 });
    if (best !== null) this.chart.line(x, [best, best], { stroke: "exact", dash: [7, 5] });
    this.step = step; this.lists = others;
    return true;
  }
  moves(i) {
    this.chart.line(this.step, this.values, { width: 2.5, count: i + 1 });
    this.others(i).forEach(([pin, paint, at], k) => this.chart.mark(pin.frames.step[at], this.lists[k][at], { fill: paint, size: 5 }));
    this.chart.mark(this.step[i], this.values[i], { fill: "descent" });
  }
  sentence(i) {
    const gap = this.run.frames.gap[i];
    return `Loss ${shown(this.run.frames.objective[i], 6)}${Number.isFinite(gap) ? `, ${shown(Math.max(gap, 0))} above the best possible.` : "."}`;
  }
}

/** The surface of the loss, seen from above, and the path on it. */
export class SurfacePicture extends Picture {
  stays() {
    const surface = this.run.surface;
    if (!surface) { this.title("Loss surface"); this.say("A model with one parameter has no surface: see the loss."); return false; }
    this.title("Loss surface and path", key("descent", "", "path"), key("exact", "dot", "exact answer"), this.swept && key("predicted", "", "other learning rates"));
    const ends = (list) => [list[0], list[list.length - 1]];
    if (!this.chart.frame({ x: ends(surface.x), y: ends(surface.y), across: surface.labels[0], up: surface.labels[1] })) return false;
    this.chart.axes();
    const values = surface.values, [rows, columns] = values.shape;
    let low = Infinity; for (const value of values) if (value < low) low = value;
    const span = Math.max(surface.ceiling - low, 1e-300), shades = SHADES[document.documentElement.dataset.theme ?? "light"];
    this.chart.map(values, columns, rows, (value) => {
      const place = Math.sqrt(Math.max(0, Math.min(1, (value - low) / span))) * (shades.length - 1), k = Math.min(shades.length - 2, Math.floor(place));
      const a = shades[k], b = shades[k + 1], part = place - k;
      return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part];
    });
    this.contours(values, rows, columns, Array.from({ length: 9 }, (_, k) => low + span * ((k + 1) / 10) ** 2));
    for (const path of this.swept ?? []) if (path.shape[0] > 1) this.path(path, path.shape[0], { stroke: "predicted", width: 1, alpha: 0.3 });
    this.beside = (pin) => pin.surface && pin.surface.labels.join() === surface.labels.join() && surface.kind === "named";
    this.starts = surface.kind === "named" && this.run.names.length === 2;
    this.figure.classList.toggle("starts", this.starts);
    this.pins.forEach((pin, k) => { if (this.beside(pin)) this.path(pin.surface.place, pin.surface.place.shape[0], { stroke: PINS[k % 4], width: 2, dash: [4, 3] }); });
    for (const mark of surface.marks) if (mark.role === "exact") this.chart.mark(...mark.place, { fill: "exact", shape: "star", size: 7 });
    this.path(surface.place, surface.place.shape[0], { width: 1.2, alpha: 0.35 });
    return true;
  }
  path(place, count, style) {
    const x = new Float64Array(count), y = new Float64Array(count);
    for (let i = 0; i < count; i++) { x[i] = place[2 * i]; y[i] = place[2 * i + 1]; }
    this.chart.line(x, y, style);
  }
  /** Lines of equal height, by marching squares. */
  contours(values, rows, columns, levels) {
    const { x, y } = this.run.surface, pen = this.chart.pen, chart = this.chart;
    chart.clipped(() => {
      pen.strokeStyle = colour("ink"); pen.globalAlpha = 0.16; pen.lineWidth = 1; pen.beginPath();
      for (let r = 0; r + 1 < rows; r++) for (let c = 0; c + 1 < columns; c++) {
        const k = r * columns + c, a = values[k], b = values[k + 1], d = values[k + columns], e = values[k + columns + 1];
        const low = Math.min(a, b, d, e), high = Math.max(a, b, d, e), dx = x[c + 1] - x[c], dy = y[r + 1] - y[r];
        for (const level of levels) {
          if (!(low < level && level <= high)) continue;
          const cut = [], between = (p, q) => (level - p) / (q - p);
          if ((a < level) !== (b < level)) cut.push([x[c] + dx * between(a, b), y[r]]);
          if ((a < level) !== (d < level)) cut.push([x[c], y[r] + dy * between(a, d)]);
          if ((b < level) !== (e < level)) cut.push([x[c + 1], y[r] + dy * between(b, e)]);
          if ((d < level) !== (e < level)) cut.push([x[c] + dx * between(d, e), y[r + 1]]);
          for (let k = 0; k + 1 < cut.length; k += 2) { pen.moveTo(chart.px(cut[k][0]), chart.py(cut[k][1])); pen.lineTo(chart.px(cut[k + 1][0]), chart.py(cut[k + 1][1])); }
        }
      }
      pen.stroke();
    });
  }
  moves(i) {
    const { surface, frames, names } = this.run, place = surface.place, at = [place[2 * i], place[2 * i + 1]];
    this.path(place, i + 1, { width: 2.5 });
    if (frames.gradient && surface.kind === "named") {
      const places = surface.labels.map((name) => names.indexOf(name)), slope = row(frames.gradient, i);
      if (places.every((place) => place >= 0)) {
        const way = places.map((place) => -slope[place]), far = Math.hypot(way[0] / (this.chart.x1 - this.chart.x0), way[1] / (this.chart.y1 - this.chart.y0));
        if (far > 0) this.chart.arrow(...at, at[0] + 0.14 * way[0] / far, at[1] + 0.14 * way[1] / far, "residual");
      }
    }
    for (const [pin, paint, k] of this.others(i)) if (this.beside(pin)) this.chart.mark(pin.surface.place[2 * k], pin.surface.place[2 * k + 1], { fill: paint, size: 5 });
    this.chart.mark(...at, { fill: "descent" });
  }
  sentence(i) {
    const { labels, place, notes } = this.run.surface;
    return `${labels[0]} ${shown(place[2 * i])}, ${labels[1]} ${shown(place[2 * i + 1])}. ${notes[0] ?? ""}${this.starts ? " Click to start there." : ""}`;
  }
}

/** Each parameter, step by step, and where it should come to. */
export class ParameterPicture extends Picture {
  stays() {
    const { frames, names, exact } = this.run, count = Math.min(names.length, 6);
    this.title("Parameters", ...names.slice(0, count).map((name, k) => key([...CLASSES][k], "", escaped(name))), exact && key("exact", "dashed", "exact"));
    this.columns = Array.from({ length: count }, (_, k) => Float64Array.from({ length: frames.step.length }, (_, i) => frames.theta[i * names.length + k]));
    const goals = exact ? Array.from(exact.subarray(0, count)) : [];
    if (!this.chart.frame({ x: [0, Math.max(1, frames.step[this.run.last])], y: range(...this.columns, goals), across: "step", up: "value" })) return false;
    this.chart.axes();
    for (const goal of goals) this.chart.line([0, frames.step[this.run.last]], [goal, goal], { stroke: "exact", width: 1.5, dash: [6, 5] });
    this.columns.forEach((column, k) => this.chart.line(frames.step, column, { stroke: CLASSES[k], width: 1.5, alpha: 0.35 }));
    return true;
  }
  moves(i) {
    const { frames } = this.run;
    this.columns.forEach((column, k) => { this.chart.line(frames.step, column, { stroke: CLASSES[k], width: 2.5, count: i + 1 }); this.chart.mark(frames.step[i], column[i], { fill: CLASSES[k], size: 5 }); });
  }
  sentence(i) {
    const { frames, names, exact } = this.run;
    if (!exact || !frames.digits) return `${names.length.toLocaleString("en")} parameters; no exact answer is known.`;
    const digits = Array.from(row(frames.digits, i), Math.floor), many = (count) => `${count} ${count === 1 ? "digit" : "digits"}`;
    if (digits.some(Number.isNaN)) return "Nothing agrees with the exact answer any longer.";
    if (names.length > 3) return `At least ${many(Math.min(...digits))} of every parameter agree with the exact answer.`;
    return `${names.map((name, k) => `${many(digits[k])} of ${name}`).join(", ")} agree with the exact answer.`;
  }
}

/** Where each learning rate ended. */
export class RatesPicture extends Picture {
  stays() {
    const runs = this.run.runs, gap = runs.some((one) => one.gap !== null);
    this.title("Where each learning rate ends", key("predicted", "dot", "runs"), key("descent", "dot", "diverged"));
    const value = (one) => (gap ? one.gap : one.objective);
    const fine = runs.filter((one) => one.status !== "diverged" && value(one) > 0), worst = Math.max(...fine.map(value));
    if (!fine.length || !this.chart.frame({ x: [runs[0].lr, runs.at(-1).lr], y: [Math.min(...fine.map(value)) * 0.5, worst * 3], across: "learning rate", up: gap ? "gap at the end" : "loss at the end", logX: true, logY: true })) return false;
    this.chart.axes();
    this.chart.points(fine.map((one) => one.lr), fine.map(value), { fill: "predicted", size: 4 });
    const lost = runs.filter((one) => one.status === "diverged");
    this.chart.points(lost.map((one) => one.lr), lost.map(() => worst * 2), { fill: "descent", size: 4 });
    const best = fine.reduce((a, b) => (value(b) < value(a) ? b : a));
    this.say(`Best of ${runs.length}: learning rate ${shown(best.lr)}, ${gap ? "gap" : "loss"} ${shown(value(best))}. ${lost.length} diverged. Click the picture to take a rate.`);
    return true;
  }
  moves() {}
  sentence() { return this.state.textContent; }
}

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Theory: each eigenvector of the Hessian by itself, and how fast it is closed at this rate. */
export class TheoryPicture extends Picture {
  stays() {
    const { directions, frames } = this.run;
    this.figure.hidden = !directions;
    if (!directions) return false;
    const count = directions.values.length, gaps = directions.gaps;
    this.title("Theory: each direction by itself", ...directions.values.map((value, k) => key(CLASSES[k % 6], "", `λ ${shown(value)}`)));
    this.columns = Array.from({ length: count }, (_, k) => Array.from({ length: frames.step.length }, (_, i) => gaps[i * count + k] || NaN).map((value) => (value > 1e-30 ? value : NaN)));
    const all = this.columns.flat().filter(Number.isFinite);
    if (!all.length || !this.chart.frame({ x: [0, Math.max(1, frames.step[this.run.last])], y: [Math.min(...all) * 0.5, Math.max(...all) * 2], across: "step", up: "part of the gap", logY: true })) return false;
    this.chart.axes();
    this.columns.forEach((column, k) => this.chart.line(frames.step, column, { stroke: CLASSES[k % 6], width: 2 }));
    return true;
  }
  moves(i) {
    const { frames } = this.run;
    this.columns.forEach((column, k) => this.chart.mark(frames.step[i], column[i], { fill: CLASSES[k % 6], size: 5 }));
  }
  sentence() {
    const { values, left } = this.run.directions, slowest = Math.max(...left.filter((one) => one !== null));
    return slowest >= 1 ? `A step multiplies the distance along the worst direction by ${shown(slowest)}: it grows.` : `Along the slowest direction a step leaves ${shown(100 * slowest)} % of the distance; eigenvalues from ${shown(values.at(-1))} to ${shown(values[0])}.`;
  }
}
