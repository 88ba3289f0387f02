// A service worker that keeps the page's files, so that it works without a network.
// `python -m subpixel demo` puts the list of the files and a digest of them here.

const FILES = ["@FILES@"];
const CACHE = "subpixel-demo-@DIGEST@";

self.addEventListener("install", (event) => {
  const requests = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const isOld = (key) => key.startsWith("subpixel-demo-") && key !== CACHE;
  event.waitUntil(
    caches.keys().then((keys) => Promise.all(keys.filter(isOld).map((key) => caches.delete(key)))),
  );
});

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const answer = async () =>
    (await (await caches.open(CACHE)).match(event.request)) ?? fetch(event.request);
  event.respondWith(answer());
});
