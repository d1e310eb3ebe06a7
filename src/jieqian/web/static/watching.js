// A reading as it comes: the page the server sent is whole as far as it goes; the events fill in the rest.
import { call } from "./api.js";
import * as parts from "./parts.js";
import { announcer, queueText, sectionEvents } from "./progress.js";
import { follow } from "./stream.js";
import { secondsText, text } from "./texts.js";

const task = document.getElementById("task");
const at = (id) => document.getElementById(id);
const announce = announcer(at("announce"));
const stageTimes = new Map();
const TIMES = {
  queue: "queue_wait_ms", poem: "poem_lookup_ms", retrieval: "rag_retrieval_ms", generation: "llm_generation_ms",
  validation: "validation_ms", total: "total_time_ms",
};
// The connection lost for so long: no longer a matter of a moment.
const LONG_AWAY = 20000;
const GONE = new Set(["unknown_lot", "unknown_collection"]);
let ticking = 0;
let away = 0;

function show(id, shown, content) {
  const element = at(id);
  if (content !== undefined) element.textContent = content;
  element.hidden = !shown;
}

function setStatus(status) {
  if (task.dataset.status === status) return;
  task.dataset.status = status;
  at("status").textContent = text(`status_${status}`);
}

function showQueue(queued) {
  if (task.dataset.status === "queued") at("queue").textContent = queueText(queued);
}

function setStage(stage, content) {
  const shown = document.querySelector(`[data-stage="${CSS.escape(stage)}"] dd`);
  if (shown) shown.textContent = content;
}

function showStage({ stage, state, ms }) {
  if (state === "started") {
    setStage(stage, text("stage_running"));
    if (stage !== "queue") setRunning();
    return;
  }
  stageTimes.set(stage, (stageTimes.get(stage) ?? 0) + ms);
  setStage(stage, secondsText(stageTimes.get(stage)));
  if (stage === "queue") setRunning();
}

function setRunning() {
  at("queue").textContent = "";
  setStatus("running");
}

function showTimings(timings) {
  for (const [stage, key] of Object.entries(TIMES)) {
    if (typeof timings[key] === "number") setStage(stage, secondsText(timings[key]));
  }
  const model = timings.sections_from_model ? timings.llm_model : null;
  at("writer").textContent = model ? text("written_by", { model }) : text("by_commentary");
  show("degraded", Boolean(timings.degraded && timings.llm_model));
  show("reused", timings.cache_hit === "exact"); // one to other words is there from the start, and told by the page
}

function showSources(sources) {
  const list = at("sources").querySelector("dl");
  const language = at("asked").lang;
  list.replaceChildren();
  for (const { title, text: told, language: itsLanguage } of sources) {
    const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, term.lang] = [title, language];
    [detail.textContent, detail.lang] = [told, itsLanguage ?? language];
    list.append(term, detail);
  }
  at("sources").hidden = sources.length === 0;
}

function finish(status, { sections = {}, sources, timings, problem } = {}) {
  clearInterval(ticking);
  for (const [name, section] of Object.entries(sections)) parts.end(name, section);
  parts.closeAll();
  if (sources) showSources(sources);
  setStatus(status);
  at("queue").textContent = "";
  at("elapsed").textContent = "";
  connectionBack();
  if (problem) show("failure", true, GONE.has(problem.code) ? text("failure_gone") : text("failure_other"));
  if (timings) showTimings(timings);
  for (const waiting of document.querySelectorAll("[data-stage] dd")) {
    if (waiting.textContent === text("stage_running")) waiting.textContent = "";
  }
  const stop = at("stop");
  if (stop.contains(document.activeElement)) at("content").focus();
  stop.hidden = true;
  at("after").hidden = false;
  announce(text(`status_${status}`));
}

const HANDLERS = {
  queued: showQueue,
  stage: showStage,
  ...sectionEvents({ begun: setRunning, announce }),
  completed: (reading) => finish("completed", reading),
  failed: (problem) => finish("failed", { problem }),
  stopped: ({ sections }) => finish("stopped", { sections }),
};

function connectionLost() {
  if (away) return;
  show("trouble", true, text("connection_lost"));
  away = setTimeout(() => {
    show("trouble", true, text("connection_away"));
    show("again", true);
  }, LONG_AWAY);
}

function connectionBack() {
  clearTimeout(away);
  away = 0;
  show("trouble", false);
  const again = at("again");
  if (again === document.activeElement) at("content").focus();
  again.hidden = true;
}

function watch() {
  const { again } = follow(task.dataset.task, {
    events: task.dataset.events,
    told: (type, data) => HANDLERS[type]?.(data),
    lost: connectionLost,
    back: connectionBack,
    ended: ({ status, sections, sources, timings, error }) =>
      finish(status, { sections, sources, timings, problem: error }),
    gone() {
      clearInterval(ticking);
      connectionBack();
      at("whole").remove();
      at("standing").remove();
      at("asked").remove();
      show("erased", true);
    },
  });
  at("again").addEventListener("click", again);
}

function tick() {
  const begun = performance.now() - Number(task.dataset.elapsed) * 1000;
  ticking = setInterval(() => {
    const seconds = Math.round((performance.now() - begun) / 1000);
    at("elapsed").textContent = text("elapsed", { seconds });
  }, 1000);
}

function prepareStop() {
  at("stop").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await call("POST", `/tasks/${encodeURIComponent(task.dataset.task)}/stop`);
    } catch {
      show("trouble", true, text("stop_failed"));
    }
  });
}

/** Follow the reading on the page to its end, and make the button that stops it work. */
export function prepareProgress() {
  prepareStop();
  tick();
  watch();
}
