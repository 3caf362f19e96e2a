// The price panel: a code, a range of dates, and what is under the pointer.

// A few points make no line that can be seen: they are drawn as points as well.
const marked = (rows) => rows.map((row) => ({ ...row, lone: rows.length < 16 }));

function unpacked({ code, days, closes, sessions, averages, weeks, change }) {
  const weekly = sessions.map((at, i) => ({ t: at * DAY, average: averages[i], weeks: weeks[i] }));
  let next = 0;
  const daily = days.map((at, i) => {
    while (next < weekly.length && weekly[next].t <= at * DAY) next += 1;
    const known = weekly[next - 1]; // the average of the last week that had ended, as far as known on that day
    return { t: at * DAY, price: closes[i], average: known?.average ?? null, weeks: known?.weeks };
  });
  return { code, daily, weekly, change };
}

// The least and the largest value; a scale needs two, so that a single one gets company.
function span(values, gap) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least < most ? [least, most] : [least, least + gap];
}

function ends(daily, weekly) {
  const levels = [...daily.map(({ price }) => price), ...weekly.map(({ average }) => average)];
  return { times: span([daily[0].t, daily.at(-1).t], DAY), levels: span(levels, levels[0] / 20) };
}

function nearest(rows, time) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].t < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - rows[low - 1].t < rows[low].t - time ? rows[low - 1] : rows[low];
}

function monthsBefore(time, months) {
  const date = new Date(time);
  date.setUTCMonth(date.getUTCMonth() - months);
  return date.getTime();
}

function reading({ daily, weekly, change }) {
  const last = daily.at(-1);
  const parts = [`${price(last.price)} on ${day(last.t)}`];
  if (change !== null && change !== undefined) {
    parts.push(change === 0 ? "unchanged in the week" : `${change > 0 ? "▲" : "▼"} ${percent(change)} in the week`);
  }
  if (weekly.length) {
    const against = last.price / weekly.at(-1).average - 1;
    const side = against < 0 ? "below" : "above";
    parts.push(Math.abs(against) < 5e-5 ? "at its ten-week average" : `${percent(against)} ${side} its ten-week average`);
  }
  return parts.join("  ·  ");
}

class PricePanel {
  static async open(index) {
    const panel = new PricePanel();
    const { daily, weekly } = unpacked(series[index]);
    panel.chart = await draw("#price", "price", { daily, weekly, at: [] }, { params: ends(daily, weekly) });
    panel.strip = await draw("#strip", "strip", { daily });
    // The brush also changes by what the script does: only after a touch of the strip is it the reader's.
    document.getElementById("strip").addEventListener("pointerdown", () => { panel.touched = true; }, true);
    panel.strip.addSignalListener("brush", (_, { t }) => { if (panel.touched) panel.brushed(t); });
    panel.tip = document.getElementById("tip");
    panel.ranges = [...document.getElementsByName("range")];
    panel.codes = [...document.getElementsByName("code")];
    for (const radio of panel.ranges) radio.addEventListener("change", () => panel.preset());
    for (const radio of panel.codes) radio.addEventListener("change", () => panel.show(Number(radio.value)));
    const plot = document.getElementById("price");
    plot.addEventListener("pointermove", (event) => panel.point(event.clientX - plot.getBoundingClientRect().left));
    plot.addEventListener("pointerleave", () => panel.leave());
    await panel.show(index);
    return panel;
  }

  async show(index) {
    this.touched = false;
    this.codes[index].checked = true;
    reveal(this.codes[index].parentElement);
    this.one = unpacked(series[index]);
    document.getElementById("chosen").textContent = this.one.code;
    document.getElementById("reading").textContent = reading(this.one);
    await this.strip.data("daily", this.one.daily).runAsync();
    await this.preset();
  }

  // The months of the chosen button, up to the last session; without one, the dates that were brushed.
  async preset() {
    this.touched = false;
    const [first, last] = [this.one.daily[0].t, this.one.daily.at(-1).t];
    const chosen = this.ranges.find((radio) => radio.checked);
    let [from, to] = this.brush ?? [first, last];
    if (chosen) {
      const months = Number(chosen.value);
      [from, to] = [months ? Math.max(first, monthsBefore(last, months)) : first, last];
    }
    if (to < first || from > last) [from, to] = [first, last];
    const x = this.strip.scale("x");
    await this.strip.signal("brush_x", [x(Math.max(from, first)), x(Math.min(to, last))]).runAsync();
    await this.zoom(from, to);
  }

  brushed(range) {
    for (const radio of this.ranges) radio.checked = false;
    this.brush = range ? [Number(range[0]), Number(range[1])] : undefined;
    const all = [this.one.daily[0].t, this.one.daily.at(-1).t];
    return this.zoom(...(this.brush ?? all));
  }

  async zoom(from, to) {
    const within = ({ t }) => t >= from && t <= to;
    const daily = marked(this.one.daily.filter(within));
    const weekly = marked(this.one.weekly.filter(within));
    this.shown = daily;
    this.leave();
    if (daily.length) {
      const { times, levels } = ends(daily, weekly);
      await this.chart.signal("times", times).signal("levels", levels).data("daily", daily).data("weekly", weekly).runAsync();
    }
    const text = daily.length ? `${day(daily[0].t)} – ${day(daily.at(-1).t)}` : "No session in this range";
    document.getElementById("span").textContent = text;
  }

  // Marks the session nearest to the pointer and tells its values.
  point(left) {
    if (!this.shown.length) return;
    const [x, [margin]] = [this.chart.scale("x"), this.chart.origin()];
    const row = nearest(this.shown, Number(x.invert(left - margin)));
    this.chart.data("at", [row]).runAsync();
    const known = row.average === null ? ["none yet", "0"] : [price(row.average), String(row.weeks)];
    [day(row.t), price(row.price), ...known].forEach((text, i) => { this.tip.querySelectorAll("dd")[i].textContent = text; });
    this.tip.hidden = false;
    const at = margin + x(row.t);
    const room = this.tip.offsetWidth + 16;
    this.tip.style.left = `${at + room > this.tip.parentElement.clientWidth ? Math.max(0, at - room) : at + 16}px`;
  }

  leave() {
    this.tip.hidden = true;
    this.chart.data("at", []).runAsync();
  }
}

// Scrolls the list, not the page.
function reveal(label) {
  const list = label.parentElement;
  list.scrollTop = label.offsetTop - (list.clientHeight - label.offsetHeight) / 2;
  list.scrollLeft = label.offsetLeft - (list.clientWidth - label.offsetWidth) / 2;
}

function filterCodes() {
  const wanted = document.getElementById("filter").value.trim().toLowerCase();
  let matches = 0;
  for (const label of document.querySelectorAll(".rail label")) {
    label.hidden = !label.querySelector(".code").textContent.toLowerCase().includes(wanted);
    matches += label.hidden ? 0 : 1;
  }
  document.getElementById("nomatch").hidden = matches > 0;
}

function biggestMover() {
  const sizes = series.map(({ change }) => Math.abs(change ?? 0));
  return sizes.indexOf(Math.max(...sizes));
}

async function drawPrices() {
  const panel = await PricePanel.open(biggestMover());
  const pick = (index) => {
    panel.show(index);
    document.getElementById("prices").scrollIntoView({ block: "start" });
  };
  const filter = document.getElementById("filter");
  filter.addEventListener("input", filterCodes);
  filter.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector(".rail label:not([hidden]) input")?.click();
  });
  for (const button of document.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => pick(Number(button.dataset.pick)));
  }
  return pick;
}
