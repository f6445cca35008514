// Playing a descent: which frame is shown, and how fast they pass.

const SECONDS = 8;  // that a whole descent plays, at speed 1

export class Player {
  /** show: called with the number of the frame to show. state: called when it begins or ends playing. */
  constructor(show, state) {
    this.show = show; this.state = state;
    this.at = 0; this.last = 0; this.speed = 1; this.playing = false;
    this.slow = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Another descent of so many frames; it begins to play unless motion is unwelcome. */
  load(frames, play = true) {
    this.last = frames - 1; this.at = 0;
    if (play && !this.slow.matches && frames > 1) this.play(); else { this.pause(); this.go(this.last); }
  }

  go(frame) {
    this.at = Math.max(0, Math.min(this.last, frame));
    this.show(Math.round(this.at));
  }

  step(by) { this.pause(); this.go(Math.round(this.at) + by); }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (this.at >= this.last) this.at = 0;
    this.playing = true; this.before = null; this.state(true);
    cancelAnimationFrame(this.asked);
    const next = (now) => {
      if (!this.playing) return;
      const gone = this.before === null ? 0 : Math.min(now - this.before, 100) / 1000;
      this.before = now;
      const pace = Math.max(this.last / SECONDS, 3) * this.speed;  // frames a second: short descents slowly
      const shownNow = Math.round(this.at);
      this.at = Math.min(this.last, this.at + pace * gone);
      if (Math.round(this.at) !== shownNow || gone === 0) this.show(Math.round(this.at));
      if (this.at >= this.last) this.pause(); else this.asked = requestAnimationFrame(next);
    };
    this.asked = requestAnimationFrame(next);
  }

  pause() { this.playing = false; cancelAnimationFrame(this.asked); this.state(false); }
}
