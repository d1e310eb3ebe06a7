// Keeps the static files of one version and the page for when there is no network. A reading, a question, an answer of
// the API is never kept: they are their asker's, and can be erased.
const base = new URL("./", self.location.href);
const version = new URL(self.location.href).searchParams.get("v");
const files = new URL(`static/${version}/`, base).href;
const offline = new URL("offline", base).href;
const ours = `jieqian ${base.pathname} `;
const name = ours + version;

async function keepOfflinePage() {
  const cache = await caches.open(name);
  const page = await fetch(offline, { cache: "no-store" });
  if (!page.ok) throw new Error(`offline page: HTTP ${page.status}`);
  const addresses = [...(await page.clone().text()).matchAll(/(?:href|src)="([^"]+)"/g)].map(
    ([, address]) => new URL(address, base).href,
  );
  await cache.addAll(new Set(addresses.filter((address) => address.startsWith(files))));
  await cache.put(offline, page);
}

async function forgetOthers() {
  const kept = await caches.keys();
  await Promise.all(kept.filter((other) => other.startsWith(ours) && other !== name).map((old) => caches.delete(old)));
  await self.clients.claim();
}

async function page(request) {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match(offline, { cacheName: name, ignoreVary: true })) ?? Response.error();
  }
}

async function file(request) {
  const kept = await caches.match(request, { cacheName: name });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(name)).put(request, answer.clone());
  return answer;
}

// A click on word that a reading is done brings its page forward.
async function show(address) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const known = pages.find((client) => client.url.split("#")[0] === address);
  await (known ? known.focus() : self.clients.openWindow(address));
}

self.addEventListener("install", (event) => {
  event.waitUntil(keepOfflinePage().then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate" && request.url.startsWith(base.href)) event.respondWith(page(request));
  else if (request.method === "GET" && request.url.startsWith(files)) event.respondWith(file(request));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data));
});
