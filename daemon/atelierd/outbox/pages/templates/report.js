const report = document.querySelector("main");

// The slider: a line between content and result that follows the pointer or the arrow keys.
function slide(range) {
  range.closest(".compare").style.setProperty("--at", `${range.value}%`);
}
// The picture is as wide as the page, unless it would be higher than the window then.
function fit() {
  for (const image of document.querySelectorAll(".compare .before")) {
    if (!image.naturalWidth) continue;
    image.closest(".compare").style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  }
}
document.addEventListener("load", fit, true);
fit();
document.addEventListener("input", (event) => {
  if (event.target.matches(".pair input")) slide(event.target);
});

// A snapshot that is clicked is compared; with a modifier key the link does what links do.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".strip a");
  const after = document.querySelector(".pair .after");
  if (!link || !after || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link, after);
});
function show(link, after) {
  for (const other of document.querySelectorAll(".strip a")) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  after.src = link.dataset.large;
  after.alt = link.textContent.trim();
  document.querySelector(".compare .shown").textContent = link.textContent.trim();
  const full = document.querySelector(".compare .full");
  if (full) full.href = link.href;
}

// The chart reads out the iteration that is pointed at.
document.addEventListener("pointermove", (event) => {
  const chart = event.target.closest?.(".chart");
  if (!chart) return;
  const drawing = chart.querySelector("svg");
  const box = drawing.getBoundingClientRect();
  const at = (100 * (event.clientX - box.left)) / box.width;
  const marks = JSON.parse(chart.querySelector(".marks").textContent);
  const nearest = marks.reduce((best, mark) => (Math.abs(mark[2] - at) < Math.abs(best[2] - at) ? mark : best));
  const point = drawing.querySelector(".point");
  point.setAttribute("visibility", "visible");
  point.firstElementChild.setAttribute("cx", `${nearest[2]}%`);
  point.firstElementChild.setAttribute("cy", `${nearest[3]}%`);
  chart.querySelector(".reading").textContent = `iteration ${nearest[0].toLocaleString()}: ${nearest[1]}`;
});

let stop = () => {};
atelierd.report = ({ body }) => {
  const live = document.getElementById("report");
  const chosen = document.querySelector(".strip [aria-current]");
  morph(live, parsed(body));
  if (chosen?.isConnected) show(chosen, document.querySelector(".pair .after"));
  if (document.getElementById("report").dataset.live === "no") stop();
};
if (document.getElementById("report")?.dataset.live === "yes") stop = keep(report.dataset.live, 3);
