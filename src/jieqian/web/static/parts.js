// The seven sections on the page. A finished one is never touched again; new text is put in once a frame.
import { secondsText, text } from "./texts.js";

const parts = new Map();
let frame = 0;

for (const element of document.querySelectorAll(".part")) {
  parts.set(element.dataset.section, {
    element,
    heading: element.querySelector("h3").textContent,
    source: element.querySelector(".source"),
    body: element.querySelector(".text"),
    pending: "",
  });
}

function open(name) {
  const part = parts.get(name);
  return part && part.element.dataset.state !== "finished" ? part : null;
}

function set(part, state, said, whole) {
  part.pending = "";
  part.element.dataset.state = state;
  part.element.setAttribute("aria-busy", String(state === "writing"));
  part.source.textContent = said;
  part.body.textContent = whole;
}

function flush() {
  frame = 0;
  for (const part of parts.values()) {
    if (part.pending) part.body.append(part.pending);
    part.pending = "";
  }
}

/** Its heading, as the page words it. */
export function headingOf(name) {
  return parts.get(name)?.heading ?? name;
}

/** It is being written. False where it was finished before. */
export function begin(name) {
  const part = open(name);
  if (part) set(part, "writing", text("section_writing"), "");
  return part !== null;
}

/** Another is begun: one that shows nothing yet waits again (a model may try one, and leave it). */
export function restOthers(name) {
  for (const [other, part] of parts) {
    const idle = part.element.dataset.state === "writing" && !part.pending && !part.body.textContent;
    if (other !== name && idle) set(part, "waiting", text("section_waiting"), "");
  }
}

/** New text of it. */
export function add(name, piece) {
  const part = open(name);
  if (!part) return;
  if (part.element.dataset.state !== "writing") set(part, "writing", text("section_writing"), "");
  part.pending += piece;
  frame ||= requestAnimationFrame(flush);
}

/** What was shown of it does not hold. */
export function drop(name) {
  const part = open(name);
  if (part) set(part, "writing", text("section_again"), "");
}

/** It is finished; `ms` may be missing, and says nothing of the commentary. False where it was before. */
export function end(name, { text: whole, source, ms }) {
  const part = open(name);
  if (!part) return false;
  const time = ms === undefined || source !== "model" ? "" : ` · ${secondsText(ms)}`;
  set(part, "finished", text(`source_${source}`) + time, whole);
  return true;
}

/** No more will come: what is not finished stays unwritten. */
export function closeAll() {
  for (const name of parts.keys()) {
    const part = open(name);
    if (part) set(part, "missing", text("section_missing"), "");
  }
}

/** Every finished section as plain text, with its heading and who wrote it. */
export function wholeText() {
  return [...parts.values()]
    .filter((part) => part.element.dataset.state === "finished")
    .map((part) => `${part.heading}（${part.source.textContent}）\n${part.body.textContent}`)
    .join("\n\n");
}
