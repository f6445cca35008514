// The surface of the loss in three dimensions: drawn once for each angle, with only the path moving on it.

import { colour } from "./chart.js";
import { Layers } from "./layers.js";

export class Bowl {
  constructor(figure) {
    const canvas = figure.querySelector("canvas");
    this.figure = figure; this.layers = new Layers(canvas); this.turn = 0.65; this.tilt = 0.95;
    figure.querySelector("figcaption").textContent = "Loss surface in three dimensions";
    figure.querySelector(".state").textContent = "Drag to turn it. Heights are drawn as square roots, so that the bottom is seen.";
    canvas.addEventListener("pointerdown", (event) => { this.held = event; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { this.held = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.held || !this.surface) return;
      this.turn += (event.offsetX - this.held.offsetX) * 0.008;
      this.tilt = Math.max(0.1, Math.min(1.5, this.tilt + (event.offsetY - this.held.offsetY) * 0.006));
      this.held = event; this.mesh(); this.show(this.at);
    });
  }

  empty() { this.surface = null; this.figure.hidden = true; }

  begin(run) {
    this.surface = run.surface; this.run = run; this.at = 0;
    this.figure.hidden = !run.surface;
    if (!run.surface) return;
    const { values } = run.surface;
    this.low = values.reduce((a, b) => Math.min(a, b), Infinity); this.span = Math.max(run.surface.ceiling - this.low, 1e-300);
    this.path = Array.from({ length: run.last + 1 }, (_, i) => this.#lifted(run.surface.place[2 * i], run.surface.place[2 * i + 1]));
    this.mesh();
  }

  /** A place of the plane in the cube −1 … 1: across, along, and the height of the surface there. */
  #lifted(x, y) {
    const { x: xs, y: ys, values } = this.surface, [rows, columns] = values.shape;
    const a = (x - xs[0]) / (xs[columns - 1] - xs[0]) * (columns - 1), b = (y - ys[0]) / (ys[rows - 1] - ys[0]) * (rows - 1);
    if (!(a >= 0 && a <= columns - 1 && b >= 0 && b <= rows - 1)) return null;
    const i = Math.min(columns - 2, Math.floor(a)), j = Math.min(rows - 2, Math.floor(b)), p = a - i, q = b - j, at = (r, c) => values[r * columns + c];
    const height = (at(j, i) * (1 - p) + at(j, i + 1) * p) * (1 - q) + (at(j + 1, i) * (1 - p) + at(j + 1, i + 1) * p) * q;
    return [2 * a / (columns - 1) - 1, 2 * b / (rows - 1) - 1, this.#height(height)];
  }
  #height(value) { return 1.1 * Math.sqrt(Math.max(0, Math.min(1, (value - this.low) / this.span))) - 0.5; }

  #project([x, y, z]) {
    const c = Math.cos(this.turn), s = Math.sin(this.turn), u = c * x - s * y, v = s * x + c * y;
    const size = Math.min(this.width, 1.35 * this.height) * 0.32;
    return [this.width / 2 + size * u, this.height * 0.53 + size * (v * Math.cos(this.tilt) - z * Math.sin(this.tilt)), v];
  }

  /** Draw what does not move, for the angle at hand. */
  mesh() {
    this.drawn = this.layers.fit();
    if (!this.drawn) return;
    ({ width: this.width, height: this.height } = this.layers);
    this.spots = this.path.map((place) => place && this.#project(place));
    const [pen] = this.layers.pens, { values } = this.surface, [rows, columns] = values.shape, every = Math.max(1, Math.round(rows / 34)), faces = [];
    const corner = (r, c) => this.#project([2 * c / (columns - 1) - 1, 2 * r / (rows - 1) - 1, this.#height(values[r * columns + c])]);
    for (let r = 0; r + every < rows; r += every) for (let c = 0; c + every < columns; c += every) {
      const four = [corner(r, c), corner(r, c + every), corner(r + every, c + every), corner(r + every, c)];
      faces.push({ four, depth: four[0][2] + four[2][2], height: values[r * columns + c] });
    }
    faces.sort((a, b) => a.depth - b.depth);
    const dark = document.documentElement.dataset.theme === "dark", from = dark ? [150, 200, 240] : [20, 80, 140], to = dark ? [22, 36, 54] : [236, 243, 249];
    pen.lineWidth = 0.6; pen.lineJoin = "round";
    for (const { four, height } of faces) {
      const part = Math.sqrt(Math.max(0, Math.min(1, (height - this.low) / this.span))), paint = from.map((value, k) => Math.round(value + (to[k] - value) * part));
      pen.fillStyle = `rgb(${paint})`; pen.strokeStyle = dark ? "rgba(255,255,255,.13)" : "rgba(20,40,70,.16)";
      pen.beginPath(); four.forEach(([x, y], k) => pen[k ? "lineTo" : "moveTo"](x, y)); pen.closePath(); pen.fill(); pen.stroke();
    }
    const exact = this.surface.marks.find((mark) => mark.role === "exact"), place = exact && this.#lifted(...exact.place);
    if (place) { const [x, y] = this.#project(place); pen.fillStyle = colour("exact"); pen.strokeStyle = colour("paper"); pen.lineWidth = 2; pen.beginPath(); pen.arc(x, y, 6, 0, 7); pen.fill(); pen.stroke(); }
    pen.strokeStyle = colour("paper"); pen.lineWidth = 4; pen.fillStyle = colour("faint"); pen.font = "11px system-ui, sans-serif"; pen.textAlign = "center";
    const [a, b] = this.surface.labels, across = this.#project([0, 1.12, -0.5]), along = this.#project([1.12, 0, -0.5]);
    for (const [text, [x, y]] of [[a, across], [b, along]]) for (const way of ["strokeText", "fillText"]) pen[way](text.slice(0, 26), Math.max(60, Math.min(this.width - 60, x)), Math.min(this.height - 6, y + 10));
  }

  show(i, playing) {
    if (!this.surface || !this.drawn || (playing && !this.layers.seen)) return;
    this.at = i;
    const pen = this.layers.pens[1];
    this.layers.clear();
    pen.strokeStyle = colour("descent"); pen.lineWidth = 2.5; pen.lineJoin = "round"; pen.beginPath();
    let begun = false, last = null;
    for (const spot of this.spots.slice(0, i + 1)) {
      if (spot) { pen[begun ? "lineTo" : "moveTo"](...spot); last = spot; }
      begun = spot !== null;
    }
    pen.stroke();
    if (last) { pen.fillStyle = colour("descent"); pen.strokeStyle = colour("paper"); pen.lineWidth = 2; pen.beginPath(); pen.arc(last[0], last[1], 6, 0, 7); pen.fill(); pen.stroke(); }
  }
}
