// Fields a question is written in: a count of characters, and keys that are safe under an input method.
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

function sendOnce(form) {
  const button = form.querySelector("button[type=submit]");
  const label = button.textContent;
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    button.textContent = text("sending");
  });
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
    button.textContent = label;
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
