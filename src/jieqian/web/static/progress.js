// What every page that follows a reading does with its events.
import * as parts from "./parts.js";
import { text } from "./texts.js";

/**
 * Says things to a screen reader in that element: the latest of what came together, so that a page opened late is not
 * read out event by event.
 */
export function announcer(element) {
  let announcing = 0;
  return (message) => {
    clearTimeout(announcing);
    announcing = setTimeout(() => {
      element.textContent = message;
    }, 400);
  };
}

/** The place in the queue in words, and about how long it takes. */
export function queueText({ ahead, estimate_seconds: estimate }) {
  const place = ahead ? text("queue_ahead", { ahead }) : text("queue_next");
  const wait = estimate ? ` ${text("queue_estimate", { seconds: Math.ceil(estimate) })}` : "";
  return place + wait;
}

/** What to do at each event of a section; `begun` is called when one is begun. */
export function sectionEvents({ begun, announce }) {
  return {
    section_started({ section }) {
      begun();
      parts.restOthers(section);
      if (parts.begin(section)) announce(text("announce_started", { section: parts.headingOf(section) }));
    },
    section_delta: ({ section, text: piece }) => parts.add(section, piece),
    section_reset: ({ section }) => parts.drop(section),
    section_finished(finished) {
      const heading = parts.headingOf(finished.section);
      if (parts.end(finished.section, finished)) announce(text("announce_finished", { section: heading }));
    },
  };
}
