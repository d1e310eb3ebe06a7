// The form that asks: a draw goes with its own number alone; suggested questions fill the field.
import { call } from "./api.js";
import { guardInput, prepareQuestions, prepareSuggestions } from "./question.js";

const form = document.getElementById("ask");
const { collection, lot, draw_id: drawId, question } = form.elements;

// A number typed by hand, or another collection, is no longer the one drawn.
function forgetDraw() {
  drawId.value = "";
}

// A lot that is chosen is looked up: the model may read it while the question is still being typed.
function open() {
  if (lot.value.trim() === "") return;
  const path = `/collections/${encodeURIComponent(collection.value)}/lots/${encodeURIComponent(lot.value.trim())}`;
  call("GET", `${path}?language=${encodeURIComponent(document.documentElement.lang)}`).catch(() => {});
}

if (lot.type !== "hidden") {
  lot.addEventListener("change", open);
  lot.addEventListener("input", forgetDraw);
  collection.addEventListener("change", forgetDraw);
  guardInput(lot);
}
prepareSuggestions(question);
prepareQuestions();
document.getElementById("problem")?.focus();
