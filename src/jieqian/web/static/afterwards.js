// What can be done with a reading: copy it, say what one thought of it.
import { call } from "./api.js";
import { wholeText } from "./parts.js";
import { text } from "./texts.js";

function everything() {
  const title = document.querySelector("h1").textContent.trim().replace(/\s+/g, " ");
  const verse = [...document.querySelectorAll(".verse li")].map((line) => line.textContent).join("\n");
  const question = document.getElementById("asked").textContent;
  return [title, verse, question, wholeText()].filter(Boolean).join("\n\n");
}

// Without HTTPS (a machine of one's own network) there is no clipboard to write to; the older way still works.
function copyBySelection(whole) {
  const field = document.createElement("textarea");
  field.value = whole;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

/** Copy text; says whether it was done. */
export async function copy(whole) {
  if (!navigator.clipboard) return copyBySelection(whole);
  try {
    await navigator.clipboard.writeText(whole);
    return true;
  } catch {
    return copyBySelection(whole);
  }
}

/** Make the button that copies work. */
export function prepareCopy() {
  const button = document.getElementById("copy");
  const said = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(everything());
    said.textContent = done ? text("copied") : text("copy_failed");
    button.focus();
  });
}

/** Send feedback without leaving the page. */
export function prepareFeedback(taskId) {
  const form = document.getElementById("feedback");
  const said = document.getElementById("feedback-said");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { score, comment } = form.elements;
    const given = { score: Number(score.value), comment: comment.value.trim() || null };
    try {
      await call("POST", `/tasks/${encodeURIComponent(taskId)}/feedback`, given);
      said.textContent = text("feedback_thanks");
    } catch {
      said.textContent = text("feedback_failed");
    }
  });
}
