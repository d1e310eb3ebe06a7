// The form: draw a lot here, with a proof; count the question's characters.
import { call } from "./api.js";
import { guardInput, prepareQuestions } from "./question.js";
import { text } from "./texts.js";

const form = document.getElementById("ask");
const { collection, lot, draw_id: drawId } = form.elements;
const button = document.getElementById("draw");
const says = document.getElementById("drawn-says");
const shown = document.getElementById("drawn");

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = content;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function randomSeed() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function forgetDraw() {
  drawId.value = "";
  says.textContent = "";
  shown.replaceChildren();
}

function showDraw(result, commitment) {
  const throws = result.throws.map((fall) => text(`throw_${fall}`)).join("、");
  says.textContent = text("draw_done", { number: result.lot.number });
  const proof = {
    collection: result.lot.collection,
    size: Number(collection.selectedOptions[0].dataset.size),
    commitment,
    server_seed: result.server_seed,
    client_seed: result.client_seed,
    lot: result.lot.number,
    throws: result.throws,
  };
  const details = document.createElement("details");
  details.append(
    element("summary", text("proof")),
    element("p", text("proof_hint"), { class: "hint" }),
    element("pre", JSON.stringify(proof, null, 2), { tabindex: "0" }),
  );
  shown.replaceChildren(
    element("p", text("draw_throws", { throws })),
    element("p", result.lot.lines.join("　"), { class: "verse-line", lang: "zh-Hant" }),
    details,
  );
}

function whyNot(error) {
  const seconds = error.problem?.retry_after;
  return seconds === undefined ? text("draw_failed") : text("draw_again_later", { seconds });
}

async function draw() {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  forgetDraw();
  says.textContent = text("draw_working");
  try {
    const begun = await call("POST", "/draws", { collection: collection.value });
    const path = `/draws/${encodeURIComponent(begun.draw_id)}/reveal`;
    const result = await call("POST", path, { client_seed: randomSeed() });
    showDraw(result, begun.commitment);
    lot.value = String(result.lot.number);
    drawId.value = begun.draw_id;
  } catch (error) {
    says.textContent = whyNot(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

button.hidden = false;
document.getElementById("lot-hint-draw").hidden = false;
button.addEventListener("click", draw);
// A lot that is chosen is looked up: the model may read it while the question is still being typed.
function open() {
  if (lot.value.trim() === "") return;
  const path = `/collections/${encodeURIComponent(collection.value)}/lots/${encodeURIComponent(lot.value.trim())}`;
  call("GET", `${path}?language=${encodeURIComponent(document.documentElement.lang)}`).catch(() => {});
}
lot.addEventListener("change", open);
// A number typed by hand, or another collection, is no longer the one drawn.
lot.addEventListener("input", forgetDraw);
collection.addEventListener("change", forgetDraw);
guardInput(lot);
prepareQuestions();
document.getElementById("problem")?.focus();
