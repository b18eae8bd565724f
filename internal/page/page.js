"use strict";
// Fetches the document again and brings this one into the same state, node by node, so that
// focus, selection and scroll position stay.
(() => {
  const stale = document.getElementById("stale");
  let answered = new Date();

  const sync = (old, now) => {
    if (old.isEqualNode(now)) return;
    if (old.nodeName !== now.nodeName) return old.replaceWith(now);
    if (old.nodeType !== Node.ELEMENT_NODE) return void (old.nodeValue = now.nodeValue);
    for (const { name } of [...old.attributes]) {
      if (!now.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of now.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    // What is gone goes first: to move an element would end a selection in it.
    const ids = new Set([...now.children].map((e) => e.id));
    for (const child of [...old.children]) ids.has(child.id) || child.remove();
    const known = new Map([...old.children].filter((e) => e.id).map((e) => [e.id, e]));
    let at = old.firstChild;
    for (const next of [...now.childNodes]) {
      const same = next.id ? known.get(next.id) : at && !at.id ? at : undefined;
      if (!same) {
        old.insertBefore(next, at);
        continue;
      }
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      sync(same, next);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const update = async () => {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", signal: AbortSignal.timeout(20000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || !fresh.querySelector("main")) throw new Error("not the page");
    // Another version of the program has another style, which its policy does not allow here.
    if (!document.querySelector("style").isEqualNode(fresh.querySelector("style"))) return location.reload();
    const focus = document.activeElement;
    document.title = fresh.title;
    sync(document.getElementById("icon"), fresh.getElementById("icon"));
    sync(document.body, fresh.body);
    if (focus && focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true });
    answered = new Date();
  };

  let timer;
  const turn = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        await update(); // which hides it, too
      } catch {
        stale.querySelector("time").dateTime = answered.toISOString();
        stale.querySelector("time").textContent = answered.toLocaleTimeString();
        stale.hidden = false;
      }
    }
    timer = setTimeout(turn, 1000 * document.body.dataset.every);
  };
  timer = setTimeout(turn, 1000 * document.body.dataset.every);
  document.addEventListener("visibilitychange", () => document.hidden || turn());
})();
