// Shows /emulator/state, again and again. Elements are kept from one time to the next, so that what is open stays open.

const EVERY = 1000; // milliseconds
const NODES = {
  idle: "good", running: "running",
  creating: "preparing", starting: "preparing", waitingforstarttask: "preparing", rebooting: "preparing",
  reimaging: "preparing", upgradingos: "preparing", deallocating: "preparing", leavingpool: "preparing",
  unusable: "bad", starttaskfailed: "bad", unknown: "bad", preempted: "bad",
};
const TASKS = ["failed", "succeeded", "running", "preparing", "active"];
const $ = (id) => document.getElementById(id);
let latest;

async function look() {
  try {
    const answer = await fetch("/emulator/state", { signal: AbortSignal.timeout(10 * EVERY) });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    latest = await answer.json();
    show(latest);
    $("trouble").hidden = true;
  } catch (error) {
    $("trouble").textContent = `The emulator does not answer (${error.message}). What is below may be out of date.`;
    $("trouble").hidden = false;
  }
  setTimeout(look, document.hidden ? 10 * EVERY : EVERY);
}

function show(state) {
  $("account").textContent = state.account;
  const speed = state.speed === 0 ? "standing still" : `${state.speed} × real time`;
  $("clock").textContent = `${time(state.now)} UTC, ${speed}, ${state.executor}`;
  $("no-pools").hidden = state.pools.length > 0;
  $("no-jobs").hidden = state.jobs.length > 0;
  sync($("pools"), state.pools, (pool) => pool.id, () => copy("pool"), showPool);
  const newest = [...state.jobs].reverse();
  sync($("jobs"), newest, (job) => job.id, () => copy("job"), (element, job) => showJob(element, job, state.now));
}

function showPool(element, pool) {
  part(element, "h3", pool.id);
  const size = (current, target) => (current === target ? `${current}` : `${current} of ${target}`);
  part(element, ".facts", [
    pool.state === "active" ? pool.allocationState : pool.state,
    `${size(pool.currentDedicatedNodes, pool.targetDedicatedNodes)} dedicated`,
    `${size(pool.currentLowPriorityNodes, pool.targetLowPriorityNodes)} spot`,
    pool.enableAutoScale ? "autoscale" : "fixed size",
    pool.vmSize,
  ].filter(Boolean).join(", "));
  const errors = (pool.resizeErrors ?? []).map((error) => `${error.code}: ${error.message}`).join(" ");
  part(element, ".errors", errors).hidden = !errors;
  sync(element.querySelector(".nodes"), pool.nodes, (node) => node.id, () => document.createElement("li"), showNode);
  part(element, ".counts", counts(pool.nodes.map((node) => node.state)));
}

function showNode(element, node) {
  element.dataset.look = NODES[node.state] ?? "waiting";
  element.classList.toggle("spot", !node.isDedicated);
  const errors = (node.errors ?? []).map((error) => `\n${error.code}: ${error.message}`).join("");
  const text = `${node.id}\n${node.state}, ${node.isDedicated ? "dedicated" : "spot"}${node.tasks.map((task) => `\n${task}`).join("")}${errors}`;
  if (element.title !== text) element.title = text;
}

function showJob(element, job, now) {
  part(element, ".id", job.id);
  const info = job.executionInfo ?? {};
  const why = info.terminateReason ?? info.schedulingError?.message;
  part(element, ".facts", [job.state + (why ? ` (${why})` : ""), info.poolId && `on ${info.poolId}`].filter(Boolean).join(" "));
  const total = Object.values(job.taskCounts).reduce((sum, count) => sum + count, 0);
  const succeeded = (job.taskCounts.completed ?? 0) - job.failedTasks;
  const found = { ...job.taskCounts, failed: job.failedTasks, succeeded };
  const words = TASKS.filter((state) => found[state]).map((state) => `${found[state]} ${state}`).join(", ");
  part(element, "summary .counts", words || "no tasks");
  const bar = element.querySelector(".bar");
  bar.setAttribute("aria-label", words || "no tasks");
  sync(bar, TASKS, (state) => state, () => document.createElement("i"), (piece, state) => {
    piece.className = state;
    piece.style.width = total ? `${(100 * (found[state] ?? 0)) / total}%` : "0";
  });
  if (!element.open) return;
  sync(element.querySelector("tbody"), job.tasks, (task) => task.id, row, (cells, task) => showTask(cells, task, now));
  const shown = job.tasks.length;
  part(element, ".more", `The newest ${shown} of ${total} tasks.`).hidden = shown === total;
}

function row() {
  const element = document.createElement("tr");
  for (let cell = 0; cell < 6; cell++) element.append(document.createElement("td"));
  element.children[1].className = "state";
  return element;
}

function showTask(element, task, now) {
  const info = task.executionInfo ?? {};
  const failed = info.result?.toLowerCase() === "failure";
  const looks = { completed: failed ? "bad" : "good", running: "running", preparing: "preparing" };
  element.dataset.look = looks[task.state] ?? "waiting";
  const again = [[info.retryCount, "retries"], [info.requeueCount, "requeues"]];
  const happened = [
    info.failureInfo && `${info.failureInfo.code}: ${info.failureInfo.message}`,
    ...again.filter(([count]) => count).map(([count, word]) => `${count} ${word}`),
  ].filter(Boolean).join(", ");
  const since = duration((Date.parse(now) - Date.parse(task.stateTransitionTime)) / 1000);
  const name = task.displayName ? `${task.displayName} (${task.id})` : task.id;
  [name, task.state, since, short(task.nodeId ?? ""), info.exitCode ?? "", happened].forEach((text, at) => put(element.children[at], text));
  element.children[3].title = task.nodeId ?? "";
}

// Makes the children of an element those of the items, by key, and leaves alone what has not changed.
function sync(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, at) => {
    const child = old.get(String(key(item))) ?? create();
    old.delete(String(key(item)));
    child.dataset.key = key(item);
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}

function copy(template) {
  const element = $(template).content.firstElementChild.cloneNode(true);
  if (template === "job") element.addEventListener("toggle", () => element.open && show(latest));
  return element;
}

function part(element, selector, text) {
  return put(element.querySelector(selector), text);
}

function put(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
  return element;
}

function counts(words) {
  const found = new Map();
  for (const word of words) found.set(word, (found.get(word) ?? 0) + 1);
  return [...found].map(([word, count]) => `${count} ${word}`).join(", ") || "no nodes";
}

// A node's id is 72 characters, of which the first of the hexadecimal ones tell it from the others of its pool.
function short(node) {
  return node.replace(/^(tvmps_[0-9a-f]{8})[0-9a-f]+/, "$1…");
}

function time(text) {
  return text.slice(0, 19).replace("T", " ");
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

look();
