// Starts the program and looks at it as its users do: over HTTP, from outside.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

/** start runs the program on a free port and waits for its log to say which. */
async function start(t, env = {}) {
  const program = spawn(process.execPath, [fileURLToPath(new URL('../server.js', import.meta.url))], {
    env: { ...process.env, NODE_OPTIONS: '', PORT: '0', ENVIRONMENT: 'behavior', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => program.kill('SIGKILL'));
  const log = createInterface({ input: program.stderr });
  for await (const line of log) {
    const { msg, address } = JSON.parse(line);
    if (msg === 'serving') {
      return { program, url: `http://127.0.0.1${address}` };
    }
  }
  throw new Error('the program ended before it served');
}

test('a visitor sees where they are', async (t) => {
  const { url } = await start(t);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /behavior/);
});

test('the switch makes it unhealthy', async (t) => {
  const { url } = await start(t, { HEALTH: 'failing' });
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
});

test('it stops when it is told', async (t) => {
  const { program } = await start(t);
  program.kill('SIGTERM');
  const [code] = await once(program, 'exit');
  assert.equal(code, 0);
});
