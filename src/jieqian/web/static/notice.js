// Word that a reading is done, if wished: while the page is open, also behind others. Nothing is sent from a server.
import { text } from "./texts.js";

// The wish outlives a refresh of this tab; where nothing may be kept it ends with the page.
function wish(key, made) {
  try {
    if (made) sessionStorage.setItem(key, "yes");
    return sessionStorage.getItem(key) === "yes";
  } catch {
    return made;
  }
}

async function notify(status) {
  const title = status === "completed" ? text("notify_done") : text("notify_failed");
  const options = { body: document.querySelector("h1").textContent.trim().replace(/\s+/g, " ") };
  options.tag = options.data = location.href.split(/[?#]/)[0];
  options.icon = document.querySelector("link[rel=apple-touch-icon]")?.href;
  try {
    const registration = await navigator.serviceWorker?.getRegistration();
    if (registration?.active) {
      await registration.showNotification(title, options); // on a phone the only way
      return;
    }
    new Notification(title, options).onclick = () => window.focus();
  } catch {
    // the browser shows none after all; the page itself says it
  }
}

/** Offer it beside the button that stops, and keep the promise once. */
export function prepareNotice(task) {
  if (!window.isSecureContext || !("Notification" in window) || Notification.permission === "denied") return;
  const key = `notify ${task.dataset.task}`;
  const [button, said] = [document.createElement("button"), document.createElement("p")];
  let wished = false;
  [button.type, button.id, button.className, button.textContent] = ["button", "notify", "quiet", text("notify_offer")];
  [said.id, said.className] = ["notify-said", "hint"];
  said.setAttribute("role", "status");
  document.getElementById("stop").after(button, said);

  function promise() {
    wished = wish(key, true);
    button.hidden = true;
    said.textContent = text("notify_on");
  }

  button.addEventListener("click", async () => {
    if ((await Notification.requestPermission()) === "granted") promise();
    else said.textContent = text("notify_denied");
  });
  if (wish(key, false) && Notification.permission === "granted") promise();
  new MutationObserver((_changes, observer) => {
    const { status } = task.dataset;
    if (status === "queued" || status === "running") return;
    observer.disconnect();
    button.hidden = true;
    said.textContent = "";
    if (wished && status !== "stopped" && document.visibilityState === "hidden") notify(status);
  }).observe(task, { attributeFilter: ["data-status"] });
}
