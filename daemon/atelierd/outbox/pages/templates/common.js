"use strict";
const atelierd = (window.atelierd = {});
document.documentElement.classList.remove("plain");

// Times are written in UTC, for the daemon does not know where its readers are.
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function localize(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const when = new Date(time.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    time.textContent = when.toDateString() === today ? clock.format(when) : calendar.format(when);
    time.title = calendar.format(when);
  }
}

function parsed(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  localize(holder.content);
  return holder.content.firstElementChild;
}

// Change only what differs: what has the focus, is scrolled, opened or half loaded stays.
function morph(live, fresh) {
  if (live.nodeType !== fresh.nodeType || live.nodeName !== fresh.nodeName || key(live) !== key(fresh)) {
    live.replaceWith(fresh);
    return;
  }
  if (live.nodeType !== Node.ELEMENT_NODE) {
    if (live.data !== fresh.data) live.data = fresh.data;
    return;
  }
  for (const { name } of [...live.attributes]) {
    if (!fresh.hasAttribute(name) && !isOurs(live, name)) live.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (live.getAttribute(name) !== value && !isOurs(live, name)) live.setAttribute(name, value);
  }
  const named = new Map();
  for (const child of live.children) if (key(child)) named.set(key(child), child);
  let place = live.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = key(child) ? named.get(key(child)) : place && !key(place) ? place : null;
    if (!known) {
      live.insertBefore(child, place);
      continue;
    }
    if (known === place) place = place.nextSibling;
    else live.insertBefore(known, place);
    morph(known, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}
// What a reader or this script has set, not the daemon.
function isOurs(element, name) {
  return ["open", "style", "aria-current"].includes(name) || (name === "class" && element.nodeName === "IMG");
}
function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || "" : "";
}

// From a disk a page may load no data, only scripts; so the data come as scripts that call us.
// A server that says so sends the same data, and pushes them: there, no script is ever loaded.
const isServed = document.documentElement.dataset.served === "live";
const SCRIPT = /^atelierd\.([a-z]+)\((.*)\);\n?$/;
function load(path) {
  if (isServed) {
    fetch(path).then((answer) => answer.text()).then((text) => {
      const call = SCRIPT.exec(text);
      if (call) atelierd[call[1]]?.(JSON.parse(call[2]));
    }).catch(() => {});
    return;
  }
  const script = document.createElement("script");
  script.src = `${path}?${Date.now()}`;
  script.onload = script.onerror = () => script.remove();
  document.head.append(script);
}

// Ask again every few seconds, or be told, while somebody looks.
function keep(path, seconds) {
  const [begin, end] = isServed ? follower(path, seconds) : asker(path, seconds);
  const look = () => (document.hidden ? end() : begin());
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    end();
    document.removeEventListener("visibilitychange", look);
  };
}
function asker(path, seconds) {
  let timer = null;
  const begin = () => {
    load(path);
    timer ??= setInterval(load, 1000 * seconds, path);
  };
  const end = () => {
    clearInterval(timer);
    timer = null;
  };
  return [begin, end];
}
// A browser has few connections to one server: a page that nobody sees keeps none.
function follower(path, seconds) {
  let source = null;
  let again = null;
  const begin = () => {
    clearTimeout(again);
    if (source) return;
    source = new EventSource(`${path}?follow`);
    for (const name of ["update", "report"]) {
      source.addEventListener(name, (event) => atelierd[name]?.(JSON.parse(event.data)));
    }
    source.onopen = () => atelierd.connected?.(true);
    source.onerror = () => {
      atelierd.connected?.(false);
      // Where it was refused, a browser does not try again by itself.
      if (source?.readyState !== EventSource.CLOSED) return;
      source = null;
      again = setTimeout(begin, 2000 * seconds);
    };
  };
  const end = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };
  return [begin, end];
}

// A picture that people have taken away leaves its place empty.
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) event.target.classList.add("gone");
}, true);
for (const image of document.images) {
  if (image.complete && !image.naturalWidth) image.classList.add("gone");
}
document.addEventListener("load", (event) => {
  if (event.target instanceof HTMLImageElement) event.target.classList.remove("gone");
}, true);
localize(document);
