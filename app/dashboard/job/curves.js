/** The curves of a job: read once, then grown by its events. */

import { items, quoted } from "../api.js";
import { chart } from "../chart.js";
import { h, show } from "../dom.js";

/** Every curve of a job: pairs of a step and a value, by name. */
export async function points(id, signal) {
  const found = new Map();
  for await (const { name, step, value } of items(`/jobs/${quoted(id)}/metrics`, { query: { limit: 10000 }, signal })) {
    if (!found.has(name)) found.set(name, []);
    found.get(name).push([step, value]);
  }
  return found;
}

const LOSSES = ["running_loss", "train_loss", "validation_loss"];
const ACCURACIES = ["train_accuracy", "validation_accuracy"];
const LABELS = { running_loss: "running loss", train_loss: "training", validation_loss: "validation", train_accuracy: "training", validation_accuracy: "validation" };
/** Longest curve that is drawn point by point; of a longer one every n-th is. */
const MOST_POINTS = 4000;

/** Two charts, losses and accuracies, that grow: `add(event)` takes `log` and `epoch` events. */
export class Curves {
  constructor(signal) {
    this.places = { loss: h("div", { class: "chart" }), accuracy: h("div", { class: "chart" }) };
    this.drawn = {};
    this.points = new Map();
    signal.addEventListener("abort", () => Object.values(this.drawn).forEach((each) => each.destroy()));
  }

  /** Reads what was measured until now; `job` tells how many steps an epoch has. */
  async load(job, signal) {
    this.points = await points(job.id, signal);
    await this.draw();
  }

  /** Takes the measurements of an event, if they are new. */
  add({ kind, data }, progress) {
    if (!progress) return;
    const steps = progress.steps / progress.epochs;
    if (kind === "log" && data.loss !== undefined) this.append("running_loss", Math.round((data.epoch - 1) * steps) + data.batch, data.loss);
    if (kind === "epoch") {
      for (const name of [...LOSSES, ...ACCURACIES, "learning_rate"]) {
        if (data[name] !== undefined) this.append(name, Math.round(data.epoch * steps), data[name]);
      }
    }
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  append(name, step, value) {
    if (!this.points.has(name)) this.points.set(name, []);
    const curve = this.points.get(name);
    while (curve.length && curve.at(-1)[0] >= step && curve.at(-1)[0] !== step) curve.pop(); // a resumed run repeats steps
    if (!curve.length || curve.at(-1)[0] < step) curve.push([step, value]);
  }

  async draw() {
    await this.one("loss", LOSSES, { title: "Loss", yLabel: "loss (nats)" });
    await this.one("accuracy", ACCURACIES, { title: "Accuracy", yLabel: "accuracy" });
  }

  async one(key, names, options) {
    const lines = names
      .filter((name) => this.points.get(name)?.length)
      .map((name) => ({ name: LABELS[name], points: thinned(this.points.get(name)), dots: name !== "running_loss" && this.points.get(name).length < 40 }));
    const place = this.places[key];
    if (!lines.length) {
      if (!this.drawn[key]) show(place, h("p", { class: "soft" }, "Nothing has been measured yet."));
    } else if (this.drawn[key]) this.drawn[key].update(lines);
    else if (!this.starting?.[key]) {
      this.starting = { ...this.starting, [key]: true };
      this.drawn[key] = await chart(place, options, lines);
    }
  }
}

function thinned(curve) {
  const every = Math.ceil(curve.length / MOST_POINTS);
  return every === 1 ? curve : curve.filter((_, at) => at % every === 0 || at === curve.length - 1);
}
