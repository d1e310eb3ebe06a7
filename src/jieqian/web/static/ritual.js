// The draw: shake the tube, the stick rises, the moon blocks fall as the draw's proof has them.
import { call } from "./api.js";
import { guardInput } from "./question.js";
import { text } from "./texts.js";

const SHAKING = 1500;
const RISING = 1000;
const FALLING = 1100;
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
const throwPlaces = [...stage.querySelectorAll(".throw")];
const still = matchMedia("(prefers-reduced-motion: reduce)");
let drawing = false;

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, still.matches ? 0 : milliseconds));
}

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

/** Both steps of a draw. The commitment kept is the one told before our seed was. */
async function drawn() {
  const begun = await call("POST", "/draws", { collection: stage.dataset.collection });
  const path = `/draws/${encodeURIComponent(begun.draw_id)}/reveal`;
  const result = await call("POST", path, { client_seed: randomSeed() });
  return { ...result, commitment: begun.commitment };
}

function forget() {
  says.textContent = "";
  see.hidden = true;
  proofPlace.replaceChildren();
  for (const place of throwPlaces) place.hidden = true;
}

async function fall(throws) {
  for (const [at, name] of throws.entries()) {
    const place = throwPlaces[at];
    place.querySelector(".blocks").dataset.fall = name;
    place.querySelector(".fell").textContent = text(`throw_${name}`);
    place.hidden = false;
    await pause(FALLING);
  }
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

function end(result, throws) {
  const names = throws.map((name) => text(`throw_${name}`)).join(text("between"));
  const told = [text("draw_done", { number: result.number })];
  if (throws.length) told.push(text("draw_throws", { throws: names }));
  says.textContent = told.join(" ");
  see.href = `${stage.dataset.lots}/${result.number}?draw=${encodeURIComponent(result.draw_id)}`;
  see.hidden = false;
  showProof(result);
}

function whyNot(error) {
  const seconds = error.problem?.retry_after;
  return seconds === undefined ? text("draw_failed") : text("draw_again_later", { seconds });
}

async function draw() {
  if (drawing) return;
  drawing = true;
  button.setAttribute("aria-disabled", "true");
  forget();
  says.textContent = text("draw_working");
  stage.dataset.state = "shaking";
  try {
    const [result] = await Promise.all([drawn(), pause(SHAKING)]);
    const throws = throwPlaces.length ? result.throws : [];
    stage.dataset.state = "risen";
    await pause(RISING);
    await fall(throws);
    end(result, throws);
  } catch (error) {
    stage.dataset.state = "still";
    says.textContent = whyNot(error);
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
