import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';

import { createService, settings } from '../service.js';

/** serving runs a service on a free port while the test lasts and gives a function that asks it. */
async function serving(t, env = {}) {
  const server = createService(settings(env));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const get = async (path, options) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, options);
    return { code: response.status, body: await response.text() };
  };
  return { server, get };
}

test('the page shows version and environment, escaped', async (t) => {
  const { get } = await serving(t, { VERSION: '3f2ab1c', ENVIRONMENT: '<dev>' });
  const { code, body } = await get('/');
  assert.equal(code, 200);
  assert.match(body, /3f2ab1c/);
  assert.match(body, /&lt;dev&gt;/);
});

test('health follows the switch, readiness the drain', async (t) => {
  const good = await serving(t);
  assert.equal((await good.get('/healthz')).code, 200);
  assert.equal((await good.get('/readyz')).code, 200);
  good.server.drain();
  assert.equal((await good.get('/healthz')).code, 200);
  assert.equal((await good.get('/readyz')).code, 503);
  const bad = await serving(t, { HEALTH: 'failing' });
  assert.equal((await bad.get('/healthz')).code, 503);
});

test('metrics count by route and never by path', async (t) => {
  const { get } = await serving(t);
  await get('/');
  await get('/no/such/page');
  await get('/constructor');
  assert.equal((await get('/', { method: 'POST' })).code, 405);
  const { body } = await get('/metrics');
  assert.match(body, /^http_requests_total\{route="\/",code="200"\} 1$/m);
  assert.match(body, /^http_requests_total\{route="other",code="404"\} 2$/m);
  assert.doesNotMatch(body, /constructor/);
});

test('a wrong port is named', () => {
  assert.throws(() => settings({ PORT: 'http' }), /PORT/);
});
