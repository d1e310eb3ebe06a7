// The screen in a temple's hall: the steps of one visit on one page. The next visit begins with a new page.
import { PATIENCE } from "./api.js";
import { watchIdle } from "./kiosk_idle.js";
import { asker, followReading } from "./kiosk_reading.js";
import { blank, noteVisit, startAnew, visitLeft } from "./kiosk_reset.js";
import { text } from "./texts.js";
import { drawOn, drawText, whyNoDraw } from "./tube.js";

const LONGEST_NUMBER = 4;
const at = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const kiosk = at("kiosk");
const idle = at("idle");
const language = document.documentElement.lang;
const ask = asker();
const visit = { lot: null, drawId: null, taskId: null, writing: false, care: false, busy: false, end: () => {} };
let clock = null;

function go(name) {
  kiosk.dataset.step = name;
  if (name === "greeting") at("number").value = "";
  for (const step of all(".step")) step.hidden = step.id !== name;
  scrollTo(0, 0);
  // A step that a part of the page came into has its heading there.
  const heading = at(name)?.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function startAgain() {
  clock?.stop();
  visit.end();
  startAnew(visit.taskId);
}

/**
 * A part of the page as the service's template made it, every text in it escaped there; no script in it would run. Gives
 * its nodes, and whether it is what was asked for.
 */
async function part(address, options = {}) {
  const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE), ...options });
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  // What a proxy answers in the service's place is no part of this page.
  if (answer.headers.get("Content-Language") !== language) throw new Error(`HTTP ${answer.status}`);
  return { nodes: [...made.body.childNodes], wanted: answer.ok };
}

/** Do it while a second touch does nothing; where it fails, `says` tells so. */
async function alone(says, work) {
  if (visit.busy) return;
  visit.busy = true;
  says.textContent = "";
  try {
    await work();
  } catch (error) {
    says.textContent = whyNot(error);
  } finally {
    visit.busy = false;
  }
}

function whyNot({ problem = {} }) {
  const told = kiosk.getAttribute(`data-error-${problem.code}`) ?? kiosk.dataset.failed;
  const seconds = problem.retry_after;
  return seconds === undefined ? told : `${told} ${kiosk.dataset.later.replace("{seconds}", seconds)}`;
}

async function showLot(number, says) {
  const query = new URLSearchParams({ number, lang: language });
  const { nodes, wanted } = await part(`${kiosk.dataset.lot}?${query}`);
  if (!wanted) {
    says.replaceChildren(...nodes);
    return;
  }
  at("lot-place").replaceChildren(...nodes);
  visit.lot = at("lot-place").querySelector(".lot").dataset.lot;
  at("slip-place").replaceChildren(at("lot-place").querySelector(".slip").cloneNode(true));
  for (const heading of at("slip-place").querySelectorAll("h1")) {
    const line = document.createElement("p");
    line.className = heading.className;
    line.append(...heading.childNodes);
    heading.replaceWith(line);
  }
  go("looking");
}

function prepareDraw() {
  const [button, see, says] = [at("draw"), at("see"), at("draw-says")];
  const back = at("drawing").querySelector("[data-go]");
  let number = null;
  button.addEventListener("click", () =>
    alone(says, async () => {
      button.setAttribute("aria-disabled", "true");
      back.hidden = true;
      says.textContent = text("draw_working");
      try {
        const drawn = await drawOn(at("drawing"));
        [visit.drawId, number] = [drawn.draw_id, drawn.number];
        says.textContent = drawText(drawn);
        button.hidden = true;
        see.hidden = false;
        see.focus();
      } catch (error) {
        back.hidden = false;
        says.textContent = whyNoDraw(error);
      } finally {
        button.removeAttribute("aria-disabled");
      }
    }),
  );
  see.addEventListener("click", () => alone(says, () => showLot(number, says)));
}

