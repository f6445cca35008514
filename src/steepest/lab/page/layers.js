// A picture in two layers: what stays, and above it what moves, which alone is drawn anew for each frame.

const FINEST = 2;  // canvas pixels a pixel of the page, at most

const sight = new IntersectionObserver((entries) => { for (const entry of entries) entry.target.seen = entry.isIntersecting; }, { rootMargin: "60px" });

export class Layers {
  /** canvas: of what stays. edges: how far inside it what moves begins on the left and the top, and ends on the right and below. */
  constructor(canvas, edges = { left: 0, top: 0, right: 0, bottom: 0 }) {
    const box = document.createElement("div");
    this.still = canvas; this.moving = document.createElement("canvas"); this.edges = edges;
    box.className = "layers"; this.moving.className = "moving"; this.moving.ariaHidden = "true";
    canvas.replaceWith(box); box.append(canvas, this.moving);
    this.pens = [canvas, this.moving].map((one) => one.getContext("2d"));
    canvas.seen = true; sight.observe(canvas);
  }

  /** Whether it is in sight. */
  get seen() { return this.still.seen; }

  /** Give both layers the size of their place on the page, and empty them; returns whether there is room for a picture. */
  fit() {
    const { left, top, right, bottom } = this.edges;
    this.width = this.still.clientWidth; this.height = this.still.clientHeight;
    if (!(this.width > left + right + 20)) return false;
    this.ratio = Math.min(window.devicePixelRatio || 1, FINEST);
    const inner = [this.width - left - right, this.height - top - bottom];
    Object.assign(this.moving.style, { left: `${left}px`, top: `${top}px`, width: `${inner[0]}px`, height: `${inner[1]}px` });
    for (const [k, [wide, high]] of [[this.width, this.height], inner].entries()) {
      const canvas = this.pens[k].canvas;
      canvas.width = Math.round(wide * this.ratio); canvas.height = Math.round(high * this.ratio);
      this.pens[k].setTransform(this.ratio, 0, 0, this.ratio, k ? -left * this.ratio : 0, k ? -top * this.ratio : 0);
    }
    return true;
  }

  /** Take away what moves. */
  clear() { this.pens[1].clearRect(0, 0, this.width, this.height); }

  /** Both as one canvas, on paper. */
  merged(paper) {
    const one = document.createElement("canvas"), pen = one.getContext("2d");
    one.width = this.still.width; one.height = this.still.height;
    pen.fillStyle = paper; pen.fillRect(0, 0, one.width, one.height);
    pen.drawImage(this.still, 0, 0);
    pen.drawImage(this.moving, Math.round(this.edges.left * this.ratio), Math.round(this.edges.top * this.ratio));
    return one;
  }
}
