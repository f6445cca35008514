// Drawing one's own rows: click to add a point, drag one, double-click to remove it.

const NEAR = 12;  // pixels

/** picture: of the data. history: where the points go. */
export function drawing(picture, history) {
  const chart = picture.chart, canvas = chart.layers.still;
  let held = null, moved = false;
  const points = () => (history.now.data === "drawing" ? history.now.points : null);

  /** The points of a table of one column, once someone takes hold of one: from then on it is a drawing. */
  const taken = () => {
    if (points()) return points();
    const { kind, x, y } = picture.run?.picture ?? {};
    return kind === "curve" && x.length <= 1000 ? Array.from(x, (value, k) => [tidy(value), tidy(y[k])]) : null;
  };
  const nearest = (list, event) => {
    let best = -1, least = NEAR ** 2;
    list?.forEach(([x, y], k) => {
      const far = (chart.px(x) - event.offsetX) ** 2 + (chart.py(y) - event.offsetY) ** 2;
      if (far < least) { least = far; best = k; }
    });
    return best;
  };
  const put = (list) => history.put({ ...history.now, data: "drawing", points: list, settings: without(history.now.settings, ["target", "columns"]) });

  canvas.addEventListener("pointerdown", (event) => {
    const list = taken(), k = nearest(list, event);
    moved = false;
    held = k >= 0 ? { list, k, x: event.offsetX, y: event.offsetY } : null;
    if (held) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) { canvas.style.cursor = nearest(taken(), event) >= 0 ? "grab" : points() ? "crosshair" : ""; return; }
    if (Math.hypot(event.offsetX - held.x, event.offsetY - held.y) > 3) moved = true;
    if (!moved || !picture.drawn) return;
    picture.show(picture.frame, false, false);
    chart.mark(...chart.at(event.offsetX, event.offsetY), { fill: "residual" });
  });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("pointerup", (event) => {
    if (held && moved) put(held.list.map((point, k) => (k === held.k ? chart.at(event.offsetX, event.offsetY).map(tidy) : point)));
    else if (!held && points()) put([...points(), chart.at(event.offsetX, event.offsetY).map(tidy)]);
    held = null;
  });
  canvas.addEventListener("dblclick", (event) => {
    const list = taken(), k = nearest(list, event);
    if (k >= 0 && list.length > 2) put(list.filter((_, place) => place !== k));
  });
}

const tidy = (value) => Number(value.toPrecision(5));
const without = (settings, names) => Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
