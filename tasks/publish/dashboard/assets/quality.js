// The trend of checks over windows.

const windows = trend.windows.map((one) => one.window);

async function drawFailures() {
  const failed = trend.windows.flatMap((one) =>
    ["error", "warning"].filter((severity) => one[severity]).map((severity) => ({ ...one, severity, failed: one[severity] })));
  const clean = trend.windows.filter((one) => !one.error && !one.warning);
  const most = Math.max(...trend.windows.map((one) => one.error + one.warning));
  await draw("#failures", "failures", { failures: failed, clean }, { params: { most, windows } });
}

// Room for the mark of a failed check at either end; but a count begins at zero.
function roomy(values) {
  const [least, most] = span(values, 1);
  const room = (most - least) * 0.08;
  return [least === 0 ? 0 : least - room, most + room];
}

async function drawCheck(element) {
  const points = trend.checks[Number(element.dataset.check)].points.filter(({ value }) => value !== null);
  const values = points.flatMap((one) => [one.value, one.threshold ?? one.value]);
  await draw(element, "value", { check: points }, { params: { windows, levels: roomy(values) } });
}
