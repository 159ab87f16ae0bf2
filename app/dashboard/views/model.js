/** A model: how well it does, what it looks for, and whether it is in production. */

import { del, get, quoted } from "../api.js";
import { confirmed } from "../confirm.js";
import { h, show, text } from "../dom.js";
import { firstLayer } from "../models/first_layer.js";
import { promotion } from "../models/promotion.js";
import { sections } from "../models/report.js";
import { action, facts, notice } from "../parts.js";
import { styled } from "../stylesheet.js";

export async function view(place, { ref }, signal) {
  await styled(place, "found", "models");
  let model = await get(`/models/${quoted(ref)}`, { signal });
  const path = `/models/${quoted(model.id)}`;
  document.title = `${model.name} · traind`;
  const report = await get(`${path}/report`, { signal }).catch((error) => {
    if (error.code === "no_report") return error;
    throw error;
  });
  const isMeasured = !(report instanceof Error);
  const remove = async () => {
    const wanted = await confirmed({
      title: ["Delete ", h("bdi", {}, model.name), "?"],
      explanation: "Its weights and its report are deleted, and nothing can answer with it again. Its job stays.",
      does: "Delete",
    }, signal);
    if (!wanted) return;
    await del(path);
    notice("The model is deleted.");
    location.hash = "#/models";
  };
  const head = h("div");
  const drawHead = () => show(head, heading(model, path, isMeasured, action("Delete", remove, { danger: true })));
  const production = promotion(model, signal, async () => {
    model = await get(path, { signal });
    drawHead();
  });
  drawHead();
  const [scores, ...others] = isMeasured ? sections(report) : [h("p", { class: "card" }, report.message)];
  show(
    place,
    head,
    h("div", { class: "columns" }, about(model, isMeasured ? report : null), production.element),
    scores,
    firstLayer(model, path, signal),
    others,
  );
  await production.draw();
}

function heading(model, path, isMeasured, deleting) {
  const file = (kind, label) => model.files[kind]
    ? h("li", {}, h("a", { href: `${path}/${kind}`, download: true }, label), h("span", { class: "soft" }, ` ${text.bytes(model.files[kind].bytes)}`))
    : null;
  return h(
    "div",
    { class: "head" },
    h("div", { class: "title" }, h("h1", {}, model.name), h("p", { class: "soft" }, model.aliases.map((alias) => [h("span", { class: `badge ${alias === "production" ? "good" : ""}` }, alias), " "]), `published ${text.ago(model.created_at)}`)),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button primary", href: `#/try?model=${quoted(model.id)}` }, "Try it"),
      h("details", { class: "menu" }, h("summary", { class: "button" }, "Download"), h("ul", { class: "plain" }, file("weights", "Weights (safetensors)"), file("onnx", "Graph (ONNX)"), isMeasured ? h("li", {}, h("a", { href: `${path}/card`, download: `${model.id}.md` }, "Card (Markdown)")) : null)),
      deleting,
    ),
  );
}

function about(model, report) {
  const { dataset, model: network } = model.spec;
  const shape = model.input_shape;
  const version = dataset.facts?.version;
  const name = version ? `${dataset.name}@${version}` : dataset.name;
  const accuracy = report
    ? [h("span", { class: "big" }, text.percent(report.accuracy.value, 2)), h("span", { class: "soft" }, `right on ${text.count(report.images)} test ${report.columns ? "rows" : "images"}; with 95% confidence between ${text.percent(report.accuracy.low, 2)} and ${text.percent(report.accuracy.high, 2)}`)]
    : h("span", { class: "big" }, text.percent(model.metrics.test_accuracy, 2));
  return h(
    "section",
    { class: "card", "aria-label": "Facts" },
    h("p", { class: "accuracy" }, accuracy),
    model.description ? h("p", { class: "name" }, model.description) : null,
    facts([
      ["Dataset", dataset.facts?.id ? h("a", { href: `#/data/${dataset.facts.id}` }, name) : name],
      ["Network", network.backbone ? `${network.backbone}, ${network.kind}` : network.kind],
      ["Input", shape.length === 3 ? `${shape[1]} x ${shape[2]} pixels, ${shape[0] === 1 ? "grey" : "colour"}` : `${model.columns?.length ?? shape[0]} columns`],
      ["Target column", model.target],
      ["Classes", text.count(model.classes.length)],
      ["Loss on the test", text.number(model.metrics.test_loss)],
      ["Job", h("a", { class: "mono name", href: `#/jobs/${model.job}` }, model.job)],
      ["Id", h("code", {}, model.id)],
    ]),
  );
}
