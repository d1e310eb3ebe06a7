// A reading on the screen in the hall: asked for, followed to its end, stopped.
import { call } from "./api.js";
import * as parts from "./parts.js";
import { announcer, queueText, sectionEvents } from "./progress.js";
import { follow } from "./stream.js";
import { text } from "./texts.js";
import { randomSeed } from "./tube.js";

const at = (id) => document.getElementById(id);
const step = at("reading");
const announce = announcer(at("announce"));

function setStatus(status) {
  step.dataset.status = status;
  at("status").textContent = text(`status_${status}`);
  if (status !== "queued") at("queue").textContent = "";
}

function begun() {
  if (step.dataset.status === "queued") setStatus("running");
}

function trouble(content) {
  at("trouble").textContent = content;
  at("trouble").hidden = !content;
}

function showWriter({ llm_model: model, sections_from_model: written }) {
  at("writer").textContent = written ? text("written_by", { model }) : text("by_commentary");
  at("writer").hidden = false;
}

function finish(status, { sections = {}, timings } = {}) {
  for (const [name, section] of Object.entries(sections)) parts.end(name, section);
  parts.closeAll();
  setStatus(status);
  trouble("");
  if (timings) showWriter(timings);
  if (document.activeElement === at("stop")) step.querySelector("h1").focus();
  at("stop").hidden = true;
  at("afterwards").hidden = false;
  announce(text(`status_${status}`));
}

function showCare({ message, help_lines: lines }) {
  const mould = at("help-line").content;
  at("care-message").textContent = message;
  at("help-lines").replaceChildren(
    ...lines.map(({ name, contact, country }) => {
      const line = mould.cloneNode(true);
      line.querySelector("strong").textContent = name;
      line.querySelector(".contact").textContent = contact;
      line.querySelector(".country").textContent = country;
      return line;
    }),
  );
}

/**
 * What sends a question, a try after a lost answer making no second reading. It gives the task's id and the language
 * its words will be in; throws `ApiError`.
 */
export function asker() {
  const keys = new Map();
  return async (asked) => {
    const body = JSON.stringify(asked);
    if (!keys.has(body)) keys.set(body, randomSeed());
    const { task_id: taskId } = await call("POST", "/tasks", asked, { "Idempotency-Key": keys.get(body) });
    if (asked.language !== "auto") return { taskId, language: asked.language };
    const { language } = await call("GET", `/tasks/${encodeURIComponent(taskId)}`);
    return { taskId, language };
  };
}

/** Follow it. `ended` is called at its end, `cared` where help lines stand in its place. Gives what ends following. */
export function followReading({ taskId, language }, { ended, cared }) {
  let care = false;
  for (const written of document.querySelectorAll("#asked, #reading .text, #care-message, #help-lines")) {
    written.lang = language;
  }
  function instead(told) {
    care = true;
    showCare(told);
    cared();
  }
  function end(status, found) {
    if (!care) finish(status, found);
    ended();
  }
  const handlers = {
    queued: (queued) => step.dataset.status === "queued" && (at("queue").textContent = queueText(queued)),
    stage: ({ stage, state }) => (stage !== "queue" || state === "finished") && begun(),
    care: instead,
    ...sectionEvents({ begun, announce }),
    completed: (reading) => end("completed", reading),
    failed: () => end("failed"),
    stopped: ({ sections }) => end("stopped", { sections }),
  };
  setStatus("queued");
  at("stop").addEventListener("click", async () => {
    try {
      await call("POST", `/tasks/${encodeURIComponent(taskId)}/stop`);
    } catch {
      trouble(text("stop_failed"));
    }
  });
  const { end: endFollowing } = follow(taskId, {
    told: (type, data) => handlers[type]?.(data),
    lost: () => trouble(text("connection_lost")),
    back: () => trouble(""),
    ended({ status, sections, timings, care: told }) {
      if (told && !care) instead(told); // none of its events came
      end(status, { sections, timings });
    },
    gone: () => end("failed"),
  });
  return endFollowing;
}
