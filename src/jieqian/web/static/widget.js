(function (settings) {
  // A frame where this script's tag stands, as high as it needs to be: docs/how-to/share-and-embed.md tells of it.
  const script = document.currentScript;
  const { collection = "", language, target } = script.dataset;
  const service = new URL("./", script.src);
  const tag = (language || document.documentElement.lang || navigator.language).toLowerCase();
  const lang =
    Object.keys(settings.words).find((known) => known.toLowerCase() === tag) ??
    (/^zh\b.*-(cn|sg|my|hans)\b/.test(tag) ? "zh-Hans" : tag.startsWith("zh") ? "zh-Hant" : /^ja\b/.test(tag) ? "ja" : "en");
  const words = settings.words[lang];
  const same = [...document.scripts].filter((other) => other.src === script.src);
  const place = encodeURIComponent(collection);

  function put(element) {
    const into = target && document.getElementById(target);
    if (target && !into) console.warn(`Jieqian widget: the page has no element with the id ${target}.`);
    if (into) into.append(element);
    else if (document.body.contains(script)) script.after(element);
    else document.body.append(element);
  }

  function link() {
    const made = document.createElement("a");
    made.href = new URL(`${collection ? `temples/${place}` : ""}?lang=${lang}`, service);
    made.textContent = words.link;
    made.lang = lang;
    made.target = "_blank";
    made.rel = "noopener";
    return made;
  }

  function frame() {
    const made = document.createElement("iframe");
    let waiting = 0;
    made.name = `jieqian-${same.indexOf(script) + 1}`; // the same after a refresh
    made.title = words.title;
    made.lang = lang;
    made.allow = "accelerometer; gyroscope";
    made.width = "100%";
    made.height = "560";
    made.style.border = "0";
    made.style.colorScheme = "light dark";
    made.src = new URL(`embed${collection ? `/${place}` : ""}?lang=${lang}`, service);

    function heard(event) {
      if (event.source !== made.contentWindow || event.origin !== service.origin) return;
      const height = event.data?.jieqian === "height" ? Number(event.data.height) : 0;
      if (!(height > 0 && height < 100000)) return;
      clearTimeout(waiting);
      made.height = String(Math.ceil(height));
    }

    addEventListener("message", heard);
    made.addEventListener("load", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        removeEventListener("message", heard);
        made.replaceWith(link());
        console.warn(`Jieqian widget: no page of ${service.href} came into the frame. ${settings.advice}`);
      }, 8000);
      made.contentWindow.postMessage({ jieqian: "hello" }, service.origin);
    });
    return made;
  }

  function begin() {
    const everybody = settings.origins[0] === "*" && location.origin !== "null";
    if (everybody || settings.origins.includes(location.origin)) return put(frame());
    put(link());
    console.warn(`Jieqian widget: ${location.origin} may not embed ${service.href}. ${settings.advice}`);
  }

  if (document.readyState === "loading" && target) addEventListener("DOMContentLoaded", begin);
  else if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
})
