// What every draw on a page does: both steps with the service, and the tube, the stick and the blocks meanwhile.
import { call } from "./api.js";
import { text } from "./texts.js";

const SHAKING = 1500;
const RISING = 1000;
const FALLING = 1100;
const still = matchMedia("(prefers-reduced-motion: reduce)");

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, still.matches ? 0 : milliseconds));
}

/** 128 random bits in hexadecimal. */
export function randomSeed() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Both steps of a draw. The commitment kept is the one told before our seed was. */
async function drawn(collection) {
  const begun = await call("POST", "/draws", { collection });
  const path = `/draws/${encodeURIComponent(begun.draw_id)}/reveal`;
  const result = await call("POST", path, { client_seed: randomSeed() });
  return { ...result, commitment: begun.commitment };
}

async function fall(places, throws) {
  for (const [at, name] of throws.entries()) {
    const place = places[at];
    place.querySelector(".blocks").dataset.fall = name;
    place.querySelector(".fell").textContent = text(`throw_${name}`);
    place.hidden = false;
    await pause(FALLING);
  }
}

/**
 * Draw a lot of `stage.dataset.collection` on that stage. Gives the draw with its commitment; its throws are none where
 * the temple throws none. Throws `ApiError`, the tube at rest again.
 */
export async function drawOn(stage) {
  const places = [...stage.querySelectorAll(".throw")];
  for (const place of places) place.hidden = true;
  stage.dataset.state = "shaking";
  try {
    const [result] = await Promise.all([drawn(stage.dataset.collection), pause(SHAKING)]);
    const throws = places.length ? result.throws : [];
    stage.dataset.state = "risen";
    await pause(RISING);
    await fall(places, throws);
    return { ...result, shown: throws };
  } catch (error) {
    stage.dataset.state = "still";
    throw error;
  }
}

/** A draw in words: its number, and how the blocks fell. */
export function drawText({ number, shown }) {
  const names = shown.map((name) => text(`throw_${name}`)).join(text("between"));
  const told = [text("draw_done", { number })];
  if (shown.length) told.push(text("draw_throws", { throws: names }));
  return told.join(" ");
}

/** Why there was none, in words. */
export function whyNoDraw(error) {
  const seconds = error.problem?.retry_after;
  return seconds === undefined ? text("draw_failed") : text("draw_again_later", { seconds });
}
