// A service on the golden path: a page, health and metrics, with Node.js alone.
import { createServer } from 'node:http';

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => text.replace(/[&<>"']/g, (c) => entities[c]);

/** settings reads the environment. A wrong value is an error that names it. */
export function settings(env) {
  const port = Number(env.PORT || '8080');
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`PORT: "${env.PORT}" is not a port: give a number from 0 to 65535`);
  }
  return {
    port,
    version: env.VERSION || 'unknown',
    environment: env.ENVIRONMENT || 'local',
    healthy: env.HEALTH !== 'failing',
  };
}

/** createService gives an HTTP server that does not listen yet; drain() makes it say that it is not ready. */
export function createService({ version, environment, healthy }) {
  let draining = false;
  const requests = new Map(); // labels of the metric -> requests answered
  let seconds = 0;

  const ok = (good) => (good ? { code: 200, body: 'ok\n' } : { code: 503, body: 'unavailable\n' });
  const routes = {
    '/': () => ({
      code: 200,
      type: 'text/html; charset=utf-8',
      body: `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>template-service</title>
<h1>template-service</h1>
<p>version <code id="version">${escape(version)}</code>, environment <code id="environment">${escape(environment)}</code></p>
</html>
`,
    }),
    '/healthz': () => ok(healthy),
    '/readyz': () => ok(healthy && !draining),
    '/metrics': () => ({ code: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: metrics() }),
  };

  // The Prometheus text format.
  function metrics() {
    const lines = ['# TYPE http_requests_total counter'];
    let count = 0;
    for (const labels of [...requests.keys()].sort()) {
      lines.push(`http_requests_total{${labels}} ${requests.get(labels)}`);
      count += requests.get(labels);
    }
    lines.push('# TYPE http_request_duration_seconds summary', `http_request_duration_seconds_sum ${seconds}`, `http_request_duration_seconds_count ${count}`);
    return `${lines.join('\n')}\n`;
  }

  const server = createServer((request, response) => {
    const started = performance.now();
    const path = request.url.split('?', 1)[0];
    const known = Object.hasOwn(routes, path);
    let answer = { code: 404, body: 'not found\n' };
    if (known) {
      answer = request.method === 'GET' || request.method === 'HEAD' ? routes[path]() : { code: 405, body: 'method not allowed\n' };
    }
    response.writeHead(answer.code, { 'Content-Type': answer.type || 'text/plain; charset=utf-8' });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
    // A path that is no route is "other": strangers make up no labels.
    const labels = `route="${known ? path : 'other'}",code="${answer.code}"`;
    requests.set(labels, (requests.get(labels) || 0) + 1);
    seconds += (performance.now() - started) / 1000;
  });
  server.drain = () => {
    draining = true;
  };
  return server;
}
