// The draw on a temple's page: by a button, or by a shaken phone; the lot is a page of its own.
import { guardInput } from "./question.js";
import { text } from "./texts.js";
import { drawOn, drawText, whyNoDraw } from "./tube.js";

// A shake: so many changes of acceleration (m/s²) over this strength.
const STRENGTH = 14;
const SHAKES = 4;

const stage = document.getElementById("ritual");
const form = document.getElementById("draw-form");
const button = document.getElementById("draw");
const motionButton = document.getElementById("motion");
const says = document.getElementById("draw-says");
const see = document.getElementById("see");
const proofPlace = document.getElementById("draw-proof");
let drawing = false;

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = content;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function forget() {
  says.textContent = "";
  see.hidden = true;
  proofPlace.replaceChildren();
}

function showProof(result) {
  const proof = {
    collection: result.collection,
    size: result.size,
    missing: result.missing.length ? result.missing : undefined,
    commitment: result.commitment,
    server_seed: result.server_seed,
    client_seed: result.client_seed,
    lot: result.number,
    throws: result.throws,
  };
  const details = document.createElement("details");
  details.append(
    element("summary", text("proof")),
    element("p", text("proof_hint"), { class: "hint" }),
    element("pre", JSON.stringify(proof, null, 2), { tabindex: "0", "aria-label": text("proof") }),
  );
  proofPlace.replaceChildren(details);
}

function end(result) {
  says.textContent = drawText(result);
  see.href = `${stage.dataset.lots}/${result.number}?draw=${encodeURIComponent(result.draw_id)}`;
  see.hidden = false;
  showProof(result);
}

async function draw() {
  if (drawing) return;
  drawing = true;
  button.setAttribute("aria-disabled", "true");
  forget();
  says.textContent = text("draw_working");
  try {
    end(await drawOn(stage));
  } catch (error) {
    says.textContent = whyNoDraw(error);
  } finally {
    drawing = false;
    button.removeAttribute("aria-disabled");
  }
}

let last = 0;
let shakes = 0;
function shaken({ acceleration, accelerationIncludingGravity }) {
  const { x, y, z } = acceleration?.x == null ? accelerationIncludingGravity ?? {} : acceleration;
  if (x == null) return;
  const now = Math.hypot(x, y, z);
  if (Math.abs(now - last) > STRENGTH) shakes += 1;
  last = now;
  if (shakes < SHAKES) return;
  shakes = 0;
  removeEventListener("devicemotion", shaken);
  draw();
}

// Motion is read after a tap only, and where the browser asks, after its leave.
async function listen() {
  const asks = typeof DeviceMotionEvent.requestPermission === "function";
  const leave = asks ? await DeviceMotionEvent.requestPermission().catch(() => "denied") : "granted";
  if (leave !== "granted") {
    says.textContent = text("motion_refused");
    return;
  }
  says.textContent = text("motion_ready");
  shakes = 0;
  addEventListener("devicemotion", shaken);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
if ("DeviceMotionEvent" in window && matchMedia("(pointer: coarse)").matches) {
  motionButton.hidden = false;
  motionButton.addEventListener("click", listen);
}
guardInput(document.getElementById("number"));
document.getElementById("problem")?.focus();