function prepareNumber() {
  const [field, says] = [at("number"), at("number-says")];
  for (const key of all("[data-digit]")) {
    key.addEventListener("click", () => {
      says.textContent = "";
      if (field.value.length < LONGEST_NUMBER) field.value += key.dataset.digit;
    });
  }
  at("rub-out").addEventListener("click", () => {
    field.value = field.value.slice(0, -1);
  });
  at("number-form").addEventListener("submit", (event) => {
    event.preventDefault();
    visit.drawId = null;
    alone(says, () => showLot(field.value, says));
  });
}

// Beside help lines the verse alone: no rank and no counsel.
function cared() {
  visit.care = true;
  at("slip-place").querySelector(".slip-foot")?.remove();
  at("plain-slip").replaceChildren(...at("slip-place").childNodes);
  at("lot-place").replaceChildren();
  go("caring");
}

async function send(question, itsLanguage) {
  const { lot } = visit;
  const { collection } = kiosk.dataset;
  noteVisit();
  const task = await ask({ collection, lot, question, language: itsLanguage, draw_id: visit.drawId ?? undefined });
  visit.taskId = task.taskId;
  noteVisit(task.taskId);
  visit.writing = true;
  at("asked").textContent = question;
  go("reading");
  visit.end = followReading(task, {
    cared,
    ended() {
      visit.writing = false;
      clock.touch();
    },
  });
}

function prepareQuestions() {
  const says = at("ask-says");
  for (const topic of all("[data-topic]")) {
    topic.addEventListener("click", () => {
      for (const other of all("[data-topic]")) other.setAttribute("aria-pressed", String(other === topic));
      for (const list of all("[data-questions]")) list.hidden = list.dataset.questions !== topic.dataset.topic;
    });
  }
  document.querySelector("[data-topic]")?.click();
  for (const question of all("[data-question]")) {
    question.addEventListener("click", () => alone(says, () => send(question.dataset.question, language)));
  }
  at("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    alone(says, () => send(at("question").value, "auto")); // whoever types may do so in any of the four
  });
}

function prepareTaking() {
  let before = "looking";
  for (const button of all("[data-take-home]")) {
    const says = button.closest(".step").querySelector("[data-take-says]");
    button.addEventListener("click", () =>
      alone(says, async () => {
        const body = new URLSearchParams({ lot: visit.lot, task_id: visit.taskId ?? "" });
        const query = new URLSearchParams({ lang: language });
        const { nodes, wanted } = await part(`${kiosk.dataset.take}?${query}`, { method: "POST", body });
        if (!wanted) {
          says.replaceChildren(...nodes);
          return;
        }
        at("take-place").replaceChildren(...nodes);
        before = kiosk.dataset.step;
        go("taking");
      }),
    );
  }
  at("take-back").addEventListener("click", () => go(before));
}

function allowedIdle() {
  const { idle: usual, idleWriting, idleCare } = kiosk.dataset;
  if (kiosk.dataset.step === "greeting" && !("chosen" in kiosk.dataset)) return 0; // nobody is here
  if (visit.care) return Number(idleCare);
  return Number(visit.writing ? idleWriting : usual);
}

function prepareIdle() {
  clock = watchIdle({
    allowed: allowedIdle,
    warn(seconds) {
      at("idle-left").textContent = String(seconds);
      if (!idle.open) idle.showModal();
    },
    calm: () => idle.close(),
    end: startAgain,
  });
  at("still-here").addEventListener("click", () => clock.touch());
  idle.addEventListener("cancel", () => clock.touch());
}

for (const button of all("[data-go]")) button.addEventListener("click", () => go(button.dataset.go));
for (const button of all("#finish, [data-finish]")) button.addEventListener("click", startAgain);
for (const tongue of all(".tongues a")) {
  tongue.addEventListener("click", (event) => {
    event.preventDefault();
    // No page is left behind to go back to.
    location.replace(tongue.href);
  });
}
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("pagehide", blank);
addEventListener("pageshow", (event) => event.persisted && startAgain());
prepareDraw();
prepareNumber();
prepareQuestions();
prepareTaking();
prepareIdle();
visit.taskId = visitLeft();
if (visit.taskId === null) kiosk.hidden = false;
else startAgain();
