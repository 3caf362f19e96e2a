// The movers, the table's order, and the start of it all.

async function drawMovers(side, pick) {
  const bars = movers[side];
  const rows = bars.map((bar, rank) => ({ ...bar, rank }));
  const params = { limit: movers.limit, codes: bars.map(({ code }) => code) };
  const view = await draw(`#${side}`, side, { movers: rows }, { params, height: 26 * bars.length });
  view.addEventListener("click", (_, item) => {
    const index = series.findIndex(({ code }) => code === item?.datum?.code);
    if (index >= 0) pick(index);
  });
}

function sortBy(button) {
  const head = button.closest("th");
  const column = head.cellIndex;
  const numeric = button.dataset.sort === "number";
  // Numbers begin with the largest, words with the first.
  const descending = head.ariaSort ? head.ariaSort === "ascending" : numeric;
  const value = (row) => row.cells[column].dataset.value;
  const missing = (text) => text === "None";
  const compared = (a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0);
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (numeric && (missing(a) || missing(b))) return missing(a) - missing(b); // last, either way
    return descending ? compared(b, a) : compared(a, b);
  });
  for (const other of head.parentElement.cells) other.ariaSort = null;
  head.ariaSort = descending ? "descending" : "ascending";
  body.append(...rows);
}

const there = (id) => document.getElementById(id) !== null;
for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sortBy(button));
const pick = there("price") ? await drawPrices() : () => undefined;
for (const side of ["rising", "falling"]) if (there(side)) await drawMovers(side, pick);
if (there("failures")) await drawFailures();
for (const element of document.querySelectorAll("[data-check]")) await drawCheck(element);
document.documentElement.dataset.drawn = "";
