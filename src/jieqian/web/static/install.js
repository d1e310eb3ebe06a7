// The service worker: it keeps static files and a page that says there is no network. Never a reading.
const manifest = document.querySelector("link[rel=manifest]");
const version = import.meta.url.split("/").at(-2);

// Without HTTPS, but on the machine itself, a browser offers none; then all is as it was.
if (manifest && "serviceWorker" in navigator) {
  const worker = new URL("service-worker.js", manifest.href);
  worker.searchParams.set("v", version);
  navigator.serviceWorker.register(worker, { scope: new URL("./", manifest.href).pathname }).catch(() => {});
}
