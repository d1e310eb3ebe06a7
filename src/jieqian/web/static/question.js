// Fields a question is written in: a count of characters, and keys that are safe under an input method.
import { address, ask } from "./api.js";
import { text } from "./texts.js";

const LONGEST = 2000;

// While an input method composes, Enter chooses a word; Safari says so by key code 229 alone.
function composing(event) {
  return event.isComposing || event.keyCode === 229;
}

function count(field) {
  const shown = document.getElementById(field.dataset.count);
  const show = () => {
    const length = [...field.value.trim()].length;
    shown.textContent = text("count", { count: length });
    shown.classList.toggle("over", length > LONGEST);
  };
  field.addEventListener("input", show);
  show();
}

function sendByControlEnter(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || composing(event)) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      field.form.requestSubmit();
    }
  });
}

function notSent() {
  const told = document.createElement("p");
  told.className = "problem";
  told.setAttribute("role", "alert");
  told.textContent = text("not_sent");
  window.addEventListener("online", () => told.remove(), { once: true });
  return told;
}

// A browser without a network calls itself offline, even where the service runs on the same machine.
async function isThere() {
  try {
    await ask(address("/modes"));
    return true;
  } catch {
    return false;
  }
}

function sendOnce(form) {
  const button = form.querySelector("button[type=submit]");
  const label = button.textContent;
  let reached = false;
  let told = null;
  form.addEventListener("submit", async (event) => {
    if (form.dataset.sent || !(navigator.onLine || reached)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (form.dataset.sent) return;
      reached = await isThere();
      if (reached) form.requestSubmit(button);
      else if (!told?.isConnected) button.before((told = notSent()));
      return;
    }
    reached = false;
    told?.remove();
    form.dataset.sent = "yes";
    button.textContent = text("sending");
  });
  const release = () => {
    delete form.dataset.sent;
    button.textContent = label;
  };
  window.addEventListener("pageshow", release);
  form.addEventListener("unsent", release);
}

/** It was not sent after all, and may be again. */
export function allowAgain(form) {
  form.dispatchEvent(new Event("unsent"));
}

/** Put a question often asked into the field when it is chosen. */
export function prepareSuggestions(field) {
  document.getElementById("suggested")?.addEventListener("click", (event) => {
    const chip = event.target.closest("a.chip");
    if (!chip || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    field.value = chip.textContent;
    field.dispatchEvent(new Event("input"));
    field.focus();
  });
}

/** Make every question field and its form ready. */
export function prepareQuestions() {
  for (const field of document.querySelectorAll("textarea[name=question]")) {
    count(field);
    sendByControlEnter(field);
    sendOnce(field.form);
  }
}

/** Keep an Enter that chooses a word from sending the form of a one-line field. */
export function guardInput(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && composing(event)) event.preventDefault();
  });
}
