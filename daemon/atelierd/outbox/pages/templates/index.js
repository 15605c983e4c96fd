const main = document.querySelector("main");
const gallery = document.getElementById("gallery");
const words = document.getElementById("words");
const folder = main.dataset.folder;
const STALE_AFTER = 120;
let changed = Date.now();
let written = "";
let isConnected = true;

// The queue, and whether the gallery is another one by now.
atelierd.update = ({ parts, gallery: digest, written: moment }) => {
  for (const html of parts) {
    const fresh = parsed(html);
    const live = document.getElementById(fresh.id);
    if (live) morph(live, fresh);
  }
  if (moment !== written) {
    written = moment;
    changed = Date.now();
    const time = document.querySelector(".foot time");
    time.dateTime = moment;
    localize(time.parentElement);
  }
  if (digest !== main.dataset.gallery) load(`${folder}/gallery.js`);
  doubt();
};

// Say so where what is shown may be old by now.
function doubt() {
  const state = document.getElementById("status").dataset.state;
  const isSilent = state === "working" && Date.now() - changed > 1000 * STALE_AFTER;
  const stale = document.getElementById("stale");
  const text = !isConnected
    ? "The server does not answer; this page goes on when it does."
    : isSilent
      ? "Nothing has been heard of the daemon since; is it running?"
      : "";
  if (stale.textContent !== text) stale.textContent = text;
}
atelierd.connected = (is) => {
  isConnected = is;
  doubt();
};

atelierd.gallery = ({ digest, cards, older }) => {
  const known = new Map([...gallery.children].map((item) => [item.dataset.key, item]));
  let place = gallery.firstElementChild;
  for (const [name, version, html] of cards) {
    let item = known.get(name);
    known.delete(name);
    if (!item) {
      item = document.createElement("li");
      item.dataset.key = name;
    }
    if (item.dataset.version !== version) {
      const fresh = parsed(html);
      if (item.firstElementChild) morph(item.firstElementChild, fresh);
      else item.append(fresh);
      item.dataset.version = version;
    }
    if (item === place) place = place.nextElementSibling;
    else gallery.insertBefore(item, place);
  }
  for (const item of known.values()) item.remove();
  main.dataset.gallery = digest;
  document.getElementById("nothing-finished").hidden = cards.length > 0;
  const rest = document.getElementById("older");
  rest.hidden = older <= 0;
  rest.textContent = `${older.toLocaleString()} older jobs are not shown here; their folders lie beside this page.`;
  filter();
};

// Every word has to be somewhere in the name, the contents or the styles.
function filter() {
  const wanted = words.value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
  const state = document.querySelector("[name=state]:checked").value;
  const counts = { all: 0, done: 0, failed: 0, cancelled: 0 };
  let shown = 0;
  for (const item of gallery.children) {
    const { state: own, words: text } = item.firstElementChild.dataset;
    const fits = wanted.every((word) => text.includes(word));
    if (fits) {
      counts.all += 1;
      counts[own] += 1;
    }
    const visible = fits && (state === "all" || state === own);
    if (item.hidden === visible) item.hidden = !visible;
    shown += visible;
  }
  for (const radio of document.querySelectorAll("[name=state]")) {
    radio.nextElementSibling.querySelector("b").textContent = counts[radio.value].toLocaleString();
  }
  const all = gallery.children.length;
  const filtered = wanted.length > 0 || state !== "all";
  const found = document.getElementById("found");
  const text = !filtered ? "" : shown ? `${shown.toLocaleString()} of ${all.toLocaleString()} jobs` : "No job fits these words and this state.";
  if (found.textContent !== text) found.textContent = text;
}

words.addEventListener("input", filter);
document.querySelector(".filters").addEventListener("change", filter);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select") && event.target.type !== "radio";
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    words.focus();
  }
  if (event.key === "Escape" && event.target === words && words.value) {
    event.preventDefault();
    words.value = "";
    filter();
  }
});
filter();
setInterval(doubt, 10_000);
keep(`${folder}/live.js`, 3);
